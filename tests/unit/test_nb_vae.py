"""What a variational autoencoder of counts recovers of a planted truth, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import ValidationError

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.learned.nb_vae import FittedNbVae, NbVae, NbVaeOptions
from cellula.testing.examples import single_cells

GENES, SIZE, SCALE = 40, 2.0, 10.0


@dataclass(frozen=True)
class Truth:
    """base: (genes,) rates; program: (2, genes) of two states of cells; fold: of control, A, B."""

    base: NDArray[np.float64]
    program: NDArray[np.float64]
    fold: NDArray[np.float64]

    @classmethod
    def of(cls, seed: int) -> Truth:
        rng = np.random.default_rng(seed)
        fold = np.ones((3, GENES))
        for row in (1, 2):
            fold[row, rng.choice(GENES, 10, replace=False)] = np.exp(rng.choice([-1.2, 1.2], 10))
        program = np.exp(rng.normal(0, 0.8, (2, GENES)))
        return cls(np.exp(rng.normal(0.3, 0.8, GENES)), program, fold)

    def counts(
        self, row: int, depth: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        state = rng.integers(2, size=len(depth))
        mean = self.base * self.program[state] * self.fold[row] * depth[:, None]
        return rng.negative_binomial(SIZE, SIZE / (SIZE + mean))

    def change(self, row: int) -> NDArray[np.float64]:
        """The change of mean log1p profiles at the depth of controls."""
        rng = np.random.default_rng(99 + row)
        depth = np.exp(rng.normal(0, 0.3, 20_000))
        one, two = (
            np.log1p(SCALE * self.counts(k, depth, rng) / depth[:, None]).mean(axis=0)
            for k in (row, 0)
        )
        return np.asarray(one - two)


def planted(truth: Truth, thin: float = 1.0, seed: int = 1) -> Dataset:
    """150 cells of control, A and B each; those of A and B sequenced ``thin`` times as deep."""
    rng = np.random.default_rng(seed)
    names = np.repeat(["control", "A", "B"], 150)
    depth = np.exp(rng.normal(0, 0.3, len(names))) * np.where(names == "control", 1.0, thin)
    counts = np.vstack([truth.counts(k, depth[150 * k : 150 * (k + 1)], rng) for k in range(3)])
    obs = pd.DataFrame({"perturbation": names, "context": "one", "is_control": names == "control"})
    obs.index = obs.index.map("cell{}".format)
    cells = AnnData(np.log1p(SCALE * counts / depth[:, None]), obs)
    cells.layers["counts"] = counts.astype(np.float32)
    return Dataset(cells, ValueType.LOG1P)


def model(**options: Any) -> NbVae:
    train = {"epochs": 25, "learning_rate": 0.01, "batch": 128}
    return NbVae(NbVaeOptions.model_validate({"latent": 4, "width": 32, "train": train} | options))


def answer(fitted: FittedNbVae, data: Dataset, label: str, run: RunContext) -> Prediction:
    return next(iter(fitted.predict(QueryTable.of([label], ["one"]), data.controls, run)))


def missed(data: Dataset, truth: Truth, run: RunContext, **options: Any) -> float:
    """The share of the true changes, squared, that a model misses."""
    assert data.controls is not None
    fitted = model(cells=0, **options).fit(data, None, run)
    base = data.controls.dense().mean(axis=0)
    error = size = 0.0
    for row, label in ((1, "A"), (2, "B")):
        true = truth.change(row)
        error += float(np.sum((answer(fitted, data, label, run).mean[0] - base - true) ** 2))
        size += float(np.sum(true**2))
    return error / size


@pytest.mark.requirement("K2", "K12")
def test_counts_are_not_misled_by_depth_and_gaussian_values_are(run: RunContext) -> None:
    truth = Truth.of(0)
    data = planted(truth, thin=0.3)
    assert missed(data, truth, run) < 0.15
    assert missed(data, truth, run, likelihood="gaussian") > 0.5


@pytest.mark.requirement("K2", "K12")
def test_a_state_that_hides_the_treatment_leaves_it_to_the_condition(run: RunContext) -> None:
    truth = Truth.of(0)
    data = planted(truth)
    options: dict[str, Any] = {"kl_weight": 0.0}
    leaking = missed(data, truth, run, is_centred=False, **options)
    hiding = missed(data, truth, run, is_centred=False, adversary=0.1, **options)
    centred = missed(data, truth, run, **options)
    assert hiding < 0.7 * leaking
    assert centred < 0.7 * leaking


@pytest.mark.requirement("K2", "K12")
def test_latent_arithmetic_adds_the_moves_of_components(run: RunContext) -> None:
    data = single_cells(n_cells=30)
    fitted = model(composition="arithmetic").fit(data, None, run)
    assert fitted.moves is not None

    def move(label: str) -> NDArray[np.float64]:
        assert fitted.moves is not None
        return fitted.moves.at(QueryTable.of([label], ["type0"]))[0]

    np.testing.assert_allclose(move("G3+G4"), move("G3") + move("G4"), rtol=1e-12)
    assert not np.allclose(move("G0+G1"), move("G0") + move("G1"))  # it was seen
    assert not np.allclose(move("G3"), 0.0, atol=1e-3)


@pytest.mark.requirement("K2")
def test_cells_are_whole_counts_with_the_spread_of_the_truth(run: RunContext) -> None:
    truth = Truth.of(3)
    data = planted(truth)
    found = answer(model().fit(data, None, run), data, "A", run)
    assert found.cells is not None
    assert data.controls is not None
    cells, counts = found.cells.of(0), np.asarray(data.controls.counts)
    scale = np.expm1(data.controls.dense()).sum(axis=1) / counts.sum(axis=1)
    again = np.expm1(cells) / scale[:, None]
    np.testing.assert_allclose(again, np.rint(again), atol=1e-4)
    observed = data.take(data.labels("perturbation") == "A").dense()
    share = (cells == 0).mean(axis=0), (observed == 0).mean(axis=0)
    assert float(np.abs(share[0] - share[1]).mean()) < 0.06
    assert float(np.median(cells.std(axis=0) / observed.std(axis=0))) == pytest.approx(1, abs=0.1)


@pytest.mark.requirement("K2")
def test_evidence_is_higher_for_cells_like_those_of_training(run: RunContext) -> None:
    truth = Truth.of(4)
    data = planted(truth)
    fitted = model().fit(data, None, run)
    rng = np.random.default_rng(0)
    rows = AnnData(np.asarray(data.dense()[:, rng.permutation(GENES)]), data.obs.copy())
    rows.layers["counts"] = np.expm1(rows.X) / SCALE
    strange = Dataset(rows, ValueType.LOG1P)
    one, two = fitted.evidence(data, run), fitted.evidence(strange, run)
    assert one.shape == (450,)
    assert np.isfinite(one).all()
    assert one.mean() > two.mean() + 5
    with pytest.raises(DataError, match="39 readouts"):
        fitted.evidence(Dataset(data.data[:, 1:].copy(), ValueType.LOG1P), run)


def test_counts_are_found_where_they_are(run: RunContext) -> None:
    truth = Truth.of(5)
    data = planted(truth)
    without = AnnData(data.data.X, data.obs)
    noise = 0.01 * np.random.default_rng(0).random((450, GENES))
    no_counts = AnnData(data.data.X + noise, data.obs)
    quick = {"train": {"epochs": 1}}
    for cells, expected in ((without, "nb"), (no_counts, "gaussian")):
        fitted = model(**quick).fit(Dataset(cells, ValueType.LOG1P), None, run)
        assert fitted.network.form.likelihood == expected
    counts = Dataset(AnnData(data.data.layers["counts"], data.obs), ValueType.COUNTS)
    fitted = model(**quick).fit(counts, None, run)
    assert fitted.network.form.likelihood == "nb"
    assert np.all(answer(fitted, counts, "A", run).mean >= 0)
    log2 = Dataset(AnnData(data.dense() - 1.0, data.obs), ValueType.LOG2)
    assert model(**quick).fit(log2, None, run).network.form.likelihood == "gaussian"


def test_validation_chooses_the_epochs(run: RunContext) -> None:
    truth = Truth.of(6)
    data = planted(truth)
    is_valid = np.asarray(data.labels("perturbation") == "B")
    train, valid = data.take(~is_valid), data.take(is_valid | data.is_control)
    fitted = model(train={"epochs": 12, "patience": 2}).fit(train, valid, run)
    assert answer(fitted, data, "B", run).in_domain[0]
    with pytest.raises(DataError, match="'nb_vae' moves control cells"):
        model().fit(replace(train).treated, None, run)


def test_what_cannot_be_hidden_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs an adversary above 0"):
        NbVaeOptions(removes_context=True)
    NbVaeOptions(removes_context=True, adversary=0.1, composition="added")
