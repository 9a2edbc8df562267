"""Attacks on the full panel: none raises the overall score, or a caution stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.run import run_context
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import OVERALL, Panel, evaluate

GENES, TARGETS, CELLS, CONTROLS = 60, 20, 40, 120
LABELS = np.repeat(["ctrl", *(f"g{k:02}" for k in range(TARGETS))], [CONTROLS] + [CELLS] * TARGETS)
IS_CONTROL = LABELS == "ctrl"
GROUP = np.repeat(np.arange(TARGETS + 1), [CONTROLS] + [CELLS] * TARGETS)
#: Cells of a first and a second half of every group.
IS_FIRST = np.concatenate([np.arange(n) % 2 == 0 for n in [CONTROLS] + [CELLS] * TARGETS])

Floats = NDArray[np.float64]


def rates() -> Floats:
    """Expected counts of every group, controls first: a shared and an own response."""
    rng = np.random.default_rng(0)
    base = np.exp(rng.normal(1.0, 0.8, GENES))
    shared = np.exp(rng.normal(0.0, 0.3, GENES))
    own = np.exp(rng.normal(0.0, 0.7, (TARGETS, GENES)))
    return np.vstack([base, base * shared * own])


def draw(table: Floats, seed: int) -> Floats:
    """log1p of counts at equal depth: (cells, genes)."""
    rng = np.random.default_rng(seed)
    depth = np.exp(rng.normal(0.0, 0.3, (len(GROUP), 1)))
    counts = rng.negative_binomial(3, 3 / (3 + table[GROUP] * depth))
    return np.asarray(np.log1p(200.0 * counts / np.maximum(counts.sum(axis=1), 1)[:, None]))


def dataset(values: Floats, rows: NDArray[np.bool_] | slice = slice(None)) -> Dataset:
    obs = pd.DataFrame({"perturbation": LABELS, "context": "line", "is_control": IS_CONTROL})
    obs.index = [f"c{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"g{i:02}" for i in range(GENES)])
    return Dataset(AnnData(values[rows], obs=obs[rows], var=var), ValueType.LOG1P)


TABLE = rates()
REAL = draw(TABLE, 1)
CENTRE = np.stack([REAL[code == GROUP].mean(axis=0) for code in range(TARGETS + 1)])


def honest() -> Floats:
    """Half of every effect, with noise."""
    noise = np.exp(np.random.default_rng(3).normal(0.0, 0.1, TABLE.shape))
    return draw(TABLE[0] * (TABLE / TABLE[0]) ** 0.6 * noise, 4)


def tripled(values: Floats) -> Floats:
    means = np.stack([values[code == GROUP].mean(axis=0) for code in range(TARGETS + 1)])
    return np.maximum(values + 2.0 * (means - CENTRE[0])[GROUP], 0.0)


def without_spread(values: Floats) -> Floats:
    means = np.stack([values[code == GROUP].mean(axis=0) for code in range(TARGETS + 1)])
    return np.asarray(means[GROUP])


def tiled(values: Floats) -> Floats:
    first = np.searchsorted(GROUP, np.arange(TARGETS + 1))
    return np.asarray(values[first][GROUP])


def spiked(values: Floats) -> Floats:
    """The genes of all other perturbations are raised."""
    changed = values.copy()
    for code in range(1, TARGETS + 1):
        others = [gene for gene in range(TARGETS) if gene != code - 1]
        changed[np.ix_(code == GROUP, others)] += 1.0
    return changed


def pasted() -> Floats:
    """The same controls for every perturbation."""
    return np.vstack([REAL[IS_CONTROL], *[REAL[IS_CONTROL][:CELLS]] * TARGETS])


ATTACKS: Mapping[str, Callable[[Floats], Floats]] = {
    "tripled": tripled,
    "no spread": without_spread,
    "tiled": tiled,
    "spiked": spiked,
}
TRIVIAL: Mapping[str, Callable[[], Floats]] = {
    "constant number": lambda: np.full_like(REAL, REAL.mean()),
    "mean control": lambda: np.tile(CENTRE[0], (len(REAL), 1)),
    "mean response": lambda: np.tile(CENTRE[1:].mean(axis=0), (len(REAL), 1)),
    "pasted": pasted,
    "spiked controls": lambda: spiked(pasted()),
}


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    values = honest()
    answers = {"honest": values, "again": draw(TABLE, 9)}
    answers |= {name: attack(values) for name, attack in ATTACKS.items()}
    answers |= {name: make() for name, make in TRIVIAL.items()}
    metrics = [name for name in registry.names("metric") if name != "two_sample_auroc"]
    return evaluate(
        dataset(REAL),
        {name: as_predictions(dataset(found).treated) for name, found in answers.items()},
        run_context(0, tmp_path_factory.mktemp("run")),
        metrics=metrics,
    )


def anchored(panel: Panel, name: str) -> pd.DataFrame:
    table = panel.summary
    return table[table["model"] == name].set_index("metric")


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_does_not_raise_the_overall_score(panel: Panel, attack: str) -> None:
    gained = anchored(panel, attack).at[OVERALL, "anchored"]
    assert gained < anchored(panel, "honest").at[OVERALL, "anchored"]


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("trivial", TRIVIAL)
def test_a_trivial_answer_earns_nothing_or_is_told(panel: Panel, trivial: str) -> None:
    found = anchored(panel, trivial)
    gains = found[found["anchored_upper"] > 0.05]
    assert (gains["caution"] != "").all(), gains[["anchored", "anchored_upper"]]
    assert found.at[OVERALL, "anchored_upper"] <= 0.05


def test_an_honest_prediction_earns_something(panel: Panel) -> None:
    found = anchored(panel, "honest")
    assert found.at["pearson_delta@1", "anchored"] > 0.1
    assert found.at[OVERALL, "anchored"] > 0.1
    assert (found["caution"] == "").sum() >= 8


def test_a_metric_that_a_constant_wins_says_so(panel: Panel) -> None:
    """The mean cell, repeated, lies where real cells lie: a precision, and no knowledge."""
    row = anchored(panel, "mean response").loc["knn_precision@1"]
    assert row["anchored_upper"] > 0.05
    assert row["caution"].startswith("the mean of all responses, ")


@pytest.mark.requirement("D3", "L2")
def test_a_second_experiment_has_one_in_its_interval(panel: Panel) -> None:
    """Of cells: the means of the second experiment are of twice as many cells as a half."""
    found = anchored(panel, "again")
    metrics = [registry.load("metric", name.partition("@")[0]) for name in found.index[:-1]]
    is_of_cells = [metric.definition.needs_cells for metric in metrics]
    known = found[:-1][np.array(is_of_cells)].dropna(subset="anchored")
    assert len(known) >= 6
    inside = (known["anchored_lower"] <= 1.0) & (known["anchored_upper"] >= 1.0)
    assert inside.mean() >= 0.75  # intervals of 95 %, of correlated metrics
    np.testing.assert_allclose(known["anchored"], 1.0, atol=0.35)
    assert found.at[OVERALL, "anchored_upper"] >= 1.0


def test_how_many_cells_are_predicted_changes_little(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Four times as many cells of a poor answer are no better answer."""
    metrics = ["kl_divergence", "knn_recall", "kolmogorov_smirnov", "wasserstein_per_gene"]
    (few,) = as_predictions(dataset(honest()).treated)
    assert few.cells is not None
    more = [
        as_predictions(dataset(draw(TABLE[0] * (TABLE / TABLE[0]) ** 0.6, seed)).treated)[0].cells
        for seed in (11, 12, 13)
    ]
    values = np.concatenate([few.cells.values, *(part.values for part in more if part is not None)])
    group = np.concatenate([few.cells.group, *(part.group for part in more if part is not None)])
    order = np.argsort(group, kind="stable")
    many = replace(few, cells=replace(few.cells, values=values[order], group=group[order]))
    run = run_context(0, tmp_path_factory.mktemp("run"))
    found = evaluate(dataset(REAL), {"few": [few], "many": [many]}, run, metrics=metrics)
    difference = anchored(found, "many")["anchored"] - anchored(found, "few")["anchored"]
    assert (difference.dropna().abs() < 0.25).all()
    assert difference.notna().sum() >= 4
