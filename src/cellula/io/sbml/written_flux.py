"""Flux balance as the SBML package ``fbc``, version 2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cellula.core.flux import FluxBalance, GeneRule
from cellula.core.network import Network, Parameter
from cellula.io.sbml.names import Names
from cellula.io.sbml.target import SID, Target
from cellula.io.xml_text import Attributes, Xml

__all__ = ["FBC", "FluxText", "flux_text"]

FBC = "http://www.sbml.org/sbml/level3/version1/fbc/version2"


@dataclass(frozen=True, slots=True)
class FluxText:
    """What flux balance adds to a file: parameters that are bounds, attributes and markup.

    reactions: id -> its attributes, and under "" the markup of its gene rule.
    """

    parameters: tuple[Parameter, ...]
    reactions: Mapping[str, Attributes]
    markup: tuple[str, ...]
    is_strict: bool


def flux_text(target: Target, network: Network) -> FluxText | None:
    """The text of a network's flux balance; None where it has none.

    Raises DataError on Level 2, and on ids of genes that SBML does not allow.
    """
    flux = network.flux
    if flux is None:
        return None
    if target.level == 2:
        raise target.refuse("flux balance")
    _check_ids(target, flux)
    taken = Names(target.ids.values())
    values = dict.fromkeys(bound for pair in flux.bounds.values() for bound in pair)
    called = {value: taken.fresh(f"flux_bound_{at}") for at, value in enumerate(values, 1)}
    reactions = {one.id: _attributes(flux, one.id, called) for one in network.reactions}
    parameters = tuple(Parameter(id, value) for value, id in called.items())
    return FluxText(parameters, reactions, _markup(target, flux), _is_strict(network, flux))


def _attributes(flux: FluxBalance, reaction: str, called: Mapping[float, str]) -> Attributes:
    told: dict[str, str | float | bool | None] = {}
    if reaction in flux.bounds:
        lower, upper = flux.bounds[reaction]
        told = {
            "fbc:lowerFluxBound": called[lower],
            "fbc:upperFluxBound": called[upper],
        }
    if reaction in flux.rules:
        tag = "fbc:geneProductAssociation"
        told[""] = f"<{tag}>{_requirement(flux.rules[reaction])}</{tag}>"
    return told


def _requirement(rule: str | GeneRule) -> str:
    told: list[str] = []
    pending: list[tuple[str | GeneRule, bool]] = [(rule, True)]
    while pending:
        node, is_rule = pending.pop()
        if isinstance(node, GeneRule):
            told.append(f"<fbc:{node.how}>")
            pending.append((f"</fbc:{node.how}>", False))
            pending.extend((part, True) for part in reversed(node.parts))
        else:
            told.append(f'<fbc:geneProductRef fbc:geneProduct="{node}"/>' if is_rule else node)
    return "".join(told)


def _markup(target: Target, flux: FluxBalance) -> tuple[str, ...]:
    xml = Xml()
    with xml.listed("fbc:listOfObjectives", {"fbc:activeObjective": flux.active or None}):
        for one in flux.objectives:
            kind = "maximize" if one.is_maximum else "minimize"
            with (
                xml.block("fbc:objective", {"fbc:id": one.id, "fbc:type": kind}),
                xml.listed("fbc:listOfFluxObjectives"),
            ):
                for reaction, weight in one.weights.items():
                    told: Attributes = {
                        "fbc:reaction": target.id(reaction),
                        "fbc:coefficient": weight,
                    }
                    xml.leaf("fbc:fluxObjective", told)
    with xml.listed("fbc:listOfGeneProducts"):
        for gene in flux.genes:
            xml.leaf("fbc:geneProduct", {"fbc:id": gene.id, "fbc:label": gene.label})
    return tuple(xml.text.rstrip("\n").split("\n")[1:])


def _is_strict(network: Network, flux: FluxBalance) -> bool:
    """Whether all reactions have bounds that leave a flux, and stoichiometries that stay."""
    is_bounded = all(one.id in flux.bounds for one in network.reactions)
    sound = all(
        lower <= upper and lower != math.inf and upper != -math.inf
        for lower, upper in flux.bounds.values()
    )
    numbers = [weight for one in flux.objectives for weight in one.weights.values()]
    is_sought = bool(numbers)
    for one in network.reactions:
        for item in (*one.reactants, *one.products):
            is_fixed = item.id is None and item.is_constant and item.stoichiometry is not None
            numbers.append(item.stoichiometry or 0.0 if is_fixed else math.nan)
    return is_bounded and sound and is_sought and all(map(math.isfinite, numbers))


def _check_ids(target: Target, flux: FluxBalance) -> None:
    ids = [gene.id for gene in flux.genes] + [one.id for one in flux.objectives]
    for id in ids:
        if not SID.fullmatch(id):
            raise target.refuse(f"the id {id!r} of a gene or an objective")
