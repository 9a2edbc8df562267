"""scVI and scANVI as transforms: real cells, planted batches, same bits, nothing left behind."""

from __future__ import annotations

import logging
import os
import random
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scvi_example import blood, neighbours_alike, two_batches

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, EngineError, MissingExtra
from cellula.core.model import State
from cellula.core.run import RunContext, run_context
from cellula.core.transform import CountSpace
from cellula.core.value_type import ValueType
from cellula.data.harmonise.components import principal_components
from cellula.io.state import read_state, state_bytes
from cellula.testing.examples import ic50_table, single_cells

#: Warnings of scvi-tools are silent inside a fit; what its import warns of is not ours.
REASON = "scvi-tools is not installed: pip install 'cellula[scvi]', or make scvi"
SOON = {"epochs": 100, "batch": 100, "learning_rate": 3e-3, "warm_up": 0.1}
SMALL = {"latent": 2, "width": 32, "likelihood": "nb", "train": SOON}


def made(name: str, **options: Any) -> Any:
    pytest.importorskip("scvi", reason=REASON)
    return registry.create("transform", name, options)


def coordinates(data: Dataset, name: str = "scvi") -> Any:
    return data.data.obsm[f"X_{name}"]


# -- what it is for ----------------------------------------------------------------------------
@pytest.mark.requirement("D3", "K1")
def test_batches_are_mixed_and_types_are_not(run: RunContext) -> None:
    data = two_batches()
    batch, kind = (np.asarray(data.labels(role)) for role in ("batch", "context"))
    logs = Dataset(data.data.copy(), ValueType.COUNTS).data
    logs.X = np.log1p(logs.X / logs.X.sum(axis=1, keepdims=True) * 1e3)
    plain = Dataset(logs, ValueType.LOG1P)
    before = principal_components(plain, 10, 40).place(plain.values)
    found = made("scvi", is_embedding_only=False, **SMALL).fit(data, run).apply(data)
    after = coordinates(found)
    assert neighbours_alike(before, batch) > 0.95
    assert neighbours_alike(after, batch) < 0.7  # 0.5: as by chance
    assert neighbours_alike(after, kind) > 0.9

    assert found.value_type is ValueType.LOG1P
    np.testing.assert_allclose(np.expm1(found.dense()).sum(axis=1), 1e4, rtol=1e-5)
    logs.X = np.log1p(np.expm1(logs.X) * 10.0)
    is_b, is_two = kind == "B", batch == "two"
    gaps = [
        np.abs(x[is_b & is_two].mean(axis=0) - x[is_b & ~is_two].mean(axis=0)).mean()
        for x in (logs.X, found.dense())
    ]
    assert gaps[1] < 0.3 * gaps[0]


@pytest.mark.data
@pytest.mark.requirement("D3", "K1")
def test_real_cells_are_told_apart_and_labels_found(data_dir: Path, run: RunContext) -> None:
    data = blood(data_dir)
    rng = np.random.default_rng(0)
    is_held = rng.random(data.n_profiles) < 0.3
    train, held = data.take(~is_held), data.take(is_held)
    options = {"batch": "", "train": {"epochs": 10, "learning_rate": 5e-3, "warm_up": 0.2}}
    fitted = made("scvi", **options).fit(train, run)
    kind = np.asarray(held.labels("context"))
    chance = float((np.bincount(held.labels("context").codes) ** 2).sum() / len(kind) ** 2)
    assert neighbours_alike(coordinates(fitted.apply(held)), kind) > chance + 0.4

    labels = train.data.copy()
    labels.obs["context"] = labels.obs["context"].astype(str)
    labels.obs.loc[rng.random(len(labels)) < 0.5, "context"] = "not known"
    part = Dataset(labels, train.value_type)
    model = made("scanvi", unlabelled="not known", label_epochs=6, **options)
    annotated = model.fit(part, run).apply(held)
    told = np.asarray(annotated.data.obs["scanvi_context"])
    assert float((told == kind).mean()) > 0.8
    assert "not known" not in set(told)


# -- the same bits -----------------------------------------------------------------------------
@pytest.mark.requirement("K11", "N1")
@pytest.mark.parametrize("name", ["scvi", "scanvi"])
def test_the_same_seed_the_same_bits_on_any_threads(name: str, tmp_path: Path) -> None:
    data = two_batches(80, 12)
    model = made(name, train={"epochs": 3, "batch": 32})
    first = model.fit(data, run_context(1, tmp_path))
    again = model.fit(data, run_context(1, tmp_path, threads=2))
    other = model.fit(data, run_context(2, tmp_path))
    assert state_bytes(first.state()) == state_bytes(again.state())
    assert state_bytes(first.state()) != state_bytes(other.state())
    one, two = (coordinates(fitted.apply(data), name) for fitted in (first, again))
    np.testing.assert_array_equal(one, two)


@pytest.mark.requirement("K11")
@pytest.mark.parametrize("name", ["scvi", "scanvi"])
def test_it_is_restored_from_bytes_without_pickle(name: str, run: RunContext) -> None:
    data = two_batches(80, 12)
    model = made(name, train={"epochs": 2}, is_embedding_only=False)
    fitted = model.fit(data, run)
    restored = model.restore(read_state(state_bytes(fitted.state())))
    one, two = (found.apply(data) for found in (fitted, restored))
    np.testing.assert_array_equal(one.dense(), two.dense())
    np.testing.assert_array_equal(coordinates(one, name), coordinates(two, name))
    assert one.data.obs.equals(two.data.obs)


def test_a_cell_is_placed_by_itself(run: RunContext) -> None:
    data = two_batches(80, 12)
    fitted = made("scvi", train={"epochs": 2}).fit(data, run)
    whole = coordinates(fitted.apply(data))
    part = coordinates(fitted.apply(data.take(np.arange(0, 80, 7))))
    np.testing.assert_allclose(part, whole[::7], rtol=1e-4, atol=1e-5)
    assert isinstance(fitted, CountSpace)
    np.testing.assert_array_equal(fitted.encode(data.values), whole)


def test_a_lone_cell_in_the_last_batch_does_no_harm(run: RunContext) -> None:
    data = two_batches(65, 12)
    fitted = made("scvi", train={"epochs": 1, "batch": 32}).fit(data, run)
    assert np.isfinite(coordinates(fitted.apply(data))).all()


@pytest.mark.requirement("N2")
def test_the_version_is_recorded_and_another_is_refused(run: RunContext) -> None:
    data = two_batches(40, 12)
    model = made("scvi", train={"epochs": 1})
    state = model.fit(data, run).state()
    assert state.meta["scvi_tools"].startswith("1.4.")
    strange = State(state.arrays, {**state.meta, "scvi_tools": "0.20.3"})
    with pytest.raises(EngineError, match=r"written with scvi-tools 0\.20\.3, installed is"):
        model.restore(strange)
    less = {name: array for name, array in state.arrays.items() if "px_r" not in name}
    with pytest.raises(DataError, match="do not fit VAE"):
        model.restore(State(less, state.meta))


# -- nothing is left behind --------------------------------------------------------------------
def world() -> dict[str, Any]:
    """What belongs to the process, not to a fit."""
    import scvi
    import torch

    return {
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "seed": scvi.settings.seed,
        "models": len(scvi.model.SCVI._per_instance_manager_store),
        "data": len(scvi.model.SCVI._setup_adata_manager_store),
        "labelled": len(scvi.model.SCANVI._setup_adata_manager_store),
        **{name: logging.getLogger(name).level for name in ("scvi", "lightning.pytorch")},
    }


@pytest.mark.parametrize("name", ["scvi", "scanvi"])
def test_nothing_is_left_behind(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    data = two_batches(40, 12)
    columns, layers = list(data.obs.columns), list(data.data.uns)
    model = made(name, train={"epochs": 2})
    before = world()
    model.fit(data, run_context(0, tmp_path)).apply(data)
    assert world() == before
    assert not list(here.iterdir())
    assert (list(data.obs.columns), list(data.data.uns)) == (columns, layers)
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")


def test_a_fit_that_fails_puts_everything_back(tmp_path: Path) -> None:
    model = made("scvi", train={"epochs": 2})
    before = world()

    class Stopped:
        def say(self, message: str) -> None:
            raise KeyboardInterrupt

        def track(self, items: Any, label: str) -> Any:
            yield items[0]
            raise KeyboardInterrupt

    run = run_context(0, tmp_path, progress=Stopped())
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        model.fit(two_batches(40, 12), run)
    assert world() == before


def test_progress_is_told_by_epoch(tmp_path: Path) -> None:
    class Counted:
        done = 0

        def say(self, message: str) -> None: ...

        def track(self, items: Any, label: str) -> Any:
            assert label == "epochs"
            for item in items:
                yield item
                self.done += 1

    counted = Counted()
    run = run_context(0, tmp_path, progress=counted)
    made("scvi", train={"epochs": 4}).fit(two_batches(40, 12), run)
    assert counted.done == 4


# -- what it refuses ---------------------------------------------------------------------------
@pytest.mark.requirement("N4")
def test_bad_input_is_refused(run: RunContext) -> None:
    data = two_batches(40, 12)
    model = made("scvi", train={"epochs": 1})
    with pytest.raises(DataError, match="hold ln_ic50 and no counts"):
        model.fit(ic50_table(), run)
    bare = data.data.copy()
    del bare.obs["batch"]
    with pytest.raises(DataError, match=r"no role 'batch' to take batches from.*batch = ''"):
        model.fit(Dataset(bare, ValueType.COUNTS), run)
    with pytest.raises(DataError, match=r"given 1 cell\(s\)"):
        model.fit(data.take(np.arange(1)), run)
    empty = data.data.copy()
    empty.X[3] = 0
    with pytest.raises(DataError, match=r"profile 'cell3' .* has no count"):
        model.fit(Dataset(empty, ValueType.COUNTS), run)
    fitted = model.fit(data, run)
    with pytest.raises(DataError, match="fitted on 12 readouts, these data have 11"):
        fitted.apply(Dataset(data.data[:, 1:].copy(), ValueType.COUNTS))
    with pytest.raises(DataError, match="tells labels apart, and the role 'batch' has 1"):
        made("scanvi", label="batch", batch="").fit(
            data.take(np.asarray(data.labels("batch")) == "one"), run
        )


def test_batches_that_are_perturbations_are_refused(run: RunContext) -> None:
    data = single_cells()
    cells = data.data.copy()
    cells.obs["batch"] = cells.obs["perturbation"]
    with pytest.raises(DataError, match=r"the network would remove responses with the batches"):
        made("scvi", train={"epochs": 1}).fit(replace(data, data=cells), run)


@pytest.mark.requirement("N6")
def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [m for m in sys.modules if m.startswith(("scvi", "cellula.engines.scvi"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "scvi", None)
    for name in ("scvi", "scanvi", "totalvi", "multivi"):
        with pytest.raises(MissingExtra, match=r"pip install 'cellula\[scvi\]'"):
            registry.load("transform", name)
    listed = {plugin.name: plugin for plugin in registry.plugins() if plugin.kind == "transform"}
    assert listed["scvi"].is_missing
    assert "cellula[scvi]" in listed["scvi"].problem
    assert not listed["harmony"].is_missing


def test_a_model_that_works_through_the_package_says_so_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_is_installed", lambda package: False)
    with pytest.raises(MissingExtra, match=r"'scvi-tools'.*pip install 'cellula\[scvi\]'"):
        registry.load("model", "scvi")
    assert registry.load("model", "control").name == "control"
