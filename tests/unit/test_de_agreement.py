"""Agreement of calls and of the changes of called readouts, against plain computations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from perturbation_example import (
    against,
    as_means,
    cells,
    permuted,
    predicted_blocks,
    with_cells,
)
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.prediction import Population
from cellula.evaluation.metrics import de_table
from cellula.evaluation.metrics.de_calls import DeAuprc, DeJaccard, DeOverlap
from cellula.evaluation.metrics.de_change import DeDirection, DeSpearman
from cellula.evaluation.metrics.de_table import observed_tested, predicted_tested
from cellula.evaluation.score import score

CALLS = ("de_auprc", "de_jaccard", "de_overlap")
CHANGES = ("de_direction", "de_spearman")


@pytest.fixture(scope="module")
def given() -> Comparison:
    return against(cells(2), cells(1))


def metric(name: str) -> Any:
    return registry.load("metric", name)()


def value(name: str, found: Comparison) -> float:
    return score(metric(name), found).value


def changes(given: Comparison) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    assert given.reference is not None
    return given.observed - given.reference, given.predicted - given.reference


def half_control(given: Comparison) -> Comparison:
    """Predicted cells that are controls in every other readout: p is 1 in all of those.

    The predicted means there are right nevertheless: they are told apart from their cells.
    """
    assert given.control_cells is not None
    assert given.control is not None
    assert given.reference is not None
    every_other = np.arange(len(given.readouts)) % 2 == 0
    blocks = []
    for group, block in enumerate(predicted_blocks(given)):
        base = given.control_cells.of(int(given.control[group]))
        blocks.append(np.where(every_other, base, np.resize(block, base.shape)))
    made = with_cells(given, blocks)
    return replace(made, predicted=np.where(every_other, given.observed, made.predicted))


def test_ties_of_p_stand_in_one_step(given: Comparison) -> None:
    tied = half_control(given)
    real, said = observed_tested(tied), predicted_tested(tied)
    assert (said.p == 1.0).sum(axis=1).min() >= 20
    observed, predicted = changes(tied)
    for group, value in enumerate(DeAuprc().terms(tied).values[:, 0]):
        found = real.significant[group] & (observed[group] * predicted[group] > 0)
        area = average_precision_score(found, -said.p[group])
        share = found.sum() / real.significant[group].sum()
        assert value == pytest.approx(area * share, abs=1e-12)
    order = np.arange(len(given.readouts))[::-1]
    turned = DeAuprc().terms(permuted(tied, order)).values
    np.testing.assert_allclose(turned, DeAuprc().terms(tied).values, atol=1e-12)


@pytest.mark.requirement("E14", "E15")
def test_values_are_those_of_plain_computations(given: Comparison) -> None:
    real, said = observed_tested(given), predicted_tested(given)
    observed, predicted = changes(given)
    expected: dict[str, list[float]] = {name: [] for name in (*CALLS, *CHANGES)}
    for group in range(len(given.groups)):
        called, found = real.significant[group], said.significant[group]
        n = called.sum()
        by_size = sorted(
            range(len(called)), key=lambda g: (not found[g], -abs(predicted[group, g]))
        )
        expected["de_overlap"].append(len(set(by_size[:n]) & set(np.flatnonzero(called))) / n)
        same = called & found & (observed[group] * predicted[group] > 0)
        expected["de_jaccard"].append(same.sum() / (called | found).sum())
        is_found = called & (observed[group] * predicted[group] > 0)
        area = average_precision_score(is_found, -np.log(said.p[group]))
        expected["de_auprc"].append(area * is_found.sum() / n)
        right = observed[group, called] * predicted[group, called] > 0
        expected["de_direction"].append(right.mean())
        rho = spearmanr(observed[group, called], predicted[group, called]).statistic
        expected["de_spearman"].append(rho)
    for name, values in expected.items():
        np.testing.assert_allclose(metric(name).terms(given).values[:, 0], values, atol=1e-12)
        assert value(name, given) == pytest.approx(np.mean(values), abs=1e-12)


@pytest.mark.parametrize("name", [*CALLS, *CHANGES])
def test_the_same_cells_are_right(given: Comparison, name: str) -> None:
    same = replace(given, predicted=given.observed, predicted_cells=given.observed_cells)
    assert value(name, same) == pytest.approx(1.0, abs=1e-12)
    assert 0.5 < value(name, given) < 1.0


def test_control_cells_as_a_prediction_are_chance(given: Comparison) -> None:
    assert given.reference is not None
    assert given.control_cells is not None
    assert given.control is not None
    copies = [given.control_cells.of(int(code)) for code in given.control]
    copied = replace(with_cells(given, copies), predicted=given.reference)
    share = observed_tested(given).significant.mean(axis=1)
    assert value("de_jaccard", copied) == 0.0
    assert value("de_overlap", copied) == pytest.approx(share.mean())
    assert value("de_auprc", copied) == 0.0
    assert value("de_direction", copied) == 0.5
    assert value("de_spearman", copied) == 0.0


def test_means_have_changes_but_no_calls(given: Comparison) -> None:
    mean = as_means(given, given.predicted)
    for name in CHANGES:
        assert value(name, mean) == value(name, given)
    for name in CALLS:
        assert "there are no predicted cells" in score(metric(name), mean).reason


def test_a_group_that_calls_nothing_has_no_value(given: Comparison) -> None:
    """Whatever is predicted of it: an answer does not choose the groups that count."""
    assert given.control_cells is not None
    assert given.observed_cells is not None
    quiet = [given.observed_cells.of(group) for group in range(len(given.groups))]
    quiet[2] = given.control_cells.of(0)
    observed = with_cells(given, quiet)
    found = replace(given, observed=observed.predicted, observed_cells=observed.predicted_cells)
    for name in (*CALLS, *CHANGES):
        terms = metric(name).terms(found)
        assert terms.reasons[2] == "no readout of the observed cells differs from control"
        assert (np.delete(terms.reasons, 2) == "").all()


def test_few_called_readouts_have_no_rank_correlation(given: Comparison) -> None:
    few = replace(given, observed_cells=None)
    assert "there are no observed cells" in score(DeSpearman(), few).reason
    none = replace(given, reference=None)
    for one in (DeSpearman(), DeDirection(), DeOverlap(), DeJaccard(), DeAuprc()):
        assert "no controls to take a change from" in score(one, none).reason


def test_every_test_is_made_once(given: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all metrics, and that of the observed cells for all contestants."""
    calls: list[str] = []
    tested = de_table._tested

    def counted(arms: Any, size: Any) -> Any:
        calls.append(arms.side)
        return tested(arms, size)

    def anew(population: Population | None) -> Population:
        assert population is not None
        return replace(population)

    monkeypatch.setattr(de_table, "_tested", counted)
    one = replace(
        given,
        observed_cells=anew(given.observed_cells),
        predicted_cells=anew(given.predicted_cells),
    )
    other = replace(one, predicted_cells=anew(given.predicted_cells))
    for name in (*CALLS, *CHANGES):
        value(name, one)
        value(name, other)
    assert sorted(calls) == ["observed", "predicted", "predicted"]
