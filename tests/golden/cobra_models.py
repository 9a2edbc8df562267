"""Models that cobra ships, as networks."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellula.core.flux import FluxBalance, FluxObjective, Gene, GeneRule
from cellula.core.network import Compartment, Network, Participant, Reaction, Species


def reaction(id: str, balance: Mapping[str, float]) -> Reaction:
    """A reaction of a species -> number mapping, negative for what it takes."""
    takes = tuple(Participant(one, -n) for one, n in balance.items() if n < 0)
    makes = tuple(Participant(one, n) for one, n in balance.items() if n > 0)
    return Reaction(id, takes, makes)


def of_cobra(model: Any) -> Network:
    """A model of cobra as a network."""
    compartments = sorted({one.compartment for one in model.metabolites})
    reactions = tuple(
        reaction(one.id, {m.id: float(n) for m, n in one.metabolites.items()})
        for one in model.reactions
    )
    weights = {r.id: r.objective_coefficient for r in model.reactions if r.objective_coefficient}
    flux = FluxBalance(
        {one.id: (one.lower_bound, one.upper_bound) for one in model.reactions},
        (FluxObjective("objective", weights, model.objective_direction == "max"),),
        "objective",
        tuple(Gene(one.id, one.name) for one in model.genes),
        {
            one.id: gene_rule(one.gpr.body)
            for one in model.reactions
            if one.gpr is not None and one.gpr.body is not None
        },
    )
    return Network(
        model.id,
        tuple(Compartment(id) for id in compartments),
        tuple(Species(one.id, one.compartment) for one in model.metabolites),
        (),
        reactions,
        flux=flux,
    )


def gene_rule(tree: ast.expr) -> str | GeneRule:
    if isinstance(tree, ast.Name):
        return tree.id
    assert isinstance(tree, ast.BoolOp)
    how = "and" if isinstance(tree.op, ast.And) else "or"
    return GeneRule(how, tuple(gene_rule(part) for part in tree.values))


def cobra_model(name: str) -> Any:
    """A model that cobra ships, ``textbook`` or ``iJO1366``."""
    import cobra
    from cobra.io import read_sbml_model

    return read_sbml_model(str(Path(cobra.__file__).parent / "data" / f"{name}.xml.gz"))
