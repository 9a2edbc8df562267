"""Coverage and width."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellula.evaluation.metrics.interval import Coverage, IntervalWidth
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


def test_share_inside_and_mean_width() -> None:
    given = comparison()
    inside = np.random.default_rng(0).random(given.observed.shape) < 0.6
    lower = np.where(inside, given.observed, given.observed + 0.5)
    found = replace(given, lower=lower, upper=lower + 2.0)
    assert score(Coverage(), found).value == pytest.approx(inside.mean())
    assert score(IntervalWidth(), found).value == pytest.approx(2.0)


def test_groups_without_an_interval_say_so() -> None:
    given = comparison()
    assert given.lower is not None
    lower = given.lower.copy()
    lower[4] = np.nan
    for metric in (Coverage(), IntervalWidth()):
        assert (
            metric.terms(replace(given, lower=lower)).reasons[4] == "the prediction has no interval"
        )
        none = score(metric, replace(given, lower=None, upper=None))
        assert "has no interval" in none.reason
