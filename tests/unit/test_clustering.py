"""Clusters of responses, and the agreement of two partitions against scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from cellula.core.comparison import Comparison
from cellula.evaluation.bootstrap import unit_weights
from cellula.evaluation.metrics.clustering import (
    HEAD,
    MOST_CLUSTERS,
    WITNESSES,
    ClusteringAri,
    ClusteringNmi,
)
from cellula.evaluation.metrics.profile_clusters import K, profile_clusters
from cellula.evaluation.score import bootstrap_values, score, score_rows
from cellula.testing.comparisons import comparison, reorder

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def planted(n: int = 90, true: int = 6, noise: float = 0.3, seed: int = 0) -> tuple[Floats, Codes]:
    """Profiles (n, 20) about ``true`` directions, and which of them each belongs to."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, true, n)
    return rng.normal(size=(true, 20))[label] + noise * rng.normal(size=(n, 20)), label


def compared(observed: Floats, predicted: Floats, n_units: int = 1) -> Comparison:
    """One group a question and unit, changes from controls at zero; the unit is the question
    where ``n_units`` is 1.
    """
    n = len(observed)
    rows = np.repeat(np.arange(n), n_units)
    return Comparison(
        groups=pd.DataFrame({"perturbation": [f"P{i:04d}" for i in rows], "context": "x"}),
        unit=rows if n_units == 1 else np.tile(np.arange(n_units), n),
        units=tuple(f"u{i}" for i in range(n if n_units == 1 else n_units)),
        readouts=tuple(f"g{i}" for i in range(observed.shape[1])),
        observed=observed[rows],
        predicted=predicted[rows],
        reference=np.zeros((len(rows), observed.shape[1])),
    )


def by_pairs(x: Codes, y: Codes, w: Floats) -> float:
    """The adjusted Rand index by its meaning: over pairs of different items, weighted."""
    pairs = list(combinations(range(len(x)), 2))
    weight = np.array([w[i] * w[j] for i, j in pairs])
    one = np.array([x[i] == x[j] for i, j in pairs])
    two = np.array([y[i] == y[j] for i, j in pairs])
    both, a, b = (weight[which].sum() for which in (one & two, one, two))
    expected = a * b / weight.sum()
    return float((both - expected) / ((a + b) / 2 - expected))


# -- clusters ---------------------------------------------------------------------------------
def test_planted_clusters_are_found() -> None:
    profiles, label = planted()
    assert adjusted_rand_score(label, profile_clusters(profiles)) > 0.95


def test_length_does_not_matter_direction_does() -> None:
    profiles, _ = planted()
    longer = profiles * np.random.default_rng(1).uniform(0.1, 10.0, (len(profiles), 1))
    assert np.array_equal(profile_clusters(longer), profile_clusters(profiles))


@pytest.mark.parametrize("seed", range(5))
def test_order_does_not_matter_even_among_ties(seed: int) -> None:
    """Profiles on a coarse grid: many are equal, and most similarities are tied."""
    rng = np.random.default_rng(seed)
    profiles = rng.integers(-1, 2, (70, 4)).astype(np.float64)
    labels = profile_clusters(profiles)
    assert len(np.unique(profiles, axis=0)) < len(profiles)
    for _ in range(4):
        order = rng.permutation(len(profiles))
        assert np.array_equal(profile_clusters(profiles[order]), labels[order])
    _, same = np.unique(profiles, axis=0, return_inverse=True)
    assert all(len(set(labels[same == one])) <= 1 for one in range(same.max() + 1))


@pytest.mark.parametrize("n", [0, 1, 2, K, K + 1])
def test_few_profiles_are_one_cluster(n: int) -> None:
    assert not profile_clusters(planted()[0][:n]).any()


def test_the_clusters_of_known_profiles_stay_what_they_are() -> None:
    """Made with networkx 3.6.1; a version that clusters otherwise needs another metric version."""
    row, column = np.arange(36)[:, None], np.arange(6)
    profiles = ((row * 7919 + row % 3 * 31 + column * row * 13 + column * 17) % 23 - 11.0) / 7
    profiles = profiles + 0.8 * (column == row % 3)
    found = "".join(map(str, profile_clusters(profiles)))
    assert found == "220123403420121430141100220143210122"


# -- agreement --------------------------------------------------------------------------------
@pytest.mark.requirement("E5")
@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_values_equal_scikit_learn(noise: float) -> None:
    observed, _ = planted()
    predicted = observed + noise * planted(seed=1)[0]
    given = compared(observed, predicted)
    x, y = profile_clusters(observed), profile_clusters(predicted)
    expected = adjusted_rand_score(x, y), normalized_mutual_info_score(x, y)
    assert score(ClusteringAri(), given).value == pytest.approx(expected[0], abs=1e-12)
    assert score(ClusteringNmi(), given).value == pytest.approx(expected[1], abs=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_any_two_partitions_have_the_values_of_scikit_learn(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(12, 60))
    labels = [
        np.unique(rng.integers(0, most, n), return_inverse=True)[1]
        for most in (rng.integers(2, n + 1), rng.integers(1, n + 1))
    ]
    turns = iter(labels)
    monkeypatch.setattr(
        "cellula.evaluation.metrics.clustering.profile_clusters", lambda _: next(turns)
    )
    given = compared(rng.normal(size=(n, 3)), rng.normal(size=(n, 3)))
    terms = ClusteringAri().terms(given)
    sums = terms.values.sum(axis=0)
    assert ClusteringAri().finish(sums) == pytest.approx(adjusted_rand_score(*labels), abs=1e-12)
    expected = normalized_mutual_info_score(*labels)
    assert ClusteringNmi().finish(sums) == pytest.approx(expected, abs=1e-12)


@pytest.mark.requirement("E5")
def test_resamples_reweight_the_questions() -> None:
    """A question drawn twice counts twice, and is no pair with itself."""
    observed, _ = planted(n=40, true=3)
    predicted = observed + 1.5 * np.random.default_rng(3).normal(size=observed.shape)
    given = compared(observed, predicted)
    x, y = profile_clusters(observed), profile_clusters(predicted)
    weights = unit_weights(40, 5, np.random.default_rng(0))
    rand = bootstrap_values(ClusteringAri(), given, weights)
    information = bootstrap_values(ClusteringNmi(), given, weights)
    for row, w in enumerate(weights):
        assert rand[row] == pytest.approx(by_pairs(x, y, w), abs=1e-12)
        drawn = np.repeat(np.arange(40), w.astype(int))
        expected = normalized_mutual_info_score(x[drawn], y[drawn])
        assert information[row] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [60, WITNESSES + 200])
def test_unrelated_clusters_agree_by_chance_and_so_do_resamples(n: int) -> None:
    """Were a question drawn twice a pair with itself, resamples would lie above the value."""
    given = compared(planted(n)[0], planted(n, seed=1)[0])
    value = score(ClusteringAri(), given).value
    values = bootstrap_values(
        ClusteringAri(), given, unit_weights(n, 400, np.random.default_rng(0))
    )
    assert abs(value) < 0.1
    assert abs(values.mean() - value) < 0.01


def test_a_question_counts_once_however_many_units_answer_it() -> None:
    observed, _ = planted(n=40, true=3)
    predicted = observed + np.random.default_rng(3).normal(size=observed.shape)
    one, many = compared(observed, predicted), compared(observed, predicted, n_units=3)
    number = np.arange(len(many.groups))
    many = reorder(many, number[number % 3 <= number // 3 % 3])  # one, two or three units
    for metric in (ClusteringAri(), ClusteringNmi()):
        value = score(metric, one).value
        assert 0.0 < value < 1.0
        assert score(metric, many).value == pytest.approx(value, abs=1e-12)


def test_order_and_names_of_groups_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    observed = rng.integers(-1, 2, (60, 4)).astype(np.float64)
    given = compared(observed, rng.integers(-1, 2, (60, 4)).astype(np.float64), n_units=2)
    metrics = (ClusteringAri(), ClusteringNmi())
    values = [score(metric, given).value for metric in metrics]
    for _ in range(3):
        order = rng.permutation(len(given.groups)).astype(np.int64)
        names = given.groups["perturbation"].map(lambda name: f"Q{9999 - int(name[1:])}")
        renamed = replace(given, groups=given.groups.assign(perturbation=names))
        for other in (reorder(given, order), renamed):
            assert [score(metric, other).value for metric in metrics] == values


# -- what must not score ----------------------------------------------------------------------
def test_a_prediction_that_knows_nothing_agrees_by_chance() -> None:
    observed, _ = planted()
    given = compared(observed, np.tile(observed.mean(axis=0), (len(observed), 1)))
    assert score(ClusteringAri(), given).value == 0.0
    assert score(ClusteringNmi(), given).value == 0.0


def test_a_fold_is_no_cluster() -> None:
    """The mean of the training part, and noise: where folds are contexts, and real responses
    cluster by context, it would be right in a clustering of all folds.
    """
    centres, context = np.random.default_rng(0).normal(size=(4, 20)), np.repeat(np.arange(4), 20)
    observed = centres[context] + 0.3 * np.random.default_rng(1).normal(size=(80, 20))
    means = np.stack([observed[context != one].mean(axis=0) for one in range(4)])
    noise = 0.1 * np.random.default_rng(2).normal(size=observed.shape)
    given = compared(observed, means[context] + noise)
    assert score(ClusteringAri(), given).value > 0.95
    assert abs(score(ClusteringAri(), replace(given, fold=context)).value) < 0.1


def test_a_row_that_mixes_folds_has_no_value() -> None:
    """The first cluster of one fold is not the first cluster of the other."""
    observed, _ = planted(n=80)
    given = replace(compared(observed, observed), fold=np.arange(80) % 2)
    assert score(ClusteringAri(), given).value == pytest.approx(1.0)
    (row,) = score_rows(ClusteringAri(), given, ("context",))
    assert np.isnan(row.value)
    assert "80 group(s) do not determine clustering_ari" in row.reason


# -- reasons ----------------------------------------------------------------------------------
def test_reasons_say_what_is_missing() -> None:
    given = comparison()
    assert "no controls" in score(ClusteringAri(), replace(given, reference=None)).reason
    few = compared(planted()[0][:11], planted()[0][:11])
    assert (
        "11 questions of a fold with a value, clusters need 12"
        in score(ClusteringAri(), few).reason
    )
    still = compared(np.zeros((30, 20)), planted()[0][:30])
    assert "the observed profiles form one cluster" in score(ClusteringNmi(), still).reason


def test_near_copies_are_no_clusters() -> None:
    """Six doses of each of many drugs are one another's five neighbours: that is no structure."""
    rng = np.random.default_rng(0)
    drugs = np.repeat(rng.normal(size=(MOST_CLUSTERS + 6, 20)), K + 1, axis=0)
    given = compared(drugs + 1e-3 * rng.normal(size=drugs.shape), drugs)
    reason = score(ClusteringAri(), given).reason
    assert f"form {MOST_CLUSTERS + 6} clusters, more than {MOST_CLUSTERS}: near copies" in reason
    coarse, _ = planted(len(drugs))
    turned = compared(coarse, drugs + 1e-3 * rng.normal(size=drugs.shape))
    table = ClusteringAri().terms(turned).values
    assert table.shape[1] == HEAD + MOST_CLUSTERS**2  # of the prediction the smallest are one
    assert abs(score(ClusteringAri(), turned).value) < 0.05


def test_too_many_questions_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellula.evaluation.metrics.clustering.MOST", 80)
    given = compared(planted()[0], planted()[0])
    assert "90 questions of a fold, more than 80" in score(ClusteringAri(), given).reason


def test_rounding_is_no_response() -> None:
    """A prediction of no change, computed as a + b - b, is not clustered by its last bits."""
    observed, _ = planted()
    given = compared(observed, observed)
    reference = np.full(observed.shape, 7.3)
    noise = 1e-15 * np.random.default_rng(0).integers(-3, 4, observed.shape)
    shifted = replace(
        given, observed=observed + reference, predicted=reference + noise, reference=reference
    )
    assert score(ClusteringAri(), shifted).value == 0.0
