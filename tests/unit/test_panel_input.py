"""What a panel does with input that is poor or wrong: a row with a reason, or an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Population, Prediction
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import Panel, evaluate

N_GENES, N_CELLS, N_CONTROLS = 8, 12, 30
NAMES = tuple(f"p{i}" for i in range(6))
METRICS = tuple(name for name in registry.names("metric") if name != "two_sample_auroc")

Floats = NDArray[np.float64]


def cells(values: Floats, labels: NDArray[np.str_], kind: ValueType = ValueType.LOG1P) -> Dataset:
    obs = pd.DataFrame({"perturbation": labels, "context": "line"})
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = [f"c{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"g{i}" for i in range(values.shape[1])])
    return Dataset(AnnData(values, obs=obs, var=var), kind)


def labels(sizes: dict[str, int]) -> NDArray[np.str_]:
    return np.repeat([*sizes], [*sizes.values()])


def values(names: NDArray[np.str_], seed: int = 1) -> Floats:
    truth = np.random.default_rng(0).uniform(2.0, 4.0, (len(NAMES) + 1, N_GENES))
    code = {name: place for place, name in enumerate(("control", *NAMES))}
    means = truth[[code[name] for name in names]]
    return np.asarray(means + np.random.default_rng(seed).normal(0.0, 0.3, means.shape))


SIZES = {"control": N_CONTROLS, **dict.fromkeys(NAMES, N_CELLS)}
LABELS = labels(SIZES)


@pytest.fixture
def real() -> Dataset:
    return cells(values(LABELS), LABELS)


@pytest.fixture
def answer() -> Prediction:
    return as_predictions(cells(values(LABELS, 2), LABELS).treated)[0]


def require_whole(panel: Panel) -> None:
    """Every table has every row, and a number or a reason in each."""
    n_rows = len(panel.responses)
    assert len(panel.scores) == n_rows * len(METRICS)
    for table, value, reason in (
        (panel.scores, "value", "reason"),
        (panel.summary, "value", "reason"),
        (panel.strata, "value", "reason"),
        (panel.strata, "anchored", "anchored_reason"),
        (panel.paired, "p", "reason"),
    ):
        silent = table[value].isna() & (table[reason] == "")
        assert not silent.any(), table[silent]


@pytest.mark.requirement("E15")
@pytest.mark.parametrize("n_cells", [1, 2, 3])
def test_a_group_of_few_cells_has_rows_with_reasons(
    n_cells: int, answer: Prediction, run: RunContext
) -> None:
    """One real cell of a perturbation is scored by its mean; a distribution it has none."""
    few = labels({**SIZES, "p3": n_cells})
    panel = evaluate(cells(values(few), few), [answer], run, metrics=METRICS)
    require_whole(panel)
    row = panel.responses.set_index("perturbation").loc["p3"]
    assert row["resolvability"] == "unjudged"
    scores = panel.scores[panel.scores["perturbation"] == "p3"].set_index("metric")
    assert np.isfinite(scores.at["rmse@1", "value"])
    if n_cells == 1:
        assert "fewer than 2" in scores.at["energy_distance@1", "reason"]


def test_a_prediction_of_no_cells_for_one_question(
    real: Dataset, answer: Prediction, run: RunContext
) -> None:
    """An empty population has a row with a reason, and its mean is still scored."""
    assert answer.cells is not None
    place = int(np.flatnonzero(np.asarray(answer.queries.perturbation) == "p2")[0])
    kept = answer.cells.group != place
    empty = Population(answer.cells.values[kept], answer.cells.group[kept])
    panel = evaluate(real, [replace(answer, cells=empty)], run, metrics=METRICS)
    require_whole(panel)
    scores = panel.scores[panel.scores["perturbation"] == "p2"].set_index("metric")
    assert "fewer than" in scores.at["wasserstein_per_gene@1", "reason"]
    assert np.isfinite(scores.at["rmse@1", "value"])


@pytest.mark.parametrize("level", [0.0, 1.7])
def test_a_gene_that_is_constant_or_zero(level: float, answer: Prediction, run: RunContext) -> None:
    given = values(LABELS)
    given[:, 3] = level
    panel = evaluate(cells(given, LABELS), [answer], run, metrics=METRICS)
    require_whole(panel)
    table = panel.summary[panel.summary["model"] == "model"].set_index("metric")
    for metric in ("rmse@1", "pearson@1", "energy_distance@1", "kl_divergence@1"):
        assert np.isfinite(table.at[metric, "value"])


def test_genes_that_are_all_constant(answer: Prediction, run: RunContext) -> None:
    """Nothing varies: no response, no room for a model, and nothing breaks."""
    panel = evaluate(
        cells(np.full((len(LABELS), N_GENES), 1.5), LABELS), [answer], run, metrics=METRICS
    )
    require_whole(panel)
    assert set(panel.responses["resolvability"]) == {"resistant"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_real_value_that_is_no_number_is_refused(value: float) -> None:
    given = values(LABELS)
    given[40, 2] = value
    with pytest.raises(DataError, match="g2"):
        cells(given, LABELS)


def test_a_negative_count_is_refused() -> None:
    given = np.round(np.expm1(values(LABELS)))
    given[40, 2] = -1.0
    with pytest.raises(DataError, match="g2"):
        cells(given, LABELS, ValueType.COUNTS)


def test_a_predicted_mean_that_is_no_number_is_refused(answer: Prediction) -> None:
    mean = answer.mean.copy()
    mean[1, 0] = np.nan
    with pytest.raises(DataError, match="query 1 is not finite"):
        replace(answer, mean=mean)


def test_a_predicted_cell_that_is_no_number_has_a_reason(
    real: Dataset, answer: Prediction, run: RunContext
) -> None:
    assert answer.cells is not None
    wrong = np.array(answer.cells.values, np.float64)
    wrong[0, 0] = np.nan
    panel = evaluate(
        real, [replace(answer, cells=Population(wrong, answer.cells.group))], run, metrics=METRICS
    )
    require_whole(panel)
    scores = panel.scores[panel.scores["perturbation"] == "p0"].set_index("metric")
    assert "no number" in scores.at["energy_distance@1", "reason"]


def test_genes_that_are_missing_are_named(
    real: Dataset, answer: Prediction, run: RunContext
) -> None:
    less = replace(answer, readouts=answer.readouts[:-1], mean=answer.mean[:, :-1], cells=None)
    with pytest.raises(DataError, match=r"1 missing.*g7"):
        evaluate(real, [less], run)


def test_permuted_genes_change_nothing(real: Dataset, answer: Prediction, run: RunContext) -> None:
    assert answer.cells is not None
    order = np.random.default_rng(3).permutation(N_GENES)
    turned = replace(
        answer,
        readouts=tuple(answer.readouts[place] for place in order),
        mean=answer.mean[:, order],
        cells=Population(np.asarray(answer.cells.values)[:, order], answer.cells.group),
    )
    found = [evaluate(real, [one], run, metrics=METRICS) for one in (answer, turned)]
    for name in ("scores", "summary", "paired", "strata", "responses"):
        pd.testing.assert_frame_equal(*(getattr(one, name) for one in found), rtol=1e-9)


def test_a_missing_perturbation_is_named(
    real: Dataset, answer: Prediction, run: RunContext
) -> None:
    kept = np.asarray(answer.queries.perturbation) != "p4"
    part = Prediction(
        answer.queries.take(np.flatnonzero(kept)),
        answer.readouts,
        answer.value_type,
        answer.mean[kept],
        answer.in_domain[kept],
    )
    with pytest.raises(DataError, match="p4"):
        evaluate(real, [part], run)


def test_one_perturbation_stands_beside_its_controls(run: RunContext) -> None:
    some = labels({"control": N_CONTROLS, "p0": 40})
    panel = evaluate(cells(values(some), some), cells(values(some, 2), some), run, metrics=METRICS)
    require_whole(panel)
    assert set(panel.summary["baseline"]) <= {"", "control"}
    assert panel.paired["reason"].str.contains("1 unit|no value|no other").all()


def test_no_controls(run: RunContext) -> None:
    """Without controls the mean response is what a score begins at; one perturbation is too few."""
    some = labels(dict.fromkeys(NAMES, N_CELLS))
    given = cells(values(some), some, ValueType.QUANTITY)
    panel = evaluate(given, cells(values(some, 2), some, ValueType.QUANTITY), run, metrics=METRICS)
    require_whole(panel)
    assert "control" not in set(panel.summary["model"])
    one = labels({"p0": N_CELLS})
    single = cells(values(one), one, ValueType.QUANTITY)
    with pytest.raises(DataError, match="no trivial answer"):
        evaluate(single, single, run)


def test_wrong_questions_are_errors(real: Dataset, answer: Prediction, run: RunContext) -> None:
    with pytest.raises(DataError, match="0 repeats"):
        evaluate(real, [answer], run, repeats=0)
    with pytest.raises(DataError, match="called 'control'"):
        evaluate(real, {"control": [answer]}, run)
    with pytest.raises(DataError, match="no prediction to score"):
        evaluate(real, {}, run)
    with pytest.raises(DataError, match="there is no prediction"):
        evaluate(real, [], run)


def test_a_name_that_is_taken_says_so(real: Dataset, run: RunContext, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rename"):
        evaluate(real, {"overall": real}, run)
