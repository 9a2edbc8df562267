"""Correlation of deviations, each side from its own centroid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from perturbation_example import against, as_means, cells
from scipy.stats import pearsonr

from cellula.evaluation.metrics.pearson_centroid import PearsonCentroid
from cellula.evaluation.metrics.pearson_specific import PearsonSpecific
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


@pytest.mark.requirement("E14", "E15")
def test_value_is_the_mean_over_groups() -> None:
    """Of all perturbations in the group's context and unit of replication."""
    for given, size in ((comparison(noise=1.0), 2), (against(cells(2), cells(1)), 8)):
        same = ["context", "unit"] if size == 2 else ["context"]
        frame = given.groups.assign(unit=given.unit)
        expected = []
        for row in range(len(frame)):
            pool = (frame[same] == frame.loc[row, same]).all(axis=1).to_numpy()
            assert pool.sum() == size
            x, y = (
                side[row] - side[pool].mean(axis=0) for side in (given.observed, given.predicted)
            )
            expected.append(pearsonr(x, y).statistic)
        value = score(PearsonSpecific(), given).value
        assert value == pytest.approx(np.mean(expected), abs=1e-12)


def test_one_answer_for_all_has_nothing_whatever_it_is() -> None:
    given = against(cells(2), cells(1))
    assert given.reference is not None
    context = (given.groups["context"] == "left").to_numpy()
    truth = np.where(
        context[:, None],
        given.observed[context].mean(axis=0),
        given.observed[~context].mean(axis=0),
    )
    assert score(PearsonSpecific(), given).value > 0.75
    for answer in (truth, given.reference, truth + 1.0, 0.0 * truth):
        assert score(PearsonSpecific(), as_means(given, answer)).value == 0.0
    assert score(PearsonCentroid(), as_means(given, truth)).value > 0.3  # as it says of itself


def test_a_factor_and_a_shared_error_play_no_part() -> None:
    given = against(cells(2), cells(1))
    assert given.reference is not None
    value = score(PearsonSpecific(), given).value
    moved = given.reference + 3.0 * (given.predicted - given.reference) + 0.7 * given.reference
    assert score(PearsonSpecific(), as_means(given, moved)).value == pytest.approx(value)


def test_pools_widen_where_a_perturbation_is_alone() -> None:
    given = against(cells(2), cells(1))  # the unit is the perturbation: alone in its unit
    value = score(PearsonSpecific(), given).value
    one_unit = replace(given, unit=np.zeros(len(given.unit), np.int64))
    assert score(PearsonSpecific(), one_unit).value == pytest.approx(value, abs=1e-12)
    halves = replace(given, fold=(given.unit % 2).astype(np.int64))
    assert abs(score(PearsonSpecific(), halves).value - value) > 1e-3


def test_reasons() -> None:
    given = comparison()
    alone = replace(given, groups=given.groups.assign(perturbation="A"))
    assert "no other perturbation" in score(PearsonSpecific(), alone).reason
    same = replace(given, observed=np.ones_like(given.observed))
    assert "deviation from the centroid is the same" in score(PearsonSpecific(), same).reason
