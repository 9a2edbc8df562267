"""The kit of stochastic simulators passes a correct toy and catches every fault planted in it."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory
from cellula.testing import NotConformant, StochasticSimulatorConformance

IDS = ("A", "B", "k")


class ToyOptions(Options):
    fault: str = ""


@final
class Toy:
    """Draws the decay of A into B from its binomial distribution, between doses."""

    name: ClassVar[str] = "toy"
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[Options]] = ToyOptions
    references: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: ToyOptions) -> None:
        self.options = options

    def simulate(
        self,
        network: Network,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        fault = self.options.fault
        asked = {*cells.ids, *(dose.id for dose in doses.doses)}
        if not asked <= set(IDS) and fault != "ignores":
            raise DataError(f"no {sorted(asked)} in the network")
        level = {"A": network.species[0].initial, "B": 0.0, "k": network.parameters[0].value}
        values = np.empty((len(cells), len(times), 3))
        for row in range(len(cells)):
            now = np.array([level[id] for id in IDS], float)
            for id, value in zip(cells.ids, cells.values[row], strict=True):
                if id in IDS:
                    now[IDS.index(id)] = value
            key = {"twins": 0, "batch": row, "threads": 1000 * run.threads + row}
            rng = run.child(key.get(fault, cells.first + row)).rng
            values[row] = self.course(now, times, doses, rng)
        if fault == "clock":
            values += 1e-9 * np.random.default_rng().normal()
        if fault == "seedless":
            values = np.round(values * 0) + np.arange(len(cells))[:, None, None]
        return Trajectory(IDS, times, values)

    def course(
        self,
        now: NDArray[np.float64],
        times: NDArray[np.float64],
        doses: Schedule,
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        at, pending, told = 0.0, list(doses.doses), []
        for time in times:
            while pending and pending[0].time <= time:
                dose = pending.pop(0)
                self.step(now, dose.time - at, rng)
                at, place = dose.time, IDS.index(dose.id) if dose.id in IDS else 1
                how = "set" if self.options.fault == "doses" else dose.how
                changed = {"set": dose.value, "add": now[place] + dose.value}
                now[place] = changed.get(how, now[place] * dose.value)
            self.step(now, time - at, rng)
            at = time
            told.append(now.copy())
        return np.array(told)

    def step(self, now: NDArray[np.float64], span: float, rng: np.random.Generator) -> None:
        p = np.exp(-now[2] * span * (1.05 if self.options.fault == "biased" else 1.0))
        left = float(rng.binomial(int(now[0]), p))
        if self.options.fault == "quiet":
            left = float(np.floor(now[0] * p + rng.uniform()))
        if self.options.fault == "fractions" and span:
            left += 0.25
        now[1] += now[0] - left if self.options.fault != "leaky" else 0.0
        now[0] = left


def test_a_correct_simulator_passes(run: RunContext) -> None:
    StochasticSimulatorConformance(Toy).check(run)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("biased", "the mean of A"),
        ("quiet", "the variance of A"),
        ("fractions", "whole numbers"),
        ("leaky", "conserved"),
        ("doses", "dose that is"),
        ("clock", "conserved|whole|same seed"),
        ("twins", "the mean of A"),
        ("threads", "number of threads"),
        ("batch", "batches give"),
        ("ignores", "unknown parameter"),
    ],
)
def test_every_fault_is_caught(fault: str, rule: str, run: RunContext) -> None:
    with pytest.raises(NotConformant, match=rule):
        StochasticSimulatorConformance(Toy, {"fault": fault}).check(run)
