"""Every registered model keeps the rules of its contract."""

from __future__ import annotations

import pytest

from cellula.core import registry
from cellula.core.run import RunContext
from cellula.testing import ModelConformance


@pytest.mark.requirement("K11")
@pytest.mark.parametrize("name", registry.names("model"))
def test_model(name: str, run: RunContext) -> None:
    ModelConformance(registry.load("model", name)).check(run)
