"""A network that is asked: perturbation, context, dose and time in, readouts of its cells out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.perturbation import components
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Simulator, Trajectory
from cellula.models.mechanistic.network_file import NetworkFile
from cellula.models.mechanistic.question import MechanisticModelOptions
from cellula.models.mechanistic.readouts import measured
from cellula.models.mechanistic.targets import Target, TargetTable

__all__ = ["Perturbed", "Question"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Question:
    """One row of a table of queries; dose_molar and time_s are None where the table has none."""

    perturbation: str
    context: str
    dose_molar: float | None
    time_s: float | None


@final
@dataclass(frozen=True, slots=True)
class Perturbed:
    """A network with the declared table of what perturbations change in it.

    untreated: labels of controls. contexts: those that the answers are meant for. scores: (cells,
    ids of the spread), standard normal, the same cells for every question. values: id -> what
    it is at the start in every context, where it was fitted.
    """

    options: MechanisticModelOptions
    file: NetworkFile
    targets: TargetTable
    untreated: tuple[str, ...]
    contexts: tuple[str, ...]
    scores: Floats
    values: Mapping[str, float] = field(default_factory=dict)

    def check(self) -> None:
        """Raise DataError on an id that the network lacks, or a unit or start that does not fit."""
        options, file = self.options, self.file
        for name, readout in options.readouts.items():
            file.require((readout.id,), f"readout {name!r}")
            file.require_unit(readout.id, readout.unit)
        for label, rows in self.targets.items():
            file.require(tuple(row.id for row in rows), f"perturbation {label!r}")
        for context, values in options.contexts.items():
            file.require(tuple(values), f"context {context!r}")
        file.require(tuple(options.cells.spread), "cells.spread")
        file.require(tuple(options.fitted), "fitted")
        file.unit_s(options.time.unit_s)
        for context in options.contexts or ("",):
            self._medians(context)

    def rows(self, perturbation: str) -> tuple[Target, ...] | None:
        """What is changed: nothing for a control, None for a perturbation without a row.

        A combination has its own rows, or those of all its components.
        """
        parts = components(perturbation)
        if perturbation in self.untreated:
            return ()
        if (own := self.targets.get("+".join(parts))) is not None:
            return own
        if not parts or any(part not in self.targets for part in parts):
            return None
        return tuple(row for part in parts for row in self.targets[part])

    def is_declared(self, question: Question) -> bool:
        """Whether the table has the perturbation at this dose and time, and knows the context."""
        rows, after = self.rows(question.perturbation), self._after_s(question)
        return (
            rows is not None
            and question.context in self.contexts
            and all(row.covers(question.dose_molar, after) for row in rows)
        )

    def simulator(self) -> Simulator:
        """The simulator that the options name; kept, it prepares the network once."""
        made: Simulator = registry.create(
            "simulator", self.options.simulator, self.options.simulator_options
        )
        return made

    def answer(
        self, question: Question, names: tuple[str, ...], simulator: Simulator, run: RunContext
    ) -> Floats:
        """The readouts of every cell: (cells, names).

        A perturbation without a row changes nothing. Raises DataError on a question without the
        dose or time that its answer needs, and what simulator and readouts raise.
        """
        time = self.options.time
        given = time.start + time.before
        end = given + self._after_s(question) / self.file.unit_s(time.unit_s)
        times = np.linspace(given, end, time.points) if end > given else np.array([given])
        if time.before:
            times = np.concatenate([[time.start], times])
        rows = self.rows(question.perturbation) or ()
        doses = Schedule(tuple(row.dose(given, question.dose_molar) for row in rows))
        found = simulator.simulate(
            self.file.network, self._cells(question.context), doses, times, self._run(question, run)
        )
        if time.before:
            found = Trajectory(found.ids, found.times[1:], found.values[:, 1:])
        return measured(found, [self.options.readouts[name] for name in names])

    # -- what it needs -------------------------------------------------------------------------
    def _after_s(self, question: Question) -> float:
        """Seconds from perturbation to readout."""
        after = self.options.time.after_s if question.time_s is None else question.time_s
        if after is None:
            raise DataError(
                "the question has no time; give the data the role time_s, or the model "
                "time.after_s in seconds"
            )
        if not 0 <= after < np.inf:
            raise DataError(
                f"a question is asked {after:g} s after the perturbation; expected >= 0"
            )
        return float(after)

    def _medians(self, context: str) -> Mapping[str, float]:
        """Id -> its value in the median cell, of all ids that are given or vary."""
        values = {**self.values, **self.options.contexts.get(context, {})}
        missing = [id for id in self.options.cells.spread if id not in values]
        starts: Mapping[str, float] = self.file.starts() if missing else {}
        for id in missing:
            if id not in starts:
                raise DataError(
                    f"cells.spread varies {id!r}, and {self.file.name} gives it no number at the "
                    f"start (it follows from others); vary those, or give it in contexts "
                    f"(context: {context!r})"
                )
            values[id] = starts[id]
        return values

    def _cells(self, context: str) -> ParameterTable:
        values, n = self._medians(context), self.options.cells.n
        table = np.tile(np.array(list(values.values()), np.float64), (n, 1))
        ids = tuple(values)
        for place, (id, spread) in enumerate(sorted(self.options.cells.spread.items())):
            table[:, ids.index(id)] *= np.exp(spread * self.scores[:, place])
        return ParameterTable(ids, table)

    @staticmethod
    def _run(question: Question, run: RunContext) -> RunContext:
        """Of its own for every question, so that no answer depends on another's turn."""
        told: tuple[Any, ...] = (question.dose_molar, question.time_s)
        return run.child(question.perturbation, question.context, repr(told))
