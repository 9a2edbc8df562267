"""The panel: every number between the best trivial answer and a replicate experiment."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
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
from cellula.evaluation.contest import REPLICATE
from cellula.evaluation.panel import MODEL, evaluate, predictions_by
from cellula.evaluation.summary import OVERALL

N_GENES, N_CELLS = 12, 24
TABLES = ("scores", "summary", "paired", "strata", "responses", "spread")
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
    panels = [
        evaluate(real, cells(2), run_context(3, run.scratch, threads=n), metrics=METRICS, repeats=2)
        for n in (1, 2)
    ]
    for name in TABLES:
        tables = [getattr(panel, name) for panel in panels]
        pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_overall_is_the_mean_of_the_anchored_scores(real: Dataset, run: RunContext) -> None:
    table = evaluate(real, cells(2), run, metrics=(*METRICS, "coverage")).summary
    own = table[table["model"] == MODEL].set_index("metric")
    overall = own.loc[OVERALL]
    assert overall["anchored"] == pytest.approx(own["anchored"].drop(OVERALL).mean())
    assert overall["anchored_lower"] < overall["anchored"] < overall["anchored_upper"]
    assert overall["reason"] == "the mean of anchored scores: 3 of 4 metrics"
    assert np.isnan(overall["value"])
    width = own["anchored_upper"] - own["anchored_lower"]
    assert width[OVERALL] < width.max()  # the same resamples for all metrics
    assert OVERALL not in set(table[table["model"] == REPLICATE]["metric"])


def test_every_metric_is_tested_against_the_best_trivial_answer(
    real: Dataset, run: RunContext
) -> None:
    panel = evaluate(real, cells(2), run, metrics=METRICS)
    found = panel.paired.set_index("metric")
    assert (found["model"] == MODEL).all()
    assert list(found.index) == [f"{name}@1" for name in METRICS]
    summary = panel.summary.pivot(index="metric", columns="model", values="value")
    for metric, row in found.iterrows():
        sign = 1.0 if metric == "pearson_delta@1" else -1.0
        gain = sign * (summary.at[metric, MODEL] - summary.at[metric, row["against"]])
        assert row["difference"] == pytest.approx(gain)
        assert row["p"] == 2 / 2**10  # better for every one of ten perturbations
        assert row["adjusted"] == row["p"]


@pytest.mark.requirement("E7", "E9")
def test_repeats_tell_how_much_the_draw_matters(real: Dataset, run: RunContext) -> None:
    panel = evaluate(real, cells(2), run, metrics=METRICS, repeats=4)
    once = evaluate(real, cells(2), run, metrics=METRICS)
    assert len(once.spread) == 0
    for name in TABLES[:-1]:
        pd.testing.assert_frame_equal(getattr(panel, name), getattr(once, name))
    spread = panel.spread.set_index(["metric", "quantity"])
    own = once.summary[once.summary["model"] == MODEL].set_index("metric")
    for metric in (f"{name}@1" for name in METRICS):
        for quantity, column in {"baseline": "b", "ceiling": "r", "anchored": "anchored"}.items():
            row = spread.loc[(metric, quantity)]
            assert row["value"] == own.at[metric, column]
            assert row["min"] <= row["value"] <= row["max"]
            assert row["min"] <= row["mean"] <= row["max"]
            assert (row["n"], row["over"], row["model"]) == (4, "repeats", MODEL)
        assert spread.loc[(metric, "ceiling"), "sd"] > 0.0
    assert spread.loc[(OVERALL, "anchored"), "n"] == 4


@pytest.mark.requirement("E7")
def test_seeds_of_one_model_have_a_spread(real: Dataset, run: RunContext) -> None:
    seeds = {f"seed{seed}": cells(seed) for seed in (2, 3, 4)}
    panel = evaluate(real, seeds, run, metrics=METRICS)
    spread = panel.spread[panel.spread["over"] == "predictions"].set_index(["metric", "quantity"])
    summary = panel.summary[panel.summary["model"].isin(list(seeds))]
    for metric, part in summary.groupby("metric"):
        row = spread.loc[(metric, "anchored")]
        assert row["mean"] == pytest.approx(part["anchored"].mean())
        assert row["sd"] == pytest.approx(part["anchored"].std())
        assert (row["min"], row["max"]) == (part["anchored"].min(), part["anchored"].max())
    assert set(panel.scores["model"]) == set(panel.paired["model"]) == set(seeds)
    alone = evaluate(real, cells(3), run, metrics=METRICS)
    second = panel.scores[panel.scores["model"] == "seed3"]["value"]
    np.testing.assert_array_equal(second, alone.scores["value"])


def test_predictions_of_a_column_are_told_apart(real: Dataset, run: RunContext) -> None:
    both = [cells(2), cells(3)]
    joined = ad.concat([one.data for one in both], keys=["2", "3"], label="seed", index_unique="-")
    found = predictions_by(Dataset(joined, ValueType.LOG1P), "seed")
    assert list(found) == ["2", "3"]
    panel = evaluate(real, found, run, metrics=["rmse"])
    apart = evaluate(real, {"2": both[0], "3": both[1]}, run, metrics=["rmse"])
    pd.testing.assert_frame_equal(panel.summary, apart.summary)


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
