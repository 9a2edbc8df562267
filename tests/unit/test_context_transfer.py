"""Transfer between contexts: weights by similarity, scales by agreement, gates by expression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.data.splits import split
from cellula.models.baselines.context_transfer import Rule, Sources
from cellula.testing.examples import ic50_table, single_cells

EQUAL = Rule(1e6, 0.0, None)
NO_CELLS = {"cells": 0}


def sources(seed: int = 0, n_contexts: int = 4, n_readouts: int = 50) -> Sources:
    rng = np.random.default_rng(seed)
    controls = rng.uniform(0.5, 3.0, (n_contexts, n_readouts))
    return Sources(controls, rng.normal(size=(n_contexts, 3, n_readouts)))


def test_without_weights_scale_and_gate_it_is_the_mean_of_the_sources() -> None:
    found = sources()
    moved = found.transferred(found.controls[0], np.arange(3), EQUAL)
    np.testing.assert_allclose(moved, found.deltas.mean(axis=0), atol=1e-5)


def test_a_low_temperature_takes_the_most_similar_source() -> None:
    found = sources()
    moved = found.transferred(found.controls[2] + 0.01, np.arange(3), Rule(1e-3, 0.0, None))
    np.testing.assert_allclose(moved, found.deltas[2], atol=1e-9)


def test_readouts_on_which_the_sources_disagree_are_shrunk() -> None:
    controls = np.ones((4, 2)) * [[1.0, 2.0]]
    deltas = np.array([[1.0, 3.0], [1.0, -1.0], [1.0, 3.0], [1.0, -1.0]])[:, None]
    moved = Sources(controls, deltas).transferred(controls[0], np.array([0]), Rule(1e6, 1.0, None))
    # mean 1, spread 4 * 4/3 over contexts, variance of the mean 4/3: a = 1 / (1 + 4/3)
    np.testing.assert_allclose(moved, [[1.0, 1.0 / (1.0 + 4.0 / 3.0)]])


def test_what_is_not_expressed_cannot_fall() -> None:
    controls = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]])
    deltas = np.array([[[-0.8, 0.5, 0.1]], [[-0.8, 0.5, 0.1]]])
    new = np.array([0.0, 0.0, 2.0])
    moved = Sources(controls, deltas).transferred(new, np.array([0]), Rule(1e6, 0.0, 0.02))
    np.testing.assert_allclose(moved, [[-0.8 * 0.02 / 1.02, 0.5, 0.1]])


def test_a_treatment_comes_from_the_contexts_that_measured_it() -> None:
    found = sources()
    found.deltas[1:, 0] = np.nan
    moved = found.transferred(found.controls[3], np.array([0]), EQUAL)
    np.testing.assert_allclose(moved[0], found.deltas[0, 0])
    found.deltas[0, 0] = np.nan
    assert not found.transferred(found.controls[3], np.array([0]), EQUAL).any()


def planted(seed: int = 0) -> Dataset:
    """Six contexts in two families; a family shares its expression and its response."""
    rng = np.random.default_rng(seed)
    families = rng.uniform(0.5, 2.0, (2, 60)), rng.normal(size=(2, 60))
    rows: list[NDArray[np.float64]] = []
    obs: list[tuple[str, str]] = []
    for context in range(6):
        base = families[0][context % 2] + 0.05 * rng.normal(size=60)
        for label, shift in (("none", 0.0), ("drug", families[1][context % 2])):
            for _ in range(4):
                rows.append(base + shift + 0.05 * rng.normal(size=60))
                obs.append((label, f"c{context}"))
    frame = pd.DataFrame(obs, [f"p{i}" for i in range(len(obs))], ["perturbation", "context"])
    frame["is_control"] = frame["perturbation"] == "none"
    data = AnnData(np.array(rows), frame, pd.DataFrame(index=[f"g{i}" for i in range(60)]))
    return Dataset(data, ValueType.LOG2)


def _error(model: str, data: Dataset, run: RunContext) -> float:
    errors = []
    for fold in split(data, ClaimKind.UNSEEN_CONTEXT, "each"):
        train, held = data.take(fold.train), data.take(fold.test)
        inner = split(train, ClaimKind.UNSEEN_CONTEXT, "each")[0]
        known = np.setdiff1d(np.arange(train.n_profiles), inner.test)
        fitted = create("model", model, NO_CELLS).fit(
            train.take(known), train.take(inner.test), run
        )
        asked = held.queries().take(slice(0, 1))
        (batch,) = fitted.predict(asked, data.take(fold.control), run)
        errors.append(float(np.mean((batch.mean[0] - held.dense().mean(axis=0)) ** 2)))
    return float(np.mean(errors))


@pytest.mark.requirement("K11")
def test_it_finds_the_family_and_beats_the_mean_response(run: RunContext) -> None:
    data = planted()
    assert _error("context_transfer", data, run) < 0.05 * _error("mean_response", data, run)


def test_a_context_unlike_any_source_is_out_of_domain(run: RunContext) -> None:
    data = planted()
    is_held = np.asarray(data.labels("context") == "c5")
    fitted = create("model", "context_transfer", NO_CELLS).fit(data.take(~is_held), None, run)
    asked = data.take(is_held & ~data.is_control).queries().take(slice(0, 1))
    own = data.take(is_held & data.is_control)
    (batch,) = fitted.predict(asked, own, run)
    assert batch.in_domain.all()
    strange = own.data.copy()
    strange.X = strange.X[:, ::-1].copy()
    (batch,) = fitted.predict(asked, Dataset(strange, ValueType.LOG2), run)
    assert not batch.in_domain.any()


def test_data_without_controls_are_refused(run: RunContext) -> None:
    with pytest.raises(DataError, match="no control"):
        create("model", "context_transfer").fit(ic50_table(), None, run)


def test_a_ratio_of_values_that_may_be_negative_is_refused(run: RunContext) -> None:
    with pytest.raises(DataError, match="additive"):
        create("model", "context_transfer", {"mode": "multiplicative"}).fit(planted(), None, run)


def test_controls_with_other_readouts_are_refused(run: RunContext) -> None:
    fitted = create("model", "context_transfer").fit(single_cells(), None, run)
    other = single_cells(n_readouts=5)
    with pytest.raises(DataError, match="readouts"):
        list(fitted.predict(other.treated.queries(), other.controls, run))


@pytest.mark.data
@pytest.mark.requirement("K11")
def test_interferon_in_an_unseen_blood_cell_type(data_dir: Path, run: RunContext) -> None:
    source = DataSource.model_validate(
        {
            "path": "singlecell/kang_pbmc.h5ad",
            "role": "profiles",
            "value_type": "log1p",
            "columns": {"perturbation": "condition", "control": "control", "context": "cell_type"},
        }
    )
    data = open_dataset([source], data_dir)
    scores = {
        name: float(np.mean([*pearson_deltas(data, name, run).values()]))
        for name in ("context_transfer", "mean_response")
    }
    assert scores["mean_response"] == pytest.approx(0.815, abs=0.01)
    assert scores["context_transfer"] >= 0.83


def pearson_deltas(data: Dataset, model: str, run: RunContext) -> dict[str, float]:
    """Pearson of the predicted and the observed change over all genes, by cell type held out."""
    found: dict[str, float] = {}
    for fold in split(data, ClaimKind.UNSEEN_CONTEXT, "each"):
        train, held, own = (data.take(rows) for rows in (fold.train, fold.test, fold.control))
        inner = split(train, ClaimKind.UNSEEN_CONTEXT, "each")[0]
        known = np.setdiff1d(np.arange(train.n_profiles), inner.test)
        fitted = create("model", model, NO_CELLS).fit(
            train.take(known), train.take(inner.test), run
        )
        (batch,) = fitted.predict(held.queries().take(slice(0, 1)), own, run)
        is_own = np.asarray(own.labels("context") == fold.name)
        control = own.dense(is_own).mean(axis=0)
        observed = held.dense().mean(axis=0) - control
        found[fold.name] = float(np.corrcoef(observed, batch.mean[0] - control)[0, 1])
    return found
