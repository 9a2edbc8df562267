"""Correlation of changes from control."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr

from cellula.evaluation.metrics.pearson_delta import PearsonDelta
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


def test_value_is_the_mean_over_groups() -> None:
    given = comparison(noise=1.0)
    assert given.reference is not None
    x, y = given.observed - given.reference, given.predicted - given.reference
    expected = np.mean([pearsonr(a, b).statistic for a, b in zip(x, y, strict=True)])
    assert score(PearsonDelta(), given).value == pytest.approx(expected, abs=1e-12)


def test_predicting_the_control_scores_zero() -> None:
    given = comparison()
    assert given.reference is not None
    rounding = np.random.default_rng(0).choice([1 - 3e-16, 1 + 3e-16], given.reference.shape)
    noise = given.reference * rounding
    assert np.ptp(noise - given.reference) > 0
    for predicted in (given.reference, noise, given.reference + 0.3):
        assert score(PearsonDelta(), replace(given, predicted=predicted)).value == 0.0


def test_reasons() -> None:
    given = comparison()
    assert given.reference is not None
    reference = given.reference.copy()
    reference[0] = np.nan
    observed = given.observed.copy()
    observed[1] = reference[1] + 0.5
    terms = PearsonDelta().terms(replace(given, reference=reference, observed=observed))
    assert terms.reasons[0] == "the control value is not a number"
    assert terms.reasons[1] == "the observed change is the same in all readouts"
    assert (terms.reasons[2:] == "").all()
    none = PearsonDelta().terms(replace(given, reference=None))
    assert none.reasons[0] == "there are no controls to take a change from"
    two = replace(
        given,
        readouts=("a", "b"),
        lower=None,
        upper=None,
        baseline=None,
        gene_sets=None,
        observed=given.observed[:, :2],
        predicted=given.predicted[:, :2],
        reference=reference[:, :2],
    )
    assert "a profile needs 3" in PearsonDelta().terms(two).reasons[0]
