"""Every registered transform keeps the rules of its contract."""

from __future__ import annotations

import pytest

from cellula.core import registry
from cellula.core.run import RunContext
from cellula.testing import TransformConformance


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("name", registry.names("transform"))
def test_transform(name: str, run: RunContext) -> None:
    TransformConformance(registry.load("transform", name)).check(run)
