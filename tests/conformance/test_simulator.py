"""Every registered simulator keeps the rules of its contract."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import DataError, MissingExtra
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.testing import SimulatorConformance, StochasticSimulatorConformance
from cellula.testing.simulator import decay

CELLS = ParameterTable((), np.zeros((1, 0)))
#: What counts with real numbers.
REAL = {"langevin"}
#: What takes logic networks only, and refuses those of reactions.
LOGIC = {"logic", "maboss"}
NAMES = registry.names("simulator")


@pytest.mark.skipif(not NAMES, reason="no simulator is registered yet")
@pytest.mark.parametrize("name", NAMES or ("none",))
def test_simulator(name: str, run: RunContext) -> None:
    try:
        simulator = registry.load("simulator", name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    if name in LOGIC:
        made = simulator(simulator.options_type())
        with pytest.raises(DataError, match="takes logic networks"):
            made.simulate(decay(), CELLS, Schedule(), np.array([0.0, 1.0]), run)
    elif simulator.is_stochastic:
        StochasticSimulatorConformance(simulator, has_whole_counts=name not in REAL).check(run)
    else:
        SimulatorConformance(simulator).check(run)
