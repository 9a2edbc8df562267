"""Cells for the conditions of a PEtab problem: what each sets, and what pre-equilibration left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.network import AssignmentRule, Network, RateRule
from cellula.core.petab import PetabProblem, PetabValue
from cellula.core.simulation import ParameterTable

__all__ = ["condition_cells", "state_ids", "value_of"]


def value_of(value: PetabValue, parameters: Mapping[str, float], network: Network) -> float:
    """A number, or the value of a parameter of the problem or of the network.

    Raises DataError on a parameter without a value.
    """
    if not isinstance(value, str):
        return value
    found = parameters.get(value, _of_network(value, network))
    if math.isnan(found):
        raise DataError(f"parameter {value!r} has no value; give it one, nominal or fitted")
    return found


def condition_cells(
    problem: PetabProblem,
    conditions: Sequence[str],
    parameters: Mapping[str, float],
    states: Mapping[str, NDArray[np.float64]],
) -> ParameterTable:
    """One cell a condition.

    states: id -> (conditions,), what is there before; a condition's own values come before it,
    and it comes before the values of ``parameters`` (id -> value). Conditions must set the same
    ids of the network. Raises DataError where they do not, or a value is missing.
    """
    own = set(problem.network.ids)
    table = [problem.conditions[name] for name in conditions]
    named = sorted(own.intersection(table[0]))
    if any(own.intersection(values) != set(named) for values in table):
        raise DataError("conditions set different ids; simulate them apart")
    columns = {
        id: np.full(len(table), value_of(id, parameters, problem.network))
        for id in parameters
        if id in own
    }
    columns.update(states)
    for id in named:
        columns[id] = np.array(
            [value_of(values[id], parameters, problem.network) for values in table]
        )
    values = np.empty((len(table), len(columns)))
    for k, column in enumerate(columns.values()):
        values[:, k] = column
    return ParameterTable(tuple(columns), values)


def state_ids(network: Network) -> tuple[str, ...]:
    """Ids that have a course of their own: species, and what rate rules or events change.

    Those that follow from others at all times, and species that nothing changes, are left out.
    """
    follow = {rule.target for rule in network.rules if isinstance(rule, AssignmentRule)}
    moved = {rule.target for rule in network.rules if isinstance(rule, RateRule)}
    moved.update(id for event in network.events for id in event.assignments)
    moved.update(one.id for one in network.species if not one.is_constant)
    return tuple(id for id in network.ids if id in moved - follow)


def _of_network(id: str, network: Network) -> float:
    for one in network.parameters:
        if one.id == id and one.value is not None and id not in network.initial:
            return one.value
    return math.nan
