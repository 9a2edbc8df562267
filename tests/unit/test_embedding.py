"""Embeddings: the same points for the same seed, and numbers that tell what pictures cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from picture_example import N_CELLS, cells, pair

from cellula.core.run import RunContext, run_context
from cellula.evaluation.embedding import CONTROL, METHODS, Embedding, embed
from cellula.evaluation.sides import Sides


def embedded(sides: Sides, run: RunContext) -> Embedding:
    found, why = embed(sides, run)
    assert found is not None, why
    return found


@pytest.mark.requirement("E5", "E19")
def test_a_second_experiment_is_mixed_and_not_told_apart(run: RunContext) -> None:
    found = embedded(pair(cells(2)), run)
    assert tuple(found.points) == METHODS
    assert found.n_cells == (N_CELLS, 3 * N_CELLS, 3 * N_CELLS)
    assert {points.shape for points in found.points.values()} == {(7 * N_CELLS, 2)}
    assert 0.9 < found.mixing < 1.1
    assert found.auroc < 0.65
    assert (found.kind == CONTROL).sum() == N_CELLS


@pytest.mark.requirement("E5", "E19")
def test_other_cells_lie_apart(run: RunContext) -> None:
    moved = cells(2)
    moved.X = moved.X + np.linspace(0, 2, moved.n_vars)
    found = embedded(pair(moved), run)
    assert found.mixing < 0.1
    assert found.auroc > 0.95
    for points in found.points.values():
        real = points[~found.is_predicted & (found.kind != CONTROL)]
        told = points[found.is_predicted]
        spread = max(real.std(axis=0).max(), told.std(axis=0).max())
        assert np.linalg.norm(real.mean(axis=0) - told.mean(axis=0)) > spread


def test_threads_do_not_move_a_point(run: RunContext) -> None:
    sides = pair(cells(2))
    one, four = (embedded(sides, run_context(5, run.scratch, threads=n)).points for n in (1, 4))
    for name in METHODS:
        assert np.array_equal(one[name], four[name])


def test_both_sides_show_as_many_cells_of_every_perturbation(run: RunContext) -> None:
    few = cells(2)
    kept = np.ones(few.n_obs, bool)
    kept[-30:] = False
    found = embedded(pair(few[kept].copy()), run)
    counts = [
        np.bincount(found.kind[side & (found.kind != CONTROL)], minlength=3).tolist()
        for side in (~found.is_predicted, found.is_predicted)
    ]
    assert counts[0] == counts[1]


def test_no_cells_no_picture(run: RunContext) -> None:
    real = cells(1)
    means = real[~real.obs["is_control"].to_numpy()][::N_CELLS].copy()
    assert embed(pair(means), run) == (None, pair(means).no_cells)
    few = cells(2)[:: N_CELLS // 3].copy()
    found, why = embed(pair(few), run)
    assert found is None
    assert "a picture needs 20" in why


def test_many_cells_are_sampled(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellula.evaluation.embedding.MOST", 90)
    found = embedded(replace(pair(cells(2))), run)
    assert found.n_cells[1:] == (90, 90)
