"""CV+ and jackknife+: few units, all of them fitted and all of them calibrating."""

from __future__ import annotations

from collections.abc import Iterator

import conformal_example as example
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.splits import Folds, HoldOut, split
from cellula.evaluation.uncertainty.cv_plus import CvPlusFitted


class Mean(example.ZeroModel):
    """Predicts the mean of training."""

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedMean:
        return FittedMean(train.dense().mean(axis=0), train.value_type)

    def restore(self, state: State) -> FittedMean:
        return FittedMean(state.arrays["mean"], ValueType.LN_IC50)


class FittedMean:
    """The mean of training; batches of 7."""

    def __init__(self, mean: np.ndarray, value_type: ValueType) -> None:
        self.mean, self.value_type = mean, value_type

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        for batch in queries.batches(7):
            mean = np.repeat(self.mean[None], len(batch), axis=0)
            names = tuple(f"r{i}" for i in range(len(self.mean)))
            yield Prediction(batch, names, self.value_type, mean, np.ones(len(batch), bool))

    def state(self) -> State:
        return State({"mean": self.mean})


def table(n_units: int, rng: np.random.Generator, start: int = 0) -> Dataset:
    """Units of two values that share an effect."""
    effect = np.repeat(rng.normal(5.0, 1.0, size=(n_units, 2)), 2, axis=0)
    labels = np.repeat([f"u{start + i}" for i in range(n_units)], 2)
    obs = pd.DataFrame({"perturbation": labels, "context": "x"})
    obs.index = [f"s{start}_{i}" for i in range(len(obs))]
    values = effect + 0.2 * rng.normal(size=effect.shape)
    return Dataset(AnnData(values, obs, pd.DataFrame(index=["r0", "r1"])), ValueType.LN_IC50)


def fitted(data: Dataset, hold_out: HoldOut, run: RunContext) -> CvPlusFitted:
    folds = split(data, ClaimKind.UNSEEN_PERTURBATION, hold_out)
    method = registry.create("uncertainty", "cv_plus", {})
    found = method.fit(Mean(Options()), data, folds, "perturbation", run)
    assert isinstance(found, CvPlusFitted)
    return found


@pytest.mark.requirement("E10")
@pytest.mark.parametrize(("n_units", "seeds"), [(12, 40), (30, 20), (100, 6)])
@pytest.mark.parametrize("folds", [5, 12])
def test_new_units_are_covered(n_units: int, seeds: int, folds: int, run: RunContext) -> None:
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        one = fitted(table(n_units, rng), Folds(folds=folds, seed=0), run)
        new = example.held_out(table(100, rng, start=900), run, one)
        found.append(example.is_inside(new).mean())
    assert 0.87 <= np.mean(found) <= 0.95


def test_residuals_of_the_fit_itself_cover_too_little(run: RunContext) -> None:
    """The fault that fits of folds prevent: a model that has seen its calibration."""
    covered = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        data = table(12, rng)
        one = fitted(data, "each", run)
        own = example.held_out(data, run, one.fitted)
        again = CvPlusFitted(
            one.fitted,
            (one.fitted,),
            one.readouts,
            0.75,
            np.abs(own.observed - own.predicted),
            np.zeros(len(own.unit), np.int64),
            own.unit,
        )
        honest = CvPlusFitted(
            one.fitted, one.of_folds, one.readouts, 0.75, one.residual, one.fold, one.unit
        )
        new = table(100, rng, start=900)
        covered.append(
            [example.is_inside(example.held_out(new, run, part)).mean() for part in (again, honest)]
        )
    naive, jackknife = np.mean(covered, axis=0)
    assert naive < jackknife


def test_eight_units_give_no_interval(run: RunContext) -> None:
    one = fitted(table(8, np.random.default_rng(0)), "each", run)
    answers = list(one.predict(table(3, np.random.default_rng(1)).queries(), None, run))
    assert all(batch.lower is None for batch in answers)
    assert one.reason == "8 unit(s) of perturbation; an interval of 90% needs 9"


def test_state_restores_equal_intervals(run: RunContext) -> None:
    data = table(20, np.random.default_rng(0))
    one = fitted(data, Folds(folds=4, seed=0), run)
    method = registry.create("uncertainty", "cv_plus", {})
    again = method.restore(one.state(), Mean(Options()))
    pairs = zip(
        one.predict(data.queries(), None, run),
        again.predict(data.queries(), None, run),
        strict=True,
    )
    n = 0
    for left, right in pairs:
        np.testing.assert_array_equal(left.lower, right.lower)
        np.testing.assert_array_equal(left.upper, right.upper)
        n += len(left.queries)
    assert n == data.n_profiles


def test_bounds_of_a_worked_example(run: RunContext) -> None:
    """Every residual stands around the answer of the fit that had not seen its group."""
    fits = tuple(FittedMean(np.array([mean, mean]), ValueType.LN_IC50) for mean in (5.0, 0.0, 10.0))
    residual = np.repeat(np.array([1.0, 2.0, 3.0, 4.0])[:, None], 2, axis=1)
    fold, unit = np.array([0, 0, 1, 1]), np.arange(4)
    one = CvPlusFitted(fits[0], fits[1:], ("r0", "r1"), 0.75, residual, fold, unit)
    (batch,) = one.predict(QueryTable.of(["p"], ["x"]), None, run)
    assert batch.lower is not None
    assert batch.upper is not None
    # the fourth of 0 + 1, 0 + 2, 10 + 3, 10 + 4, and the first of 0 - 1, 0 - 2, 10 - 3, 10 - 4
    np.testing.assert_array_equal(batch.upper, [[14.0, 14.0]])
    np.testing.assert_array_equal(batch.lower, [[-2.0, -2.0]])
