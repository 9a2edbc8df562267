"""Is a prediction told from the others: ranks against a plain loop, and one answer to all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.evaluation.metrics import discrimination
from cellula.evaluation.metrics.discrimination import CentroidAccuracy, NormalisedInverseRank
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison

Floats = NDArray[np.float64]


def screen(unit: str = "donor", n: int = 7) -> Comparison:
    """Perturbations x 2 contexts x 3 donors; the units are donors or the perturbations."""
    rng = np.random.default_rng(3)
    grid = pd.MultiIndex.from_product(
        [[f"p{i}" for i in range(n)], ["x", "y"], range(3)],
        names=["perturbation", "context", "donor"],
    ).to_frame(index=False)
    codes, names = pd.factorize(grid["donor" if unit == "donor" else "perturbation"])
    observed = rng.normal(size=(len(grid), 6))
    return Comparison(
        groups=grid[["perturbation", "context"]],
        unit=codes.astype(np.int64),
        units=tuple(map(str, names)),
        readouts=tuple("abcdef"),
        observed=observed,
        predicted=observed + rng.normal(size=observed.shape),
    )


def plain(given: Comparison, distance: Callable[[int, int], float], same: list[str]) -> Floats:
    """The share of every group by a loop over pairs; ``same``: what rivals share."""
    frame = given.groups.assign(unit=given.unit, fold=0 if given.fold is None else given.fold)
    values = []
    for g in range(len(frame)):
        rivals = [
            h
            for h in range(len(frame))
            if frame["perturbation"][h] != frame["perturbation"][g]
            and all(frame[name][h] == frame[name][g] for name in same)
        ]
        own = distance(g, g)
        won = [1.0 if distance(g, h) > own else 0.5 * (distance(g, h) == own) for h in rivals]
        values.append(np.mean(won) if won else np.nan)
    return np.array(values)


@pytest.mark.requirement("E14", "E15")
@pytest.mark.parametrize(
    ("unit", "same"), [("donor", ["context", "unit"]), ("perturbation", ["context"])]
)
def test_ranks_are_those_of_a_loop(unit: str, same: list[str]) -> None:
    given = screen(unit)
    x, y = given.observed, given.predicted
    to_observed = plain(given, lambda g, h: float(np.linalg.norm(y[g] - x[h])), same)
    to_predicted = plain(given, lambda g, h: float(np.linalg.norm(x[g] - y[h])), same)
    np.testing.assert_allclose(CentroidAccuracy().terms(given).values[:, 0], to_observed)
    np.testing.assert_allclose(NormalisedInverseRank().terms(given).values[:, 0], to_predicted)
    assert 0.5 < to_observed.mean() < 1.0


def test_blocks_of_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = screen("perturbation")
    whole = CentroidAccuracy().terms(given).values
    monkeypatch.setattr(discrimination, "BLOCK", 5)
    assert np.array_equal(CentroidAccuracy().terms(given).values, whole)


def test_folds_are_not_mixed_where_one_has_rivals() -> None:
    given = screen("perturbation")
    fold = (given.unit % 2).astype(np.int64)
    x, y = given.observed, given.predicted
    split = replace(given, fold=fold)
    expected = plain(split, lambda g, h: float(np.linalg.norm(x[g] - y[h])), ["context", "fold"])
    np.testing.assert_allclose(NormalisedInverseRank().terms(split).values[:, 0], expected)
    alone = replace(given, fold=given.unit)  # every fold holds one perturbation
    whole = NormalisedInverseRank().terms(given).values
    assert np.array_equal(NormalisedInverseRank().terms(alone).values, whole)


def test_rivals_are_of_the_same_time_where_there_are_any() -> None:
    given = screen("perturbation")
    time = np.where(given.groups["perturbation"] == "p0", 9.0, 1.0 + np.arange(42) % 3)
    timed = replace(given, groups=given.groups.assign(time_s=time))
    x, y = given.observed, given.predicted
    narrow = plain(timed, lambda g, h: float(np.linalg.norm(y[g] - x[h])), ["context", "time_s"])
    wide = plain(timed, lambda g, h: float(np.linalg.norm(y[g] - x[h])), ["context"])
    is_alone = time == 9.0
    found = CentroidAccuracy().terms(timed).values[:, 0]
    np.testing.assert_allclose(found[~is_alone], narrow[~is_alone])
    np.testing.assert_allclose(found[is_alone], wide[is_alone])


@pytest.mark.parametrize("metric", [CentroidAccuracy(), NormalisedInverseRank()])
@pytest.mark.parametrize("unit", ["donor", "perturbation"])
def test_one_answer_for_all_is_exactly_chance(metric: Any, unit: str) -> None:
    given = screen(unit)
    for answer in (given.observed.mean(axis=0), given.observed[0], np.zeros(6)):
        one = replace(given, predicted=np.tile(answer, (len(given.groups), 1)))
        assert score(metric, one).value == pytest.approx(0.5, abs=1e-15)
    perfect = replace(given, predicted=given.observed)
    assert score(metric, perfect).value == 1.0


def test_names_play_no_part() -> None:
    """Ties count half: an answer to all cannot gain from standing first in the alphabet."""
    given = screen()
    for metric in (CentroidAccuracy(), NormalisedInverseRank()):
        names = given.groups["perturbation"].map(lambda name: f"q{9 - int(name[1])}")
        renamed = replace(given, groups=given.groups.assign(perturbation=names))
        assert np.array_equal(metric.terms(renamed).values, metric.terms(given).values)


def test_a_factor_may_raise_the_rank_of_answers_that_are_too_small() -> None:
    """As the docstring says: the distance is Euclidean."""
    given = screen()
    right = given.observed + 0.5 * np.random.default_rng(0).normal(size=given.observed.shape)
    small = replace(given, predicted=0.1 * right)
    larger = replace(given, predicted=0.3 * right)
    for metric in (CentroidAccuracy(), NormalisedInverseRank()):
        assert score(metric, larger).value > score(metric, small).value


def test_reasons_and_profiles_that_are_the_same() -> None:
    given = screen(n=2)
    observed = given.observed.copy()
    observed[0] = np.nan
    observed[7] = observed[1]  # p1 in x of donor 1 is p0 there
    predicted = given.predicted.copy()
    predicted[2] = np.nan
    found = replace(given, observed=observed, predicted=predicted)
    terms = CentroidAccuracy().terms(found)
    assert terms.reasons[0] == "the observed value is not a number"
    assert terms.reasons[2] == "the predicted value is not a number"
    assert terms.reasons[6] == ""  # its only rival in its unit is gone: those of other units count
    one = replace(given, groups=given.groups.assign(perturbation="p"))
    assert "no other perturbation" in score(CentroidAccuracy(), one).reason


def test_a_prediction_that_is_no_number_is_nearer_than_any() -> None:
    given = comparison(n_units=1)
    predicted = given.observed.copy()
    predicted[2] = np.nan  # a rival of group 0 in its context
    terms = NormalisedInverseRank().terms(replace(given, predicted=predicted))
    assert terms.values[0, 0] == 0.0
    assert terms.values[1, 0] == 1.0
