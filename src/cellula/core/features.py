"""What a network uses that not every engine knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cellula.core.errors import EngineError
from cellula.core.expression import Apply, walk
from cellula.core.network import AlgebraicRule, Network

__all__ = ["FEATURES", "features", "refused"]

#: Feature -> what it is called.
FEATURES: Mapping[str, str] = {
    "algebraic_rule": "an algebraic rule",
    "delay": "a delayed value",
    "rate_of": "a rate of change in a formula",
    "conversion_factor": "a conversion factor",
    "fast_reaction": "a fast reaction",
    "changing_stoichiometry": "a stoichiometry that changes or has a formula",
    "fixed_in_changing_size": "a boundary or constant species in a compartment that changes",
    "idle_in_changing_size": "a species of no reaction in a compartment that changes",
}


def features(network: Network) -> dict[str, str]:
    """Feature of :data:`FEATURES` -> the first element that has it."""
    found: dict[str, str] = {}
    for feature, where in (*_elements(network), *_formulas(network)):
        found.setdefault(feature, where)
    return found


def refused(network: Network, unknown: Iterable[str], engine: str) -> None:
    """Raise EngineError where the network has a feature that an engine is known to get wrong."""
    found = features(network)
    for feature in unknown:
        if feature in found:
            raise EngineError(
                f"{engine} does not take network {network.id!r}: {found[feature]} has "
                f"{FEATURES[feature]}, which it leaves out or gets wrong; take another engine, "
                "such as 'ode'"
            )


def _elements(network: Network) -> Iterator[tuple[str, str]]:
    if any(isinstance(rule, AlgebraicRule) for rule in network.rules):
        yield "algebraic_rule", f"network {network.id!r}"
    if network.conversion_factor is not None:
        yield "conversion_factor", f"network {network.id!r}"
    moved = _moved(network)
    parts = [(*one.reactants, *one.products) for one in network.reactions]
    reacting = {part.species for some in parts for part in some}
    for one in network.species:
        if one.conversion_factor is not None:
            yield "conversion_factor", f"species {one.id!r}"
        if one.compartment in moved and (one.is_boundary or one.is_constant):
            yield "fixed_in_changing_size", f"species {one.id!r}"
        elif one.compartment in moved and one.id not in reacting:
            yield "idle_in_changing_size", f"species {one.id!r}"
    for reaction in network.reactions:
        if reaction.is_fast:
            yield "fast_reaction", f"reaction {reaction.id!r}"
        for part in (*reaction.reactants, *reaction.products):
            if part.id is not None and (part.id in moved or part.id in network.initial):
                yield "changing_stoichiometry", f"reaction {reaction.id!r}"


def _moved(network: Network) -> set[str]:
    """What rules and events change."""
    ruled = {rule.target for rule in network.rules if not isinstance(rule, AlgebraicRule)}
    return ruled | {id for event in network.events for id in event.assignments}


def _formulas(network: Network) -> Iterator[tuple[str, str]]:
    every = (*network.expressions(), *((f"function {f.id!r}", f.body) for f in network.functions))
    for where, expression in every:
        for node in walk(expression):
            if isinstance(node, Apply) and node.function in {"delay", "rate_of"}:
                yield node.function, where
