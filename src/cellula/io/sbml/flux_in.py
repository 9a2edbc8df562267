"""The SBML package ``fbc`` [olivier2018]_ to flux balance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cellula.core.expression import symbols
from cellula.core.flux import FluxBalance, FluxObjective, Gene, GeneRule
from cellula.core.network import AlgebraicRule, Network
from cellula.io.sbml.source import Source, listed

__all__ = ["with_flux"]


def with_flux(source: Source, network: Network) -> Network:
    """The network with the flux balance of its document, where it has one.

    Parameters that only are bounds are left out: their values are in the flux balance. Raises
    DataError, naming the element, on bounds that change, quadratic objectives and constraints
    that users define (fbc version 3).
    """
    plugin = source.model.getPlugin("fbc")
    if plugin is None:
        return network
    _check_constraints(source, plugin)
    changing = set(_changing(network))
    bounds: dict[str, tuple[float, float]] = {}
    used: set[str] = set()
    rules = {}
    for one in listed(source.model.getListOfReactions()):
        extra = one.getPlugin("fbc")
        id = source.id(one.getId())
        if extra.isSetLowerFluxBound() or extra.isSetUpperFluxBound():
            bounds[id] = _bounds(source, one, extra, changing)
            used |= {source.id(extra.getLowerFluxBound()), source.id(extra.getUpperFluxBound())}
        association = extra.getGeneProductAssociation()
        if association is not None and association.getAssociation() is not None:
            rules[id] = _requirement(association.getAssociation())
    genes = tuple(
        Gene(one.getId(), one.getLabel()) for one in listed(plugin.getListOfGeneProducts())
    )
    objectives = tuple(_objective(source, one) for one in listed(plugin.getListOfObjectives()))
    if not (bounds or objectives or genes):
        return network
    flux = FluxBalance(bounds, objectives, plugin.getActiveObjectiveId(), genes, rules)
    elsewhere = changing | set(_named(network))
    kept = tuple(one for one in network.parameters if one.id not in used - elsewhere)
    return replace(network, parameters=kept, flux=flux)


def _check_constraints(source: Source, plugin: Any) -> None:
    own = plugin.getListOfUserDefinedConstraints()
    if own.size():
        raise source.fault(own.get(0), "cannot be represented; state it as a reaction")


def _changing(network: Network) -> Iterator[str]:
    yield from (one.target for one in network.rules if not isinstance(one, AlgebraicRule))
    yield from (id for event in network.events for id in event.assignments)
    yield from network.initial


def _named(network: Network) -> Iterator[str]:
    for _, expression in network.expressions():
        yield from symbols(expression)
    factors = [network.conversion_factor, *(one.conversion_factor for one in network.species)]
    yield from (one for one in factors if one is not None)


def _bounds(source: Source, one: Any, extra: Any, changing: set[str]) -> tuple[float, float]:
    free = -math.inf if one.getReversible() else 0.0
    lower = _bound(source, one, extra.getLowerFluxBound(), changing)
    upper = _bound(source, one, extra.getUpperFluxBound(), changing)
    return (free if lower is None else lower), (math.inf if upper is None else upper)


def _bound(source: Source, one: Any, sid: str, changing: set[str]) -> float | None:
    if not sid:
        return None
    parameter = source.model.getParameter(sid)
    if parameter is None or source.id(sid) in changing:
        raise source.fault(one, f"has the flux bound {sid!r}; expected a constant parameter")
    if not parameter.isSetValue() or math.isnan(parameter.getValue()):
        raise source.fault(one, f"has the flux bound {sid!r} without a value; give it one")
    return float(parameter.getValue())


def _objective(source: Source, one: Any) -> FluxObjective:
    weights = {}
    for term in listed(one.getListOfFluxObjectives()):
        if term.getVariableTypeAsString() == "quadratic":
            raise source.fault(one, "is quadratic; expected a weighted sum of fluxes")
        weights[source.id(term.getReaction())] = float(term.getCoefficient())
    return FluxObjective(one.getId(), weights, one.getType() == "maximize")


def _requirement(association: Any) -> str | GeneRule:
    """The rule of an association, without recursion."""
    results: list[str | GeneRule] = []
    pending: list[tuple[Any, bool]] = [(association, False)]
    while pending:
        node, is_done = pending.pop()
        if node.isGeneProductRef():
            results.append(node.getGeneProduct())
            continue
        count = node.getNumAssociations()
        if is_done:
            split = len(results) - count
            parts = tuple(results[split:])
            del results[split:]
            results.append(GeneRule("and" if node.isFbcAnd() else "or", parts))
        else:
            pending.append((node, True))
            pending.extend((node.getAssociation(at), False) for at in reversed(range(count)))
    return results[0]
