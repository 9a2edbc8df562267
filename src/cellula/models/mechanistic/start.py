"""Values at the start: numbers, initial assignments and assignment rules, solved together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from cellula.core.evaluation import Values, evaluate
from cellula.core.expression import Expression, Number, Symbol, apply
from cellula.core.network import Network, Species
from cellula.core.resolution import in_order
from cellula.core.simulation import ParameterTable
from cellula.models.mechanistic.quantities import (
    amount_name,
    is_told_as_amount,
    with_named_rates,
)

__all__ = ["start_definitions", "start_values"]


def start_definitions(
    network: Network, definitions: Mapping[str, Expression]
) -> dict[str, Expression]:
    """What gives every value at the start; not a number where the network gives none.

    definitions: of what follows from others at all times. A rule comes before an initial
    assignment, and that before a number.
    """
    initial = {id: with_named_rates(one) for id, one in network.initial.items()}
    start: dict[str, Expression] = dict(_numbers(network))
    start.update((id, one) for id, one in initial.items() if id in start)
    for species in network.species:
        start.update(_of_species(species, initial.get(species.id), network))
    amounts = {one.id: amount_name(one, network) for one in network.species}
    for id, one in definitions.items():
        amount = amounts.get(id, id)
        is_quotient = amount != id and amount not in definitions
        if not is_quotient:
            start[id] = one
    return start


def start_values(
    start: Mapping[str, Expression], network: Network, cells: ParameterTable, time: float
) -> dict[str, Values]:
    """Every value at the start, of shape () where all cells share it, else (cells,).

    Ids of ``cells`` take their values from there. Raises DataError, naming the loop, on values
    that need one another.
    """
    given = dict(start)
    values: dict[str, Values] = {}
    species = {one.id: one for one in network.species}
    for column, id in enumerate(cells.ids):
        values[id] = cells.values[:, column]
        given.pop(id)
        if id in species and not is_told_as_amount(species[id], network):
            amount = amount_name(species[id], network)
            given[amount] = apply("times", Symbol(id), Symbol(species[id].compartment))
    for id in in_order(given):
        values[id] = evaluate(given[id], values, time)
    return values


def _numbers(network: Network) -> Iterator[tuple[str, Expression]]:
    for part in network.compartments:
        yield part.id, _number(part.size)
    for parameter in network.parameters:
        yield parameter.id, _number(parameter.value)
    for reaction in network.reactions:
        for one in (*reaction.reactants, *reaction.products):
            if one.id is not None:
                yield one.id, _number(one.stoichiometry)


def _of_species(
    one: Species, initial: Expression | None, network: Network
) -> dict[str, Expression]:
    """What the id stands for at the start, and the amount where that is something else."""
    amount, size = amount_name(one, network), Symbol(one.compartment)
    number = _number(one.initial)
    if amount == one.id:
        is_amount = one.initial_is_amount or not one.is_amount  # no volume to multiply by
        own = number if is_amount else apply("times", number, size)
        return {one.id: own if initial is None else initial}
    if initial is None and one.initial_is_amount:
        return {amount: number, one.id: apply("divide", Symbol(amount), size)}
    told = number if initial is None else initial
    return {one.id: told, amount: apply("times", Symbol(one.id), size)}


def _number(value: float | None) -> Number:
    return Number(math.nan if value is None else value)
