"""Correlation of deviations from the mean response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from perturbation_example import against, as_means, cells
from scipy.stats import pearsonr

from cellula.evaluation.metrics.pearson_centroid import PearsonCentroid
from cellula.evaluation.metrics.pearson_delta import PearsonDelta
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


@pytest.mark.requirement("E14", "E15")
def test_value_is_the_mean_over_groups() -> None:
    given = comparison(noise=1.0)
    assert given.baseline is not None
    x, y = given.observed - given.baseline, given.predicted - given.baseline
    expected = np.mean([pearsonr(a, b).statistic for a, b in zip(x, y, strict=True)])
    assert score(PearsonCentroid(), given).value == pytest.approx(expected, abs=1e-12)


def test_what_all_perturbations_share_earns_nothing() -> None:
    given = against(cells(2), cells(1))
    assert given.baseline is not None
    assert score(PearsonCentroid(), given).value > 0.75
    mean = as_means(given, given.baseline)
    assert score(PearsonDelta(), mean).value > 0.4
    assert score(PearsonCentroid(), mean).value == 0.0
    for constant in (0.3, -1.0):
        assert score(PearsonCentroid(), as_means(given, given.baseline + constant)).value == 0.0


def test_the_baseline_must_be_the_mean_response() -> None:
    given = comparison()
    other = score(PearsonCentroid(), replace(given, baseline_name="ridge"))
    assert "the baseline is 'ridge', not the mean response" in other.reason
    none = score(PearsonCentroid(), replace(given, baseline=None, baseline_name=""))
    assert "the baseline is 'none'" in none.reason
    assert given.baseline is not None
    observed = given.observed.copy()
    observed[1] = given.baseline[1] + 0.5
    baseline = given.baseline.copy()
    baseline[2] = np.nan
    terms = PearsonCentroid().terms(replace(given, observed=observed, baseline=baseline))
    assert "deviation from the mean response is the same" in terms.reasons[1]
    assert terms.reasons[2] == "the baseline value is not a number"
    assert (np.delete(terms.reasons, [1, 2]) == "").all()
