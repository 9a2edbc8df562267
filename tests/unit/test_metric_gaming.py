"""What an answer cannot gain by, in metrics of perturbation prediction: the gaming battery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from perturbation_example import (
    against,
    as_means,
    cells,
    permuted,
    predicted_blocks,
    responses,
    with_cells,
)

from cellula.core import registry
from cellula.core.comparison import Comparison, GeneSets
from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.panel import MODEL, evaluate
from cellula.evaluation.score import score

CHANGE = ("de_direction", "de_spearman", "gene_set_concordance", "pearson_specific")
CALLS = ("de_auprc", "de_jaccard", "de_overlap")
MEANS = (
    "centroid_accuracy",
    "normalised_inverse_rank",
    "pearson_centroid",
    "r2_weighted",
    "weighted_mse",
)
NAMES = (*CHANGE, *CALLS, *MEANS)
#: Metrics that see how large a change is: three times one that is too small is nearer the truth.
SEES_SIZE = {*MEANS, "de_overlap"}


def model(kind: str) -> Comparison:
    """A second experiment, or answers whose changes are too small, too large or noisy."""
    factors = responses()
    noise = np.exp(np.random.default_rng(5).normal(0.0, 0.3, factors.shape))
    made = {
        "replicate": factors,
        "small": factors**0.4,
        "large": factors**1.5,
        "noisy": factors**0.7 * noise,
    }
    given = against(cells(2, made[kind]), cells(1))
    members = np.random.default_rng(6).random((12, len(given.readouts))) < 0.2
    return replace(given, gene_sets=GeneSets(tuple(map(str, range(12))), members))


def gain(name: str, honest: Comparison, other: Comparison) -> float:
    """How much better the other answer scores."""
    metric: Any = registry.load("metric", name)()
    better = score(metric, other).value - score(metric, honest).value
    assert np.isfinite(better), name
    return -better if metric.definition.direction == "lower" else better


def tripled(given: Comparison) -> Comparison:
    """Changes times 3, of the means and of every cell by the shift of its mean."""
    assert given.reference is not None
    change = given.predicted - given.reference
    blocks = predicted_blocks(given)
    moved = with_cells(given, [block + 2.0 * change[i] for i, block in enumerate(blocks)])
    return replace(moved, predicted=given.reference + 3.0 * change)


@pytest.fixture(scope="module", params=["replicate", "small", "large", "noisy"])
def honest(request: pytest.FixtureRequest) -> Comparison:
    return model(request.param)


@pytest.mark.requirement("E14", "E15")
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_gained_by_copies_or_by_cells_without_spread(
    name: str, honest: Comparison
) -> None:
    blocks = predicted_blocks(honest)
    copies = with_cells(honest, [np.tile(block, (8, 1)) for block in blocks])
    alike = with_cells(honest, [np.tile(b.mean(axis=0), (len(b), 1)) for b in blocks])
    tolerance = 0.005 if name in CALLS else 1e-9
    assert gain(name, honest, copies) <= tolerance
    assert gain(name, honest, alike) <= tolerance
    if name in CALLS:  # to the others, one cell is another mean
        one = with_cells(honest, [np.tile(block[:1], (len(block), 1)) for block in blocks])
        assert gain(name, honest, one) <= tolerance


@pytest.mark.parametrize("name", NAMES)
def test_changes_times_three(name: str, honest: Comparison) -> None:
    """Nothing is gained, unless by a metric that sees the size of changes that were too small."""
    gained = gain(name, honest, tripled(honest))
    if name in CHANGE:
        assert gained == pytest.approx(0.0, abs=1e-9)
    elif name not in SEES_SIZE:
        assert gained < 0.0


@pytest.mark.parametrize("name", sorted(SEES_SIZE))
def test_a_second_experiment_gains_nothing_by_a_factor(name: str) -> None:
    honest = model("replicate")
    assert gain(name, honest, tripled(honest)) <= 0.0


@pytest.mark.parametrize("name", sorted(SEES_SIZE))
def test_who_may_gain_by_a_factor_says_so(name: str) -> None:
    told = " ".join(str(registry.load("metric", name).__doc__).split())
    assert "times 3" in told or "factor of all changes" in told
    honest = model("small")
    if name in {"pearson_centroid", "r2_weighted", "weighted_mse", "centroid_accuracy"}:
        assert gain(name, honest, tripled(honest)) > 0.1


def trivial(given: Comparison) -> dict[str, Comparison]:
    """The mean response and the control, with cells that spread as real ones do."""
    assert given.baseline is not None
    assert given.reference is not None
    assert given.control_cells is not None
    assert given.control is not None
    blocks = [given.control_cells.of(int(code)) for code in given.control]
    shift = given.baseline - given.reference
    moved = with_cells(given, [block + shift[i] for i, block in enumerate(blocks)])
    return {
        "mean": replace(moved, predicted=given.baseline),
        "control": replace(with_cells(given, blocks), predicted=given.reference),
    }


@pytest.mark.requirement("K11")
@pytest.mark.parametrize("name", NAMES)
def test_a_constant_is_no_better_than_the_trivial_answers(name: str) -> None:
    """So its anchored score is 0 at most; and an experiment is far better than all of them."""
    given = model("replicate")
    blocks = predicted_blocks(given)
    answers = trivial(given)
    best = max(answers.values(), key=lambda one: gain(name, given, one))
    for level in (0.0, 1.0, 3.0):
        constant = with_cells(given, [np.full_like(block, level) for block in blocks])
        assert gain(name, best, constant) <= 1e-9
    assert gain(name, best, given) > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_readouts_and_names_plays_no_part(name: str, honest: Comparison) -> None:
    order = np.random.default_rng(8).permutation(len(honest.readouts))
    metric: Any = registry.load("metric", name)()
    for given in (honest, trivial(honest)["control"]):
        value = score(metric, given).value
        assert score(metric, permuted(given, order)).value == pytest.approx(value, abs=1e-9)
        names = given.groups["perturbation"].map(lambda label: f"q{9 - int(label[1])}")
        renamed = replace(given, groups=given.groups.assign(perturbation=names))
        assert score(metric, renamed).value == pytest.approx(value, abs=1e-12)


def test_means_alone_are_scored_where_cells_play_no_part() -> None:
    given = model("noisy")
    for name in (*CHANGE, *MEANS):
        assert gain(name, given, as_means(given, given.predicted)) == 0.0


@pytest.mark.requirement("E15", "K11")
def test_anchored_a_constant_is_worth_nothing_and_an_experiment_a_replicate(
    run: RunContext,
) -> None:
    """Through the whole panel; a rank of one answer for all is .5 by group, so its interval is."""
    real = cells(1)
    level = AnnData(np.full(real.treated.values.shape, 0.7), real.treated.obs, real.data.var)
    names = [name for name in NAMES if name != "gene_set_concordance"]
    found = {
        who: of_model(evaluate(real, answer, run, metrics=names).summary)
        for who, answer in {"constant": Dataset(level, ValueType.LOG1P), "second": cells(2)}.items()
    }
    for name in names:
        constant, second = (found[who].loc[f"{name}@1"] for who in ("constant", "second"))
        if second["anchored_reason"]:  # where most responses have one direction, the mean has it
            assert name == "de_direction"
            continue
        assert constant["anchored"] <= 1e-9, name
        assert name == "centroid_accuracy" or constant["anchored_upper"] <= 0.05, name
        assert 0.75 < second["anchored"] < 1.3, name


def of_model(summary: pd.DataFrame) -> pd.DataFrame:
    return summary[summary["model"] == MODEL].set_index("metric")
