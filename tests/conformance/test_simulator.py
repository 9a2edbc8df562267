"""Every registered simulator keeps the rules of its contract."""

from __future__ import annotations

from typing import Any

import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra
from cellula.core.run import RunContext
from cellula.testing import (
    LogicSimulatorConformance,
    SimulatorConformance,
    StochasticSimulatorConformance,
)
from cellula.testing.logic_simulator import takes_logic

#: What counts with real numbers.
REAL = {"langevin"}
#: Engines of single particles take long for each cell; ReaDDy takes no seed.
PARTICLES = {"readdy", "smoldyn"}
UNSEEDED = {"readdy"}
NAMES = registry.names("simulator")


@pytest.mark.skipif(not NAMES, reason="no simulator is registered yet")
@pytest.mark.parametrize("name", NAMES or ("none",))
def test_simulator(name: str, run: RunContext) -> None:
    try:
        simulator = registry.load("simulator", name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    if simulator.__module__.startswith("cellula.engines.outside"):
        pytest.skip("it takes minutes, out of process: tests/benchmark/test_outside_engines.py")
    try:
        _check(simulator, name, run)
    except MissingExtra as missing:  # a package that is there without what it compiles with
        pytest.skip(str(missing))


def _check(simulator: Any, name: str, run: RunContext) -> None:
    if takes_logic(simulator, run):
        LogicSimulatorConformance(simulator).check(run)
    elif simulator.is_stochastic:
        StochasticSimulatorConformance(
            simulator,
            has_whole_counts=name not in REAL,
            n_cells=24 if name in PARTICLES else 1000,
            is_repeatable=name not in UNSEEDED,
        ).check(run)
    else:
        SimulatorConformance(simulator).check(run)
