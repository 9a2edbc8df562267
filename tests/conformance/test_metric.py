"""Every registered metric keeps the rules of its contract."""

from __future__ import annotations

import pytest

from cellula.core import registry
from cellula.testing import MetricConformance


@pytest.mark.requirement("E14")
@pytest.mark.parametrize("name", registry.names("metric"))
def test_metric(name: str) -> None:
    metric = registry.load("metric", name)
    MetricConformance(metric).check()
    assert metric.definition.name == name
