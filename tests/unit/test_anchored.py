"""The anchored score on a synthetic single-cell study whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.canonical import canonical_json
from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.metric import Metric
from cellula.core.prediction import Population, Prediction
from cellula.core.value_type import ValueType
from cellula.evaluation.anchored import AnchoredScore, anchored_score
from cellula.evaluation.bootstrap import unit_weights
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.replicate import split_halves

N_PERTURBATIONS, N_GENES, N_CELLS = 40, 30, 40
METRICS = ("rmse", "pearson_delta", "energy_distance")


@dataclass(frozen=True)
class Study:
    """Two experiments of the same truth, controls, and the halves of the first."""

    first: Dataset
    second: Dataset
    fresh: Dataset
    controls: Dataset


def _cells(means: NDArray[np.float64], labels: list[str], seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(len(means)), N_CELLS)
    values = np.maximum(means[rows] + rng.normal(0, 0.5, (len(rows), N_GENES)), 0.0)
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(np.array(labels)[rows]),
            "context": pd.Categorical(["K562"] * len(rows)),
            "is_control": np.array(labels)[rows] == "control",
        },
        index=[f"cell{i}" for i in range(len(rows))],
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(N_GENES)])
    return Dataset(AnnData(values, obs, var), ValueType.LOG1P)


@pytest.fixture(scope="module")
def study() -> Study:
    rng = np.random.default_rng(1)
    base = rng.uniform(2, 4, N_GENES)
    shared = rng.normal(0, 0.2, N_GENES)
    effect = shared + rng.normal(0, 0.35, (N_PERTURBATIONS, N_GENES))
    labels = [f"P{i:02d}" for i in range(N_PERTURBATIONS)]
    halves = split_halves(_cells(base + effect, labels, 2), "perturbation", rng)
    assert halves is not None
    fresh = split_halves(_cells(base + effect, labels, 3), "perturbation", rng)
    assert fresh is not None
    controls = _cells(np.tile(base, (10, 1)), ["control"] * 10, 4)
    return Study(halves[0], halves[1], fresh[0], controls)


def _shifted(study: Study, shift: NDArray[np.float64]) -> list[Prediction]:
    """Control cells moved by one shift, the same for every question."""
    (answer,) = as_predictions(study.first)
    cells = np.maximum(study.controls.dense()[:100] + shift, 0.0)
    n = len(answer.queries)
    return [
        Prediction(
            queries=answer.queries,
            readouts=answer.readouts,
            value_type=answer.value_type,
            mean=np.tile(cells.mean(axis=0), (n, 1)),
            in_domain=np.ones(n, bool),
            cells=Population(np.tile(cells, (n, 1)), np.repeat(np.arange(n), len(cells))),
        )
    ]


def _compare(study: Study, predictions: list[Prediction]) -> Comparison:
    return compare(study.first, predictions, controls=study.controls, unit="perturbation")


def _mean_shift(study: Study) -> NDArray[np.float64]:
    return np.asarray(study.second.dense().mean(0) - study.controls.dense().mean(0))


def _anchored(
    study: Study, metric: Metric, predictions: list[Prediction], *, has_replicate: bool = True
) -> AnchoredScore:
    predicted = _compare(study, predictions)
    baselines = {
        "control": _compare(study, _shifted(study, np.zeros(N_GENES))),
        "mean_response": _compare(study, _shifted(study, _mean_shift(study))),
    }
    replicate = _compare(study, as_predictions(study.second)) if has_replicate else None
    weights = unit_weights(len(predicted.units), 400, np.random.default_rng(0))
    return anchored_score(metric, predicted, baselines, replicate, weights, unit="perturbation")


@pytest.mark.requirement("E12", "L2")
@pytest.mark.parametrize("name", METRICS)
def test_fresh_replicate_has_one_in_its_interval(study: Study, name: str) -> None:
    found = _anchored(study, registry.load("metric", name)(), as_predictions(study.fresh))
    assert found.lower <= 1.0 <= found.upper
    assert found.upper - found.lower < 0.2
    assert found.ceiling == "replicate"
    assert found.n_groups == found.n_units == N_PERTURBATIONS
    assert found.n_unresolvable <= 1


@pytest.mark.requirement("K11")
@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    "shift",
    [
        pytest.param(lambda study: np.zeros(N_GENES), id="control-copy"),
        pytest.param(_mean_shift, id="mean"),
        pytest.param(lambda study: 3.0 - study.controls.dense().mean(0), id="constant"),
    ],
)
def test_trivial_predictors_stay_at_zero(
    study: Study, name: str, shift: Callable[[Study], NDArray[np.float64]]
) -> None:
    found = _anchored(study, registry.load("metric", name)(), _shifted(study, shift(study)))
    assert found.reason == ""
    assert found.upper <= 0.05


def test_the_best_baseline_scores_exactly_zero(study: Study) -> None:
    metric = registry.load("metric", "rmse")()
    found = _anchored(study, metric, _shifted(study, _mean_shift(study)))
    assert (found.value, found.lower, found.upper) == (0.0, 0.0, 0.0)
    assert found.baseline == "mean_response"


def test_better_model_scores_higher_and_ideal_is_flagged(study: Study) -> None:
    metric = registry.load("metric", "rmse")()
    found = _anchored(study, metric, as_predictions(study.fresh), has_replicate=False)
    assert found.ceiling == "ideal"
    assert found.r == 0.0
    assert 0.0 < found.lower < found.value < found.upper < 1.0


def test_replicate_within_noise_gives_a_reason(study: Study) -> None:
    """A 'replicate' that is the mean response leaves no room to place a model in."""
    metric = registry.load("metric", "rmse")()
    mean = _compare(study, _shifted(study, _mean_shift(study)))
    weights = unit_weights(len(mean.units), 200, np.random.default_rng(0))
    fresh = _compare(study, as_predictions(study.fresh))
    found = anchored_score(metric, fresh, {"mean": mean}, mean, weights, unit="perturbation")
    assert np.isnan(found.value)
    assert "not better than the baseline" in found.reason
    assert found.n_unresolvable == N_PERTURBATIONS
    one = anchored_score(metric, fresh, {}, None, weights, unit="perturbation")
    assert "none of the baselines" in one.reason or "no baseline" in one.reason


def test_rows_of_several_units_are_judged_by_their_own_noise(study: Study) -> None:
    """One row whose replicate is no better than the baseline is counted, and not dropped."""
    metric = registry.load("metric", "rmse")()
    predicted = _compare(study, as_predictions(study.fresh))
    control = _compare(study, _shifted(study, np.zeros(N_GENES)))
    top = _compare(study, as_predictions(study.second))
    two_a_row = pd.DataFrame(
        {"perturbation": np.repeat([f"R{i}" for i in range(4)], 10), "context": "K562"}
    )

    def changed(part: Comparison, predicted: NDArray[np.float64]) -> Comparison:
        return Comparison(two_a_row, part.unit, part.units, part.readouts, part.observed, predicted)

    bad = top.predicted.copy()
    bad[:10] = control.predicted[:10] + np.random.default_rng(0).normal(0, 0.02, (10, N_GENES))
    weights = unit_weights(N_PERTURBATIONS, 300, np.random.default_rng(0))
    found = anchored_score(
        metric,
        changed(predicted, predicted.predicted),
        {"control": changed(control, control.predicted)},
        changed(top, bad),
        weights,
        unit="donor",
    )
    assert found.n_unresolvable == 1
    assert found.n_groups == N_PERTURBATIONS


def test_coverage_is_anchored_by_its_distance_from_the_target(study: Study) -> None:
    metric = registry.load("metric", "coverage")()
    shape = (N_PERTURBATIONS, N_GENES)
    answer = _compare(study, as_predictions(study.fresh))

    def covering(share: float) -> Comparison:
        is_in = np.random.default_rng(0).random(shape) < share
        bound = np.where(is_in, answer.observed, answer.observed + 1.0)
        return Comparison(
            answer.groups, answer.unit, answer.units, answer.readouts,
            answer.observed, answer.predicted, bound, bound,
        )  # fmt: skip

    weights = unit_weights(N_PERTURBATIONS, 200, np.random.default_rng(0))
    sides = {"poor": covering(0.3), "too_wide": covering(1.0)}
    found = anchored_score(metric, covering(0.9), sides, None, weights, unit="perturbation")
    assert found.baseline == "too_wide"
    assert found.value > 0.7


def test_evidence_holds_plain_numbers(study: Study) -> None:
    metric = registry.load("metric", "rmse")()
    found = _anchored(study, metric, as_predictions(study.fresh))
    piece = found.evidence("claim", "ridge", "readouts", {"data": "ab" * 32})
    expected = (
        "metric space model value lower upper level u b r baseline ceiling unit "
        "n_units n_groups n_unresolvable reason sd"
    )
    assert set(piece.payload) == set(expected.split())
    assert piece.kind == "anchored_score"
    assert canonical_json(piece.payload)
    assert len(piece.hash) == 64


def test_other_groups_are_an_error(study: Study) -> None:
    metric = registry.load("metric", "rmse")()
    predicted = _compare(study, as_predictions(study.fresh))
    other = compare(
        study.second, as_predictions(study.fresh), controls=study.controls, unit="perturbation"
    )
    weights = unit_weights(len(predicted.units), 10, np.random.default_rng(0))
    with pytest.raises(DataError, match="other observed groups"):
        anchored_score(metric, predicted, {"mean": other}, None, weights, unit="perturbation")
