"""Every registered simulator keeps the rules of its contract."""

from __future__ import annotations

import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra
from cellula.core.run import RunContext
from cellula.testing import SimulatorConformance


@pytest.mark.parametrize("name", registry.names("simulator"))
def test_simulator(name: str, run: RunContext) -> None:
    try:
        simulator = registry.load("simulator", name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    SimulatorConformance(simulator).check(run)
