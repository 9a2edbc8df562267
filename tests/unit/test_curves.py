"""Agreement along dose and time against SciPy, curve by curve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cellula.core.comparison import Comparison
from cellula.evaluation.folds import concatenate
from cellula.evaluation.metrics.correlation import Pearson
from cellula.evaluation.metrics.curves import DoseAgreement, TimeCourseAgreement
from cellula.evaluation.score import score, score_rows
from cellula.testing.comparisons import comparison, reorder


def expected(given: Comparison, by: list[str]) -> float:
    """The mean over curves of the mean over readouts of SciPy's correlation."""
    values = []
    for rows in given.groups.groupby(by, observed=True).indices.values():
        pairs = zip(given.observed[rows].T, given.predicted[rows].T, strict=True)
        values.append(np.mean([stats.pearsonr(x, y).statistic for x, y in pairs]))
    return float(np.mean(values))


@pytest.mark.requirement("E15")
@pytest.mark.parametrize(
    ("metric", "other"), [(DoseAgreement(), "time_s"), (TimeCourseAgreement(), "dose_molar")]
)
def test_values_equal_scipy(metric: DoseAgreement, other: str) -> None:
    given = comparison(noise=1.0)
    by = ["perturbation", "context", other]
    assert score(metric, given).value == pytest.approx(expected(given, by), abs=1e-12)
    order = np.random.default_rng(0).permutation(len(given.groups)).astype(np.int64)
    again = score(metric, reorder(given, order)).value
    assert again == pytest.approx(expected(given, by), abs=1e-12)


def curve(dose: list[float], observed: list[float], predicted: list[float], **more: Any) -> Any:
    """One perturbation in one context and one readout; more: other columns of the questions."""
    groups = pd.DataFrame({"perturbation": "drug", "context": "line", "dose_molar": dose, **more})
    return Comparison(
        groups=groups,
        unit=np.zeros(len(dose), np.int64),
        units=("drug",),
        readouts=("viability",),
        observed=np.array(observed)[:, None],
        predicted=np.array(predicted)[:, None],
    )


DOSES = [1e-9, 1e-8, 1e-7, 1e-6]
FALLING = [1.0, 0.9, 0.4, 0.1]


@pytest.mark.requirement("E6")
def test_a_model_without_a_dose_correlates_zero() -> None:
    """It is right on average over drugs, and so correlates over all groups."""
    flat = [float(np.mean(FALLING))] * 4
    weak = [2.0 + 0.01 * v for v in FALLING]
    one, two = (
        curve(DOSES, FALLING, flat),
        replace(
            curve(DOSES, weak, [2.0] * 4),
            groups=curve(DOSES, weak, weak).groups.assign(perturbation="other"),
        ),
    )
    given = replace(concatenate([one, two]), fold=None)
    assert score(Pearson(), given).value > 0.9
    assert score(DoseAgreement(), given).value == 0.0
    upside_down = curve(DOSES, FALLING, FALLING[::-1])
    assert score(DoseAgreement(), upside_down).value < -0.9
    assert score(DoseAgreement(), curve(DOSES, FALLING, FALLING)).value == pytest.approx(1.0)


def test_a_row_of_several_curves_is_told_along_them() -> None:
    """The levels of three times differ; a model that knows the times alone knows no dose."""
    level = np.repeat([1.0, 5.0, 9.0], 4)
    observed = level + np.tile(FALLING, 3)
    time = list(np.repeat([0.0, 60.0, 120.0], 4))
    given = curve(DOSES * 3, list(observed), list(level / 3), time_s=time)
    (row,) = score_rows(DoseAgreement(), given)
    assert row.value == score(DoseAgreement(), given).value == 0.0
    right = curve(DOSES * 3, list(observed), list(observed - 0.7 * level), time_s=time)
    (row,) = score_rows(DoseAgreement(), right)
    assert row.value == pytest.approx(1.0)


def test_other_times_other_individuals_and_other_folds_are_other_curves() -> None:
    """Half of the points falls, the other rises: only apart are the curves right."""
    dose, values = DOSES * 2, [*FALLING, *(5 - np.array(FALLING))]
    for more in ({"time_s": [0.0] * 4 + [60.0] * 4}, {"individual": ["a"] * 4 + ["b"] * 4}):
        given = curve(dose, values, [*FALLING, *(v + 9 for v in values[4:])], **more)
        assert score(DoseAgreement(), given).value == pytest.approx(1.0)
    plain = curve(dose, values, [*FALLING, *(v + 9 for v in values[4:])])
    assert score(DoseAgreement(), plain).value < 1.0
    assert score(DoseAgreement(), replace(plain, fold=np.repeat([0, 1], 4))).value == pytest.approx(
        1.0
    )


def test_reasons_name_the_curve() -> None:
    given = comparison()
    bare = replace(given, groups=given.groups[["perturbation", "context"]])
    assert "the questions have no dose" in score(DoseAgreement(), bare).reason
    assert "the questions have no time" in score(TimeCourseAgreement(), bare).reason
    twice = curve([1e-9, 1e-9, 1e-8, 1e-8], FALLING, FALLING)
    (reason,) = set(DoseAgreement().terms(twice).reasons)
    assert reason == (
        "perturbation 'drug', context 'line' has 2 dose(s) with a value, a curve needs 3"
    )
    flat = curve(DOSES, [1.0] * 4, FALLING)
    (reason,) = set(DoseAgreement().terms(flat).reasons)
    assert reason == "the observed values of perturbation 'drug', context 'line' do not vary"


def test_a_missing_point_shortens_its_curve_only() -> None:
    observed = np.array(FALLING[:3] + FALLING[:3])
    given = curve(DOSES[:3] * 2, list(observed), list(observed), time_s=[0.0] * 3 + [60.0] * 3)
    spoiled = given.predicted.copy()
    spoiled[1] = np.nan
    terms = DoseAgreement().terms(replace(given, predicted=spoiled))
    assert terms.reasons[1] == "the predicted value is not a number"
    assert "has 2 dose(s) with a value" in terms.reasons[0]
    assert set(terms.reasons[3:]) == {""}
