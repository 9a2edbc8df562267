"""What is asked of a simulator, checked once at its door."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.network import AssignmentRule, Network
from cellula.core.simulation import ParameterTable, Schedule

__all__ = ["check_molecules", "check_request"]

#: Units in which an amount is a number of molecules.
ITEMS = ("", "item", "dimensionless", "1")


def check_request(
    network: Network, cells: ParameterTable, doses: Schedule, times: NDArray[np.float64]
) -> None:
    """Raise DataError unless cells and doses name what can be set, and times ascend."""
    if times.ndim != 1 or len(times) < 2 or not np.all(np.isfinite(times)):
        raise DataError(f"times are {times!r}; expected two or more finite numbers")
    if not np.all(np.diff(times) > 0):
        late = int(np.argmin(np.diff(times) > 0))
        raise DataError(
            f"times do not ascend: {times[late]:g} is followed by {times[late + 1]:g}; sort them"
        )
    for dose in doses.doses:
        if dose.time < times[0]:
            raise DataError(
                f"the dose of {dose.id!r} at {dose.time:g} lies before the start, {times[0]:g}; "
                "start earlier or leave it out"
            )
        if not (np.isfinite(dose.value) and np.isfinite(dose.time)):
            raise DataError(f"the dose of {dose.id!r} at {dose.time:g} is {dose.value}, no number")
    odd = np.argwhere(~np.isfinite(cells.values))
    if len(odd):
        cell, column = odd[0]
        raise DataError(f"cell {cell} has {cells.values[cell, column]} as {cells.ids[column]!r}")
    _check_settable(network, "a cell", cells.ids)
    _check_settable(network, "a dose", (dose.id for dose in doses.doses))


def _check_settable(network: Network, what: str, ids: Iterable[str]) -> None:
    ruled = {rule.target for rule in network.rules if isinstance(rule, AssignmentRule)}
    reactions = {reaction.id for reaction in network.reactions}
    known = set(network.ids)
    for id in ids:
        if id not in known:
            raise DataError(f"{what} sets {id!r}, which network {network.id!r} lacks")
        if id in ruled:
            raise DataError(f"{what} sets {id!r}, which follows an assignment rule")
        if id in reactions:
            raise DataError(f"{what} sets {id!r}, a reaction; set what its rate depends on")


def check_molecules(network: Network, cells: ParameterTable) -> None:
    """Raise DataError unless amounts at the start are whole numbers of molecules.

    Stochastic engines round others, or count in quarters of a molecule, without a word. What
    an initial value gives is not looked at.
    """
    unit = network.units.get("substance", "")
    if unit not in ITEMS:
        raise DataError(
            f"network {network.id!r} has amounts in {unit}; a stochastic simulation counts "
            "molecules: give the model in items"
        )
    sizes = {one.id: one.size for one in network.compartments}
    given = {id: cells.values[:, column] for column, id in enumerate(cells.ids)}
    for one in network.species:
        if one.id in given:
            level, is_amount = given[one.id], one.is_amount
        elif one.initial is not None and one.id not in network.initial:
            level, is_amount = np.array([one.initial]), one.initial_is_amount
        else:
            continue
        amount = level if is_amount else level * (sizes[one.compartment] or 1.0)
        if one.compartment in given:
            amount = level if is_amount else level * given[one.compartment]
        odd = amount[np.abs(amount - np.rint(amount)) > 1e-6 * np.maximum(np.abs(amount), 1)]
        if len(odd) and not one.is_boundary:
            raise DataError(
                f"species {one.id!r} starts with {odd[0]:g} molecules; a stochastic simulation "
                "needs whole numbers: round them, or enlarge the compartment"
            )
