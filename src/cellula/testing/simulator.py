"""The rules of :class:`~cellula.core.simulation.Simulator`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.canonical import hash_array, hash_json
from cellula.core.expression import Symbol, apply
from cellula.core.network import Compartment, Network, Parameter, Participant, Reaction, Species
from cellula.core.run import RunContext, run_context
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.testing.rule import Rules
from cellula.testing.simulator_trial import SEED, SimulatorTrial

__all__ = ["SimulatorConformance", "decay"]

TIMES = np.array([0.0, 0.5, 1.0, 2.0, 4.0])


def decay(k: float = 0.7, initial: float = 2.0) -> Network:
    """A turns into B at rate k A; exactly A(t) = A(0) exp(-k t), and A + B is conserved."""
    rate = apply("times", Symbol("k"), Symbol("A"))
    return Network(
        "decay",
        (Compartment("cell"),),
        (Species("A", "cell", initial), Species("B", "cell")),
        (Parameter("k", k),),
        (Reaction("decay", (Participant("A"),), (Participant("B"),), rate),),
    )


@final
@dataclass(frozen=True, slots=True)
class SimulatorConformance:
    """Every rule that a deterministic simulator keeps, against an exact solution.

    plugin: the class. options: by name. rtol: the relative tolerance that its options ask for.
    """

    plugin: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    rtol: float = 1e-4

    def check(self, run: RunContext) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        self.check_exact(run)
        self.check_repeat(run)
        self.check_population(run)
        self.check_doses(run)
        self.check_unknown(run)

    def check_declaration(self) -> None:
        """Name, options and references are declared."""
        self._trial.check_declaration()

    def check_exact(self, run: RunContext) -> None:
        """First-order decay: the exact solution, mass conserved, at the times asked for."""
        rules, found = self._rules, self._trial.simulate(run, ParameterTable((), np.zeros((1, 0))))
        self._trial.check_form(found)
        rules.require(found.values.shape[0] == 1, "one cell, one course", found.values.shape)
        rules.require({"A", "B"} <= set(found.ids), "every species is there", found.ids)
        self._check_close("A(t) = A(0) exp(-k t)", found.of("A")[0], 2 * np.exp(-0.7 * TIMES))
        self._check_close("A + B is conserved", (found.of("A") + found.of("B"))[0], 2.0)

    def check_population(self, run: RunContext) -> None:
        """Every cell has its own parameters, and does not depend on the others."""
        rules, rates = self._rules, np.array([0.1, 0.7, 3.0, 0.0, 1.2])
        cells = ParameterTable(("k", "A"), np.column_stack([rates, 1 + rates]))
        whole = self._trial.simulate(run, cells)
        exact = (1 + rates)[:, None] * np.exp(-rates[:, None] * TIMES)
        self._check_close("every cell follows its own parameters", whole.of("A"), exact)
        alone = [self._trial.simulate(run, part).values for part in cells.batches(2)]
        rules.require(
            np.allclose(np.concatenate(alone), whole.values, rtol=1e-12, atol=1e-15),
            "a cell does not depend on the other cells of its batch",
        )

    def check_doses(self, run: RunContext) -> None:
        """A dose acts at its time and not before; set, add and scale are told apart."""
        for how, value, after in (("set", 5.0, 5.0), ("add", 1.0, None), ("scale", 3.0, None)):
            schedule = Schedule((Dose(1.0, "A", value, how),))  # type: ignore[arg-type]
            cells = ParameterTable((), np.zeros((1, 0)))
            found = self._trial.simulate(run, cells, schedule).of("A")[0]
            before = 2 * np.exp(-0.7)
            level = after or (before + value if how == "add" else before * value)
            exact = np.where(
                TIMES < 1.0, 2 * np.exp(-0.7 * TIMES), level * np.exp(-0.7 * (TIMES - 1))
            )
            late = TIMES != 1.0  # at the very time of a dose either side is right
            self._check_close(f"a dose that is {how} acts at its time", found[late], exact[late])

    def check_repeat(self, run: RunContext) -> None:
        """The same seed gives the same bits; parameters and times are left as they were."""
        rules = self._rules
        cells, times = ParameterTable(("k",), np.array([[0.3], [0.9]])), TIMES.copy()
        before = hash_json([hash_array(cells.values), hash_array(times)])
        quiet = run_context(SEED, run.scratch, threads=run.threads)
        pair = [
            self._trial.simulator.simulate(decay(), cells, Schedule(), times, quiet).values
            for _ in range(2)
        ]
        rules.check_same("the same seed, the same trajectory", *pair)
        after = hash_json([hash_array(cells.values), hash_array(times)])
        rules.require(after == before, "parameters and times are left as they were")

    def check_unknown(self, run: RunContext) -> None:
        """An id that the network does not have is an error that names it."""
        self._trial.check_unknown(run)

    # -- what they share -----------------------------------------------------------------------
    def _check_close(self, rule: str, found: NDArray[np.float64], exact: Any) -> None:
        gap = np.max(np.abs(found - exact) / np.maximum(np.abs(exact), 1e-6))
        self._rules.require(bool(gap <= self.rtol), rule, f"a relative error of {gap:.2g}")

    @property
    def _rules(self) -> Rules:
        return self._trial.rules

    @property
    def _trial(self) -> SimulatorTrial:
        return SimulatorTrial(self.plugin, self.options, decay(), TIMES)
