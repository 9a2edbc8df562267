"""Correlations against SciPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cellula.core.comparison import Comparison
from cellula.evaluation.folds import concatenate
from cellula.evaluation.metrics.correlation import (
    Pearson,
    PearsonWithinContext,
    PearsonWithinPerturbation,
    Spearman,
    SpearmanWithinContext,
    SpearmanWithinPerturbation,
)
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


def _with_ties(seed: int = 0) -> Comparison:
    given = comparison(seed=seed, noise=1.0)
    return replace(
        given, observed=np.round(given.observed * 2), predicted=np.round(given.predicted)
    )


def _expected(given: Comparison, by: str, function: Callable[..., object]) -> float:
    labels = given.groups[by] if by else pd.Series(["all"] * len(given.groups))
    values = []
    for _, rows in labels.groupby(labels).groups.items():
        pairs = zip(given.observed[rows].T, given.predicted[rows].T, strict=True)
        values.append(np.mean([function(x, y).statistic for x, y in pairs]))  # type: ignore[attr-defined]
    return float(np.mean(values))


@pytest.mark.requirement("E18")
@pytest.mark.parametrize(
    ("metric", "by", "function"),
    [
        (Pearson(), "", stats.pearsonr),
        (PearsonWithinPerturbation(), "perturbation", stats.pearsonr),
        (PearsonWithinContext(), "context", stats.pearsonr),
        (Spearman(), "", stats.spearmanr),
        (SpearmanWithinPerturbation(), "perturbation", stats.spearmanr),
        (SpearmanWithinContext(), "context", stats.spearmanr),
    ],
)
def test_values_equal_scipy(metric: Pearson, by: str, function: Callable[..., object]) -> None:
    given = _with_ties()
    expected = _expected(given, by, function)
    assert score(metric, given).value == pytest.approx(expected, abs=1e-12)


def test_strata_without_a_correlation_say_why() -> None:
    given = _with_ties()
    groups = given.groups.copy()
    groups.loc[:1, "perturbation"] = "few"
    observed = given.observed.copy()
    observed[20:] = 1.0
    given = replace(given, groups=groups, observed=observed)
    terms = SpearmanWithinPerturbation().terms(given)
    assert terms.reasons[0] == "perturbation few has 2 groups, a correlation needs 3"
    assert terms.reasons[30] == "the observed values of perturbation B do not vary"
    assert terms.reasons[5] == ""
    assert score(SpearmanWithinPerturbation(), given).n_groups == 22


@pytest.mark.parametrize("metric", [Pearson(), SpearmanWithinPerturbation()])
def test_a_constant_prediction_correlates_zero(metric: Pearson) -> None:
    """Were it left out, a model could drop the strata that are hard for it."""
    given = _with_ties()
    assert score(metric, replace(given, predicted=np.full(given.observed.shape, 0.1))).value == 0.0


def test_a_missing_group_does_not_move_the_ranks_of_others() -> None:
    given = _with_ties()
    spoiled = given.predicted.copy()
    spoiled[3] = np.nan
    found = score(Spearman(), replace(given, predicted=spoiled))
    kept = np.arange(len(spoiled)) != 3
    expected = [
        stats.spearmanr(x[kept], y[kept]).statistic
        for x, y in zip(given.observed.T, given.predicted.T, strict=True)
    ]
    assert found.value == pytest.approx(np.mean(expected), abs=1e-12)
    assert found.n_groups == len(spoiled) - 1


def test_the_training_mean_of_each_fold_does_not_anticorrelate() -> None:
    """Leave-out means are low where the held-out values are high; that is no prediction."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 40))
    parts = []
    for fold, own in enumerate(values):
        others = np.delete(values, fold, axis=0).mean()
        groups = pd.DataFrame({"perturbation": "drug", "context": [f"c{i}" for i in range(40)]})
        parts.append(
            Comparison(
                groups=groups,
                unit=np.arange(40),
                units=tuple(f"f{fold}u{i}" for i in range(40)),
                readouts=("y",),
                observed=own[:, None],
                predicted=np.full((40, 1), others),
            )
        )
    joined = concatenate(parts)
    assert joined.fold is not None
    pooled = score(Pearson(), joined).value
    assert pooled < -0.05
    for metric in (PearsonWithinPerturbation(), SpearmanWithinPerturbation()):
        assert score(metric, joined).value == 0.0
