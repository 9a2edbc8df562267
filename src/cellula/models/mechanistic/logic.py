"""Simulation of populations of logic networks."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.run import RunContext, each
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, logic_network
from cellula.kernels.logic import LogicTables, advance, drawn_levels
from cellula.models.mechanistic.logic_form import LogicForm, checked_level, logic_form

__all__ = ["Logic", "LogicOptions"]

#: So many cells are simulated at once by one thread.
BLOCK = 256


@final
class LogicOptions(Options):
    """How the levels change."""

    update: Literal["synchronous", "asynchronous", "continuous"] = "asynchronous"
    """All components in every step; one that is drawn, each as likely, in every step; or every
    component after a waiting time that is exponential with its rate up or down."""


@final
class Logic:
    """Every level moves by one towards what its rule says [thomas1991]_ [kauffman1969]_.

    In continuous time this is the Markov process of [stoll2012]_, simulated exactly; else the unit
    of time is the step. A component without an initial level starts at one that is drawn for every
    cell, each as likely. A dose sets a component to a level and holds it there from then on.
    """

    name: ClassVar[str] = "logic"
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[LogicOptions]] = LogicOptions
    references: ClassVar[tuple[str, ...]] = ("kauffman1969", "thomas1991", "stoll2012")

    def __init__(self, options: LogicOptions) -> None:
        self.options = options

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        """The levels of every cell at ``times``, as the contract says.

        cells: initial levels by id. Raises DataError on a network of reactions, an unknown id, a
        level that a component does not have, a dose that is no ``set``, or times that do not
        ascend.
        """
        form = logic_form(logic_network(network, self.name))
        _check_times(times)
        tables, given = _tables(form), _doses(form.network, doses)
        streams = run.child("logic").rng
        initial = _initial(form.network, cells, int(streams.integers(2**63)))
        key = int(streams.integers(2**63))
        blocks = [
            (cells.first + at, initial[at : at + BLOCK]) for at in range(0, len(cells), BLOCK)
        ]

        def simulated(block: tuple[int, NDArray[np.int64]]) -> NDArray[np.float64]:
            return advance(self.options.update, tables, block[1], times, given, (key, block[0]))

        parts = list(each(simulated, blocks, run))
        empty = np.empty((0, len(times), len(form.network.ids)))
        return Trajectory(form.network.ids, times, np.concatenate([empty, *parts]))


def _check_times(times: NDArray[np.float64]) -> None:
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all():
        raise DataError("the times of a simulation are one or more finite numbers")
    if (np.diff(times) < 0).any():
        raise DataError("the times of a simulation do not ascend")


def _tables(form: LogicForm) -> LogicTables:
    """The arrays of a form: diagrams one behind the other, and who depends on whom."""
    pieces, roots, size = [np.zeros((2, 3), np.int32)], [], 2
    named: list[set[int]] = [{at} for at in range(len(form.first))]
    for bit, diagram in enumerate(form.next):
        body = diagram[2:].copy()
        body[:, 1:] = np.where(body[:, 1:] > 1, body[:, 1:] + (size - 2), body[:, 1:])
        pieces.append(body)
        size += len(body)
        roots.append(size - 1 if len(body) else len(diagram) - 1)
        for asked in set(body[:, 0].tolist()):
            named[form.owners[asked]].add(form.owners[bit])
    components = form.network.components
    moves = [at for at, one in enumerate(components) if one.target is not None]
    dependents = [sorted(some & set(moves)) for some in named]
    rates = [form.network.rates.get(one.id, (1.0, 1.0)) for one in components]
    return LogicTables(
        np.concatenate(pieces),
        _integers(roots),
        _integers(form.owners),
        _integers(form.thresholds),
        _integers(form.first),
        _integers([one.max_level for one in components]),
        _integers(np.cumsum([0, *map(len, dependents)])),
        _integers([at for some in dependents for at in some]),
        np.array(rates, np.float64).reshape(-1, 2),
        _integers(moves),
    )


def _integers(values: object) -> NDArray[np.int64]:
    return np.asarray(values, np.int64).reshape(-1)


def _doses(
    network: LogicNetwork, doses: Schedule
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Times, components and levels."""
    for dose in doses.doses:
        if dose.how != "set":
            raise DataError(
                f"the dose of {dose.id!r} is {dose.how!r}; a logic network knows 'set', which "
                "sets a level and holds it"
            )
        if not math.isfinite(dose.time):
            raise DataError(f"the time of a dose of {dose.id!r} is {dose.time}")
    held = [checked_level(network, dose.id, dose.value) for dose in doses.doses]
    return (
        np.array([dose.time for dose in doses.doses], np.float64),
        _integers([at for at, _ in held]),
        _integers([level for _, level in held]),
    )


def _initial(network: LogicNetwork, cells: ParameterTable, key: int) -> NDArray[np.int64]:
    """The levels at the start: (cells, components)."""
    most = np.array([one.max_level for one in network.components], np.int64)
    levels = drawn_levels(most, len(cells), (key, cells.first))
    for at, one in enumerate(network.components):
        if one.initial is not None:
            levels[:, at] = one.initial
    for column, id in enumerate(cells.ids):
        for value in np.unique(cells.values[:, column]):
            checked_level(network, id, float(value))
        at, _ = checked_level(network, id, 0.0)
        levels[:, at] = cells.values[:, column]
    return np.ascontiguousarray(levels, np.int64)
