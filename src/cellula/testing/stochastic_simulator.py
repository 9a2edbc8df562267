"""The rules of a :class:`~cellula.core.simulation.Simulator` whose trajectories are random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.testing.rule import Rules
from cellula.testing.simulator import decay
from cellula.testing.simulator_trial import SEED, SimulatorTrial, alike

__all__ = ["StochasticSimulatorConformance"]

CELLS, MOLECULES, RATE = 1000, 1000.0, 0.7
TIMES = np.array([0.0, 0.5, 1.0, 2.0])
#: How many standard errors a mean or a variance may be away from the exact one.
ERRORS = 4.0


@final
@dataclass(frozen=True, slots=True)
class StochasticSimulatorConformance:
    """Every rule that a stochastic simulator keeps, against an exact distribution.

    A decays to B, 1,000 molecules in 1,000 cells: A(t) is binomial with p = exp(-k t). plugin:
    the class. options: by name. has_whole_counts: whether its counts are whole numbers.
    n_cells: fewer for engines that take long for each. is_repeatable: False where an engine
    takes no seed.
    """

    plugin: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    has_whole_counts: bool = True
    n_cells: int = CELLS
    is_repeatable: bool = True

    def check(self, run: RunContext) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        self.check_moments(run)
        self.check_doses(run)
        self.check_repeat(run)
        self.check_population(run)
        self.check_unknown(run)

    def check_declaration(self) -> None:
        """Name, options and references are declared, and that it is stochastic."""
        self._trial.check_declaration()
        self._rules.require(self.plugin.is_stochastic is True, "is_stochastic says so")

    def check_moments(self, run: RunContext) -> None:
        """Means and variances of decay within 4 standard errors; nothing is lost."""
        rules, found = self._rules, self._trial.simulate(run, alike(self.n_cells))
        self._trial.check_form(found)
        rules.require({"A", "B"} <= set(found.ids), "every species is there", found.ids)
        left = found.of("A")
        total = left + found.of("B")
        rules.require(bool(np.allclose(total, MOLECULES, rtol=1e-9)), "A + B is conserved")
        rules.require(bool((left >= 0).all()), "no count is negative")
        if self.has_whole_counts:
            rules.require(bool((left == np.round(left)).all()), "counts are whole numbers")
        p = np.exp(-RATE * TIMES)
        variance = MOLECULES * p * (1 - p)
        self._check_mean("the mean of A is A(0) exp(-k t)", left, MOLECULES * p, variance)
        excess = np.divide(1 - 6 * p * (1 - p), variance, where=variance > 0, out=np.zeros(4))
        error = variance * np.sqrt(2 / (self.n_cells - 1) + excess / self.n_cells)
        gap = np.abs(left.var(axis=0, ddof=1) - variance)
        rules.require(
            bool((gap <= self._errors * error + 1e-9).all()),
            "the variance of A is A(0) exp(-k t) (1 - exp(-k t))",
            left.var(axis=0, ddof=1),
        )

    def check_doses(self, run: RunContext) -> None:
        """A dose acts at its time and not before; set, add and scale are told apart."""
        p = np.exp(-RATE)
        before, spread = MOLECULES * p, MOLECULES * p * (1 - p)
        for how, value, mean, variance in (
            ("set", 500.0, 500.0, 0.0),
            ("add", 200.0, before + 200.0, spread),
            ("scale", 3.0, 3 * before, 9 * spread),
        ):
            schedule = Schedule((Dose(1.0, "A", value, how),))  # type: ignore[arg-type]
            late = self._trial.simulate(run, alike(self.n_cells), schedule).of("A")[:, [1, 3]]
            early = np.exp(-RATE * 0.5)
            self._check_mean(
                f"a dose that is {how} acts at its time",
                late,
                np.array([MOLECULES * early, mean * p]),
                np.array([MOLECULES * early * (1 - early), mean * p * (1 - p) + variance * p * p]),
            )

    def check_repeat(self, run: RunContext) -> None:
        """The same seed gives the same bits, with 1 and 2 threads; another seed others."""
        rules, cells = self._rules, alike(min(100, self.n_cells))
        if not self.is_repeatable:
            return
        pair = [self._trial.simulate(run, cells).values for _ in range(2)]
        rules.check_same("the same seed, the same trajectory", *pair)
        threads = [self._trial.simulate(replace(run, threads=n), cells).values for n in (1, 2)]
        rules.check_same("the number of threads changes nothing", *threads)
        other = self._trial.simulate(run, cells, seed=SEED + 1).values
        rules.require(not np.array_equal(pair[0], other), "another seed, another trajectory")
        courses = {course.tobytes() for course in pair[0]}
        rules.require(
            len(courses) > 0.9 * len(cells), "every cell has its own chance", len(courses)
        )

    def check_population(self, run: RunContext) -> None:
        """A cell follows its own parameters and does not depend on the others."""
        n = min(100, self.n_cells)
        rates = np.linspace(0.0, 2.0, n)
        cells = ParameterTable(("k", "A"), np.column_stack([rates, 100 + np.arange(n)]))
        whole = self._trial.simulate(run, cells).values
        rules, half = self._rules, n // 2
        if self.is_repeatable:
            batches = [self._trial.simulate(run, part).values for part in cells.batches(n // 3)]
            rules.check_same("batches give what the whole gives", whole, np.concatenate(batches))
            changed = ParameterTable(cells.ids, np.tile(cells.values[:half], (2, 1)))
            again = self._trial.simulate(run, changed).values[:half]
            rules.check_same("a cell does not depend on the others", whole[:half], again)
        still = self._trial.simulate(run, cells).of("A")[0]
        rules.require(bool((still == still[0]).all()), "without a rate nothing happens", still)

    def check_unknown(self, run: RunContext) -> None:
        """An id that the network does not have is an error that names it."""
        self._trial.check_unknown(run)

    # -- what they share -----------------------------------------------------------------------
    def _check_mean(
        self, rule: str, found: NDArray[np.float64], exact: Any, variance: NDArray[np.float64]
    ) -> None:
        gap = np.abs(found.mean(axis=0) - exact)
        error = np.sqrt(variance / len(found))
        self._rules.require(
            bool((gap <= self._errors * error + 1e-9).all()),
            rule,
            f"means {found.mean(axis=0)}, expected {exact} +- {self._errors} x {error}",
        )

    @property
    def _errors(self) -> float:
        """Standard errors allowed; more where chance is another in every run of the kit."""
        return ERRORS if self.is_repeatable else 1.5 * ERRORS

    @property
    def _rules(self) -> Rules:
        return self._trial.rules

    @property
    def _trial(self) -> SimulatorTrial:
        return SimulatorTrial(self.plugin, self.options, decay(RATE, MOLECULES), TIMES)
