"""The simulator kit passes a correct toy and catches every fault planted in it."""

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
from cellula.testing import NotConformant, SimulatorConformance

IDS = ("A", "B", "k")


class ToyOptions(Options):
    fault: str = ""


@final
class Toy:
    """Solves the decay of A into B exactly, between doses."""

    name: ClassVar[str] = "toy"
    is_stochastic: ClassVar[bool] = False
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
        level = {"A": network.species[0].initial, "B": 0.0, "k": network.parameters[0].value}
        now = np.array([[level[name] for name in IDS]] * len(cells))
        asked = {*cells.ids, *(dose.id for dose in doses.doses)}
        if not asked <= set(IDS) and fault != "ignores":
            raise DataError(f"no {sorted(asked)} in the network")
        for column, name in enumerate(cells.ids):
            if name in IDS:
                now[:, IDS.index(name)] = cells.values[:, column]
        if fault == "shared":
            now[:, 2] = now[:, 2].mean()
        values, at, pending = np.empty((len(cells), len(times), 3)), 0.0, list(doses.doses)
        for position, time in enumerate(times):
            while pending and pending[0].time <= time:
                dose = pending.pop(0)
                now, at = self.step(now, dose.time - at), dose.time
                column = IDS.index(dose.id) if dose.id in IDS else 0
                how = "set" if fault == "doses" else dose.how
                now[:, column] = {
                    "set": np.full(len(now), dose.value),
                    "add": now[:, column] + dose.value,
                    "scale": now[:, column] * dose.value,
                }[how]
            now, at = self.step(now, time - at), time
            values[:, position] = now
        if fault == "clock":
            values += 1e-9 * np.random.default_rng().normal()
        if fault == "times":
            times = times + 1
        return Trajectory(IDS, times, values)

    def step(self, now: NDArray[np.float64], span: float) -> NDArray[np.float64]:
        left = now[:, 0] * np.exp(-now[:, 2] * span)
        if self.options.fault == "euler":
            left = now[:, 0] * (1 - now[:, 2] * span)
        gained = 0 if self.options.fault == "leaky" else now[:, 0] - left
        return np.column_stack([left, now[:, 1] + gained, now[:, 2]])


def test_a_correct_simulator_passes(run: RunContext) -> None:
    SimulatorConformance(Toy).check(run)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("euler", "exp"),
        ("leaky", "conserved"),
        ("times", "times are those asked for"),
        ("shared", "own parameters"),
        ("doses", "acts at its time"),
        ("clock", "same seed"),
        ("ignores", "unknown parameter"),
    ],
)
def test_a_planted_fault_is_caught(fault: str, rule: str, run: RunContext) -> None:
    with pytest.raises(NotConformant, match=rule):
        SimulatorConformance(Toy, {"fault": fault}).check(run)
