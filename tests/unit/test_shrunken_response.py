"""Shrunken responses: nearer to the truth than what was measured, the more so the noisier."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cellula.core.dataset import Dataset
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.pseudobulk import pseudobulk
from cellula.models.baselines.reference import Reference, responses
from cellula.models.baselines.reliability import Noise, noise_of, shrunken
from cellula.testing.examples import single_cells

N_READOUTS = 60
NOISE = 0.8


def screen(
    seed: int, spread: float, sizes: list[int], contexts: int = 1, interaction: float = 0.0
) -> tuple[Dataset, np.ndarray]:
    """Cells of perturbations P0, P1, ... and the true effects: (perturbations, readouts)."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=N_READOUTS) * 0.3 + spread * rng.normal(size=(len(sizes), N_READOUTS))
    rows, labels = [], []
    for context in range(contexts):
        base = 5.0 + rng.normal(size=N_READOUTS)
        for p, n in enumerate([200, *sizes]):
            own = interaction * rng.normal(size=N_READOUTS)
            effect = 0.0 if p == 0 else truth[p - 1] + own
            rows.append(base + effect + NOISE * rng.normal(size=(n, N_READOUTS)))
            labels += [("control" if p == 0 else f"P{p - 1}", f"c{context}")] * n
    obs = pd.DataFrame(labels, columns=["perturbation", "context"])
    obs.index = obs.index.astype(str)
    obs["is_control"] = obs["perturbation"] == "control"
    for name in ("perturbation", "context"):
        obs[name] = pd.Categorical(obs[name])
    data = ad.AnnData(np.concatenate(rows), obs)
    return Dataset(data, ValueType.LOG1P if data.X.min() >= 0 else ValueType.LOG2), truth


def error(kind: str, data: Dataset, truth: np.ndarray, run: RunContext) -> float:
    """Mean squared error of the effects that a model predicts for what it has seen."""
    fitted = create("model", kind, {"cells": 0}).fit(data, None, run)
    queries = pseudobulk([data]).queries()
    (batch,) = fitted.predict(queries, data.controls, run)
    base, _ = Reference.of([data]).at(queries.context)
    return float(np.mean((batch.mean - base - truth[np.asarray(queries.perturbation.codes)]) ** 2))


@pytest.mark.requirement("K11", "K12")
@pytest.mark.parametrize("sizes", [[10] * 12, [6, 200] * 6])
def test_it_is_nearer_to_the_truth_than_what_was_measured(
    sizes: list[int], run: RunContext
) -> None:
    for seed in range(3):
        data, truth = screen(seed, 0.15, sizes)
        assert error("shrunken_response", data, truth, run) < 0.75 * error(
            "mean_response", data, truth, run
        )


def test_doses_are_drawn_to_the_mean_of_their_drug(run: RunContext) -> None:
    rng = np.random.default_rng(4)
    drug = 2.0 * rng.normal(size=(4, N_READOUTS))  # doses of a drug do the same, drugs differ
    rows = [5.0 + NOISE * rng.normal(size=(100, N_READOUTS))]
    labels = [("control", np.nan)] * 100
    for p in range(4):
        for dose in (1e-8, 1e-7, 1e-6, 1e-5):
            rows.append(5.0 + drug[p] + NOISE * rng.normal(size=(3, N_READOUTS)))
            labels += [(f"P{p}", dose)] * 3
    obs = pd.DataFrame(labels, columns=["perturbation", "dose_molar"])
    obs["dose_molar"] = obs["dose_molar"].fillna(0.0)
    obs["context"], obs["is_control"] = "c", obs["perturbation"] == "control"
    obs.index = obs.index.astype(str)
    data = Dataset(ad.AnnData(np.concatenate(rows), obs), ValueType.LOG2)
    truth = drug  # of the categories P0 ... P3
    plain, drawn = (error(k, data, truth, run) for k in ("mean_response", "shrunken_response"))
    assert drawn < 0.5 * plain
    fitted = create("model", "shrunken_response", {"cells": 0}).fit(data, None, run)
    asked = QueryTable.of(["P0", "P3"], ["c", "c"], dose_molar=[3e-7, 3e-7])
    unseen = fitted.effects(asked).mean
    np.testing.assert_allclose(unseen, drug[[0, 3]], atol=1.0)
    assert np.mean((unseen - drug[[0, 3]]) ** 2) < 0.1


def test_many_cells_are_believed(run: RunContext) -> None:
    data, truth = screen(0, 1.0, [150] * 8)
    plain, drawn = (error(k, data, truth, run) for k in ("mean_response", "shrunken_response"))
    assert drawn == pytest.approx(plain, rel=0.1)


def test_the_noise_of_cells_is_found() -> None:
    data, _ = screen(1, 0.5, [20, 80] * 5)
    bulk = responses([data], Reference.of([data]))
    noise = noise_of([data], bulk)
    expected = NOISE**2 / bulk.size[:, None]
    np.testing.assert_allclose(noise.effect / expected, 1.0, atol=0.2)
    np.testing.assert_allclose(noise.control, NOISE**2 / 200, rtol=0.2)


def test_contexts_that_disagree_are_noise_to_a_new_one() -> None:
    same, _ = screen(2, 0.5, [50] * 10, contexts=4)
    other, _ = screen(2, 0.5, [50] * 10, contexts=4, interaction=0.5)
    found = [noise_of([d], responses([d], Reference.of([d]))).effect.mean() for d in (same, other)]
    assert found[0] == pytest.approx((NOISE**2 / 50 + NOISE**2 / 200) / 4, rel=0.25)
    assert found[1] == pytest.approx((NOISE**2 / 50 + 0.25) / 4, rel=0.25)


def test_equal_noise_of_one_readout_by_hand() -> None:
    effects = np.array([[0.0], [2.0], [4.0]])
    found = shrunken(effects, Noise(np.ones((3, 1)), np.zeros(1)), has_control=False)
    # the rough variance 4 is 3 of spread and 1 of noise: three quarters of a deviation are kept
    np.testing.assert_allclose(found.seen[:, 0], [0.5, 2.0, 3.5])
    np.testing.assert_allclose(found.unseen, [2.0])
    drawn = shrunken(effects, Noise(np.ones((3, 1)), np.zeros(1)), has_control=True)
    # of the mean 2, the noise of cells is 1/3 beside 4, that of the sample 4/3 beside 4
    np.testing.assert_allclose(drawn.seen[1], [2.0 - 2.0 / 13.0])
    np.testing.assert_allclose(drawn.unseen, [1.5])


def test_without_noise_nothing_is_drawn() -> None:
    effects = np.array([[0.0, 1.0], [2.0, 1.0]])
    found = shrunken(effects, Noise(np.zeros((2, 2)), np.zeros(2)), has_control=True)
    np.testing.assert_allclose(found.seen, effects)


def test_a_precise_effect_counts_more_in_the_mean() -> None:
    effects = np.array([[0.0], [1.0], [10.0]])
    noise = Noise(np.array([[0.01], [0.01], [1e4]]), np.zeros(1))
    assert shrunken(effects, noise, has_control=False).unseen[0] < 1.0


def test_the_parts_of_a_pair_are_combined_as_validation_pairs_were(run: RunContext) -> None:
    data = single_cells()
    is_pair = np.array(["+" in str(p) for p in data.labels("perturbation")])
    model = create("model", "shrunken_response", {"cells": 0})
    valid = data.take(is_pair | data.is_control)
    fitted = model.fit(data.take(~is_pair), valid, run)
    assert fitted.exponent in {0.0, 0.5, 1.0}
    alone = model.fit(data.take(~is_pair), None, run)
    errors = []
    for exponent in (0.0, 0.5, 1.0):
        options = {"cells": 0, "exponent": exponent}
        one = create("model", "shrunken_response", options).fit(data.take(~is_pair), None, run)
        bulk = responses([valid], Reference.of([valid]))
        errors.append(float(np.mean((one.effects(bulk.queries()).mean - bulk.values) ** 2)))
    assert alone.exponent == 0.0
    assert (0.0, 0.5, 1.0)[int(np.argmin(errors))] == fitted.exponent
