"""Where cells start: numbers, initial values and rules, and what the cells have of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Number, Symbol, apply, substituted, symbols
from cellula.core.network import Network, Species
from cellula.core.simulation import ParameterTable
from cellula.models.mechanistic.jump_network import JumpNetwork
from cellula.models.mechanistic.jump_process import JumpProcess
from cellula.models.mechanistic.tape import Tape, evaluate, tape

__all__ = ["Start", "start_values"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Start:
    """What cells start from: tape of the counts and of the fixed ids, of what cells are given."""

    time: float
    names: tuple[str, ...]
    tape: Tape

    def of(self, cells: ParameterTable, process: JumpProcess) -> Floats:
        """States, then parameters: (cells, states + parameters). Raises DataError on a NaN."""
        found = evaluate(self.tape, self.time, np.zeros((len(cells), 0)), cells.values)
        for place, name in enumerate(self.names):
            odd = np.flatnonzero(~np.isfinite(found[:, place]))
            if len(odd):
                raise DataError(
                    f"{name!r} starts as {found[odd[0], place]} in cell {cells.first + odd[0]}; "
                    "expected a finite number"
                )
        described = process.described
        counts = found[:, : process.n_counts]
        fixed = dict(zip(described.fixed, found[:, process.n_counts :].T, strict=True))
        rest = [fixed[id] for id in (*process.states[process.n_counts :], *process.parameters)]
        return np.column_stack([counts, *rest]) if rest else counts


def start_values(described: JumpNetwork, given: Sequence[str], time: float) -> Start:
    """The start of cells that bring the values of ``given``.

    Raises DataError, naming the id, on a value that is missing or needs itself.
    """
    network = described.network
    rules = {id: one for id, one in described.rules.items() if id not in described.counted}
    values = {**_numbers(network), **network.initial, **rules}
    values.update((id, Symbol(id)) for id in given)
    needs = {id: set(symbols(one)) - {id} for id, one in values.items()}
    try:
        order = tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        loop = " -> ".join(error.args[1])
        raise DataError(f"values at the start need one another in a loop: {loop}") from None
    known: dict[str, Expression] = {}
    for id in order:
        if id not in values:
            raise DataError(
                f"{id!r} of network {network.id!r} has no value at the start; give it one"
            )
        known[id] = values[id] if id in given else substituted(values[id], known)
    names = (*described.counted, *described.fixed)
    for id in names:
        if id not in known:
            raise DataError(f"{id!r} of network {network.id!r} has no value; give it one")
    starts = [_count(id, described, known) for id in described.counted]
    starts += [known[id] for id in described.fixed]
    return Start(time, names, tape(starts, (), tuple(given)))


def _numbers(network: Network) -> Mapping[str, Expression]:
    """The numbers that the network itself has; those without one are left out."""
    sizes = ((one.id, one.size) for one in network.compartments)
    values = ((one.id, one.value) for one in network.parameters)
    found: dict[str, Expression] = {
        id: Number(float(value)) for id, value in (*sizes, *values) if value is not None
    }
    for one in network.species:
        if one.initial is not None:
            found[one.id] = _told(one, one.initial)
    for reaction in network.reactions:
        for part in (*reaction.reactants, *reaction.products):
            if part.id is not None and part.stoichiometry is not None:
                found[part.id] = Number(float(part.stoichiometry))
    return found


def _told(species: Species, initial: float) -> Expression:
    """The initial amount or concentration as what the species' id stands for."""
    if species.initial_is_amount == species.is_amount:
        return Number(float(initial))
    how = "divide" if species.initial_is_amount else "times"
    return apply(how, float(initial), Symbol(species.compartment))


def _count(id: str, described: JumpNetwork, known: Mapping[str, Expression]) -> Expression:
    scale = described.scales[id]
    return known[id] if scale is None else apply("times", known[id], substituted(scale, known))
