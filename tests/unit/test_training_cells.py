"""Cells to train on: in memory as on disk, with what validation is not to know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.io.row_store import appended
from cellula.models.learned.blocks import latent
from cellula.models.learned.blocks.checkpoint import data_fingerprint
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.scope import generator_of
from cellula.models.learned.blocks.training_cells import TrainingCells
from cellula.testing.examples import single_cells


def stored(data: Dataset, folder: Path) -> Dataset:
    """The same profiles with their matrix on disk."""
    store = appended(folder, [data.values], len(data.readouts), is_sparse=False)
    bare = AnnData(None, data.obs, pd.DataFrame(index=list(data.readouts)))
    rows = store.rows(0, data.n_profiles)
    return replace(data, data=bare, stored=rows)


def cells_of(data: Dataset, valid: Dataset | None, run: RunContext, **more: bool) -> TrainingCells:
    return TrainingCells.of(data, valid, 4, "toy", run, **more)


def test_a_matrix_on_disk_gives_the_same_bits(run: RunContext, tmp_path: Path) -> None:
    data = single_cells()
    one, two = cells_of(data, None, run), cells_of(stored(data, tmp_path / "X"), None, run)
    assert one.digest() == two.digest()
    assert one.digest() != cells_of(single_cells(seed=1), None, run).digest()


def test_a_fingerprint_is_of_data_in_memory_and_on_disk(tmp_path: Path) -> None:
    data = single_cells()
    changed = single_cells()
    changed.data.X[3, 2] += 1e-9
    on_disk = [
        data_fingerprint(stored(one, tmp_path / str(i)), None)
        for i, one in enumerate((data, single_cells(), changed))
    ]
    assert on_disk[0] == on_disk[1] != on_disk[2]
    assert data_fingerprint(data, None) != data_fingerprint(changed, None)
    assert data_fingerprint(data, None) != data_fingerprint(None, data)


def test_every_cell_stands_beside_its_question_and_its_controls(run: RunContext) -> None:
    data = single_cells()
    cells = cells_of(data, None, run)
    treated = data.treated
    space = cells.space.encode(treated.dense())
    np.testing.assert_allclose(cells.treated.numpy(), space, rtol=1e-5, atol=1e-5)
    labels = np.asarray(treated.labels("perturbation").astype(str))
    context = np.asarray(treated.labels("context").astype(str))
    together = pd.Series(cells.question.numpy()).groupby([labels, context]).nunique()
    assert (together == 1).all()
    assert len(np.unique(cells.question.numpy())) == len(together)
    rows = torch.arange(len(cells.treated))
    paired = cells.paired_controls(rows, generator_of(run, "pairs"))
    of_context = cells.space.encode(data.dense(np.flatnonzero(data.is_control)))
    for name in ("type0", "type1"):
        own = of_context[np.asarray(data.controls.labels("context")) == name]  # type: ignore[union-attr]
        drawn = cells.control[paired[torch.from_numpy(context == name)]].numpy()
        distance = np.abs(drawn[:, None] - own[None]).max(axis=2).min(axis=1)
        assert distance.max() < 1e-5


def test_validation_is_as_new_to_the_conditions_as_a_question_will_be(run: RunContext) -> None:
    data = single_cells()
    is_held = np.asarray(data.labels("perturbation") == "G4")
    train, valid = data.take(~is_held), data.take(is_held)
    told = cells_of(train, valid, run)
    honest = cells_of(train, valid, run, knows_valid=False)
    assert "G4" in told.conditions.names
    assert "G4" not in honest.conditions.names
    held = honest.batch.ids[honest.question[honest.is_valid]]
    assert (held == 0).all()
    alone = cells_of(train, None, run)
    np.testing.assert_array_equal(honest.space.components, alone.space.components)
    np.testing.assert_array_equal(honest.conditions.numbers.centre, alone.conditions.numbers.centre)
    assert not np.array_equal(told.space.components, alone.space.components)
    assert int(honest.is_valid.sum()) == int(is_held.sum())


def test_controls_of_the_validation_part_count(run: RunContext) -> None:
    data = single_cells()
    is_held = np.asarray(data.labels("context") == "type1")
    cells = cells_of(data.take(~is_held), data.take(is_held), run)
    assert len(cells.control) == int(data.is_control.sum())
    assert (cells.of_context[:, 1] > cells.of_context[:, 0]).all()


def test_too_few_cells_are_refused(run: RunContext) -> None:
    data = single_cells()
    is_control = data.is_control
    few = np.flatnonzero(~is_control)[:9]
    with pytest.raises(DataError, match=r"'toy' was given 9 treated profiles .* 10 at least"):
        cells_of(data.take(np.concatenate([few, np.flatnonzero(is_control)])), None, run)
    some = np.concatenate([np.flatnonzero(is_control)[:4], np.flatnonzero(~is_control)])
    with pytest.raises(DataError, match="'toy' was given 4 control profiles"):
        cells_of(data.take(some), None, run)
    with pytest.raises(DataError, match="controls only"):
        cells_of(data.take(is_control), None, run)
    with pytest.raises(DataError, match="'toy' moves control cells"):
        cells_of(data.take(~is_control), None, run)


def test_a_space_is_made_of_a_sample_where_there_is_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = single_cells(n_cells=40)
    whole = LatentSpace.of(data, 3, np.random.default_rng(0))
    monkeypatch.setattr(latent, "MOST_VALUES", 8 * 200)
    sampled = LatentSpace.of(data, 3, np.random.default_rng(0))
    again = LatentSpace.of(data, 3, np.random.default_rng(0))
    assert not np.array_equal(whole.components, sampled.components)
    np.testing.assert_array_equal(sampled.components, again.components)
    overlap = np.linalg.svd(whole.components @ sampled.components.T)[1]
    assert overlap[0] > 0.9


def test_a_space_keeps_what_it_does_not_hold() -> None:
    data = single_cells()
    space = LatentSpace.of(data, 3, np.random.default_rng(0))
    cells = data.dense()
    moved = cells + space.change(np.ones((len(cells), 3)))
    np.testing.assert_allclose(space.encode(moved) - space.encode(cells), 1.0, atol=1e-9)
    rest = np.eye(8) - space.components.T @ space.components
    np.testing.assert_allclose(moved @ rest, cells @ rest, atol=1e-9)
    state = space.state()
    restored = LatentSpace.restore(state.arrays, state.meta)
    np.testing.assert_array_equal(restored.encode(cells), space.encode(cells))
    np.testing.assert_array_equal(
        space.encode_rows(data, np.array([5, 1])), space.encode(cells[[5, 1]])
    )
