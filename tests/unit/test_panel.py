"""The panel: every number between the best trivial answer and a replicate experiment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import MODEL, evaluate

N_GENES, N_CELLS = 12, 24
METRICS = ("pearson_delta", "energy_distance", "rmse")


def cells(seed: int) -> Dataset:
    """Controls and ten perturbations with responses of their own; noise by the seed."""
    truth = np.random.default_rng(0)
    base = truth.uniform(2.0, 4.0, N_GENES)
    shifts = truth.normal(0.0, 0.6, (10, N_GENES)) * np.linspace(0.2, 1.0, 10)[:, None]
    noise = np.random.default_rng(seed)
    labels = ["control"] * 60 + [f"p{i}" for i in range(10) for _ in range(N_CELLS)]
    means = np.concatenate([np.tile(base, (60, 1)), np.repeat(base + shifts, N_CELLS, axis=0)])
    values = np.maximum(means + noise.normal(0.0, 0.3, means.shape), 0.0)
    obs = pd.DataFrame({"perturbation": labels, "context": "line"})
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = [f"c{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    return Dataset(AnnData(values, obs=obs, var=var), ValueType.LOG1P)


@pytest.fixture(scope="module")
def real() -> Dataset:
    return cells(1)


def anchored(table: pd.DataFrame, metric: str) -> pd.Series:
    (row,) = [
        row
        for _, row in table.iterrows()
        if row["model"] == MODEL and row["metric"].startswith(metric)
    ]
    return row


@pytest.mark.requirement("E1", "E12", "E15")
@pytest.mark.parametrize("metric", METRICS)
def test_a_second_experiment_is_as_good_as_a_replicate(
    real: Dataset, metric: str, run: RunContext
) -> None:
    panel = evaluate(real, cells(2), run, metrics=[metric])
    row = anchored(panel.summary, metric)
    assert row["ceiling"] == "replicate"
    assert 0.9 < row["anchored"] < 1.2
    assert (panel.unit, panel.n_units, panel.n_groups) == ("perturbation", 10, 10)


@pytest.mark.requirement("K11")
@pytest.mark.parametrize("metric", METRICS)
def test_a_copy_of_the_controls_is_worth_nothing(
    real: Dataset, metric: str, run: RunContext
) -> None:
    controls = real.controls
    assert controls is not None
    copied = [
        replace(answer, mean=np.tile(controls.dense().mean(axis=0), (len(answer.queries), 1)))
        for answer in as_predictions(real.treated)
    ]
    copied = [replace(answer, cells=None) for answer in copied]
    if metric == "energy_distance":
        return  # a mean without cells has no energy distance
    row = anchored(evaluate(real, copied, run, metrics=[metric]).summary, metric)
    assert row["anchored_upper"] <= 0.05


def test_every_row_stands_beside_the_trivial_answers(real: Dataset, run: RunContext) -> None:
    panel = evaluate(real, cells(2), run, metrics=["rmse"])
    assert list(panel.scores["perturbation"]) == sorted(f"p{i}" for i in range(10))
    assert {"mean_response", "control", "replicate"} <= set(panel.scores.columns)
    assert set(panel.scores["response"]) == {"small", "medium", "large"}
    sizes = dict(zip(panel.scores["perturbation"], panel.scores["response"], strict=True))
    assert (sizes["p0"], sizes["p9"]) == ("small", "large")


def test_threads_change_nothing(real: Dataset, run: RunContext) -> None:
    tables = [
        evaluate(real, cells(2), run_context(3, run.scratch, threads=n), metrics=METRICS)
        for n in (1, 2)
    ]
    pd.testing.assert_frame_equal(tables[0].summary, tables[1].summary, check_exact=True)
    pd.testing.assert_frame_equal(tables[0].scores, tables[1].scores, check_exact=True)


def test_permuted_readouts_are_put_in_order(real: Dataset, run: RunContext) -> None:
    (answer,) = as_predictions(cells(2).treated)
    order = np.random.default_rng(5).permutation(N_GENES)
    names = tuple(answer.readouts[place] for place in order)
    turned = replace(answer, readouts=names, mean=answer.mean[:, order], cells=None)
    straight = replace(answer, cells=None)
    found = [evaluate(real, [one], run, metrics=["rmse"]).summary for one in (straight, turned)]
    pd.testing.assert_frame_equal(*found)


def without(answer: Prediction, name: str) -> Prediction:
    keep = np.asarray(answer.queries.perturbation) != name
    return replace(
        answer,
        queries=answer.queries.take(np.flatnonzero(keep)),
        mean=answer.mean[keep],
        in_domain=answer.in_domain[keep],
        cells=None,
    )


def test_a_perturbation_that_is_missing_is_named(real: Dataset, run: RunContext) -> None:
    (answer,) = as_predictions(cells(2).treated)
    with pytest.raises(DataError, match="p3"):
        evaluate(real, [without(answer, "p3")], run)


def test_nothing_but_controls_cannot_be_scored(real: Dataset, run: RunContext) -> None:
    controls = real.controls
    assert controls is not None
    with pytest.raises(DataError, match="no response"):
        evaluate(controls, real, run)
