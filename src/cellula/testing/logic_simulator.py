"""The rules of a simulator that takes logic networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import CellulaError, DataError
from cellula.core.expression import Symbol, apply
from cellula.core.logic import Component, LogicNetwork
from cellula.core.run import RunContext, run_context
from cellula.core.simulation import Dose, ParameterTable, Schedule, Trajectory
from cellula.testing.rule import Rules
from cellula.testing.simulator import decay
from cellula.testing.simulator_trial import SEED, SimulatorTrial, alike

__all__ = ["LogicSimulatorConformance", "cascade", "takes_logic"]

#: Far enough apart for every update of the cascade to have happened, but for one in 10^20.
TIMES = np.array([0.0, 80.0, 160.0])


def cascade() -> LogicNetwork:
    """An input turns ``b`` on, ``b`` turns ``c`` off, and ``d`` is on where ``b`` or ``c`` is."""
    return LogicNetwork(
        "cascade",
        (
            Component("a", None, initial=1),
            Component("b", Symbol("a"), initial=0),
            Component("c", apply("not", Symbol("b")), initial=1),
            Component("d", apply("or", Symbol("b"), Symbol("c")), initial=0),
        ),
    )


def takes_logic(plugin: Any, run: RunContext) -> bool:
    """Whether a simulator takes logic networks rather than refusing them by name."""
    simulator = plugin(plugin.options_type())
    try:
        simulator.simulate(cascade(), alike(1), Schedule(), TIMES.copy(), run)
    except DataError as error:
        if simulator.name in str(error) and "logic network" in str(error):
            return False
        raise
    return True


@final
@dataclass(frozen=True, slots=True)
class LogicSimulatorConformance:
    """Every rule that a simulator of logic networks keeps.

    plugin: the class. options: by name.
    """

    plugin: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self, run: RunContext) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        self.check_end(run)
        self.check_population(run)
        self.check_doses(run)
        self.check_repeat(run)
        self.check_refusals(run)

    def check_declaration(self) -> None:
        """Name, options and references are declared."""
        self._trial.check_declaration()

    def check_end(self, run: RunContext) -> None:
        """The cascade ends in its one fixed point; every component is told at every time."""
        rules, found = self._rules, self._trial.simulate(run, alike(1))
        self._trial.check_form(found)
        rules.require(found.ids == cascade().ids, "every component is there", found.ids)
        rules.require(found.values.shape == (1, 3, 4), "cells x times x ids", found.values.shape)
        self._check_end("it ends in the fixed point", found, [[1, 1, 0, 1]])

    def check_population(self, run: RunContext) -> None:
        """Every cell has its own start, and does not depend on the others of its batch."""
        cells = ParameterTable(("a",), np.array([[0.0], [1.0], [0.0], [1.0], [1.0]]))
        whole = self._trial.simulate(run, cells)
        ends = [[a, a, 1 - a, 1] for a in cells.values[:, 0]]
        self._check_end("every cell follows its own input", whole, ends)
        parts = [self._trial.simulate(run, part).values for part in cells.batches(2)]
        self._rules.check_same(
            "a population in batches is the population in one piece",
            np.concatenate(parts),
            whole.values,
        )

    def check_doses(self, run: RunContext) -> None:
        """A dose sets a component to a level and holds it against its rule."""
        held = self._trial.simulate(run, alike(1), Schedule((Dose(0.0, "b", 0.0),)))
        self._check_end("a held component stays", held, [[1, 0, 1, 1]])
        with self._rules.must_raise(CellulaError, "a level that is not there is an error"):
            self._trial.simulate(run, alike(1), Schedule((Dose(0.0, "b", 2.0),)))

    def check_repeat(self, run: RunContext) -> None:
        """The same seed gives the same bits, on one thread or two."""
        cells = ParameterTable((), np.zeros((600, 0)))
        times = np.array([0.0, 1.0, 2.0])
        one, again, two = (
            self._trial.simulator.simulate(
                cascade(), cells, Schedule(), times, run_context(SEED, run.scratch, threads=n)
            )
            for n in (1, 1, 2)
        )
        self._rules.check_same("the same seed, the same trajectory", one.values, again.values)
        self._rules.check_same("threads change nothing", one.values, two.values)

    def check_refusals(self, run: RunContext) -> None:
        """Networks of reactions, unknown ids and levels that are not there are errors."""
        rules = self._rules
        with rules.must_raise(DataError, "a network of reactions is a DataError"):
            self._trial.simulator.simulate(decay(), alike(1), Schedule(), TIMES.copy(), run)
        stranger = ParameterTable(("never_seen_id",), np.ones((1, 1)))
        with rules.must_raise(CellulaError, "an unknown component is a DataError"):
            self._trial.simulate(run, stranger)
        with rules.must_raise(CellulaError, "an unknown dosed id is a DataError"):
            self._trial.simulate(run, alike(1), Schedule((Dose(0.0, "never_seen_id", 1.0),)))
        with rules.must_raise(CellulaError, "a start that is no level is a DataError"):
            self._trial.simulate(run, ParameterTable(("a",), np.array([[np.nan]])))

    # -- what they share -----------------------------------------------------------------------
    def _check_end(self, rule: str, found: Trajectory, expected: Any) -> None:
        last: NDArray[np.float64] = found.values[:, -1, :]
        self._rules.require(np.array_equal(last, np.array(expected, float)), rule, last)

    @property
    def _rules(self) -> Rules:
        return self._trial.rules

    @property
    def _trial(self) -> SimulatorTrial:
        return SimulatorTrial(self.plugin, self.options, cascade(), TIMES)
