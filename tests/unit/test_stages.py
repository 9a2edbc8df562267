"""Stages, their order, their clusters, and the tracks between them, where the truth is planted."""

from __future__ import annotations

import numpy as np
import ot
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.models.learned.stages import (
    StageOrder,
    Tracks,
    clustered,
    joined_by_transport,
    shortest_path,
)


def staged(labels: list[str], is_control: list[bool], column: str = "perturbation") -> Dataset:
    obs = pd.DataFrame({column: pd.Categorical(labels), "is_control": is_control})
    obs.index = obs.index.map("cell{}".format)
    return Dataset(AnnData(np.zeros((len(labels), 1)), obs), ValueType.QUANTITY)


def test_the_shortest_path_is_found_from_its_first_point() -> None:
    place = np.array([2.0, 0.0, 3.0, 1.0])
    way = np.abs(place[:, None] - place)
    assert shortest_path(way, 1) == [1, 3, 0, 2]
    assert shortest_path(way, 0) == [0, 2, 3, 1]


@pytest.mark.requirement("K12")
def test_two_kinds_that_part_in_opposite_ways_are_ordered_though_no_mean_moves() -> None:
    rng = np.random.default_rng(0)
    names = ["z", "a", "m", "b"]
    labels = [name for name in names for _ in range(60)]
    sign = np.tile([1.0, -1.0], 120)
    states = np.repeat([0.0, 1.0, 2.0, 3.0], 60) * sign + 0.2 * rng.normal(size=240)
    data = staged(labels, [label == "z" for label in labels])
    found, stage = StageOrder("perturbation", ()).of(data, states[:, None])
    assert found == ("z", "a", "m", "b")
    np.testing.assert_array_equal(stage, np.repeat(np.arange(4), 60))


def test_numbers_are_in_their_order_and_names_may_be_given() -> None:
    data = staged(["10", "9", "9", "-1"], [False] * 4, "batch")
    states = np.zeros((4, 1))
    assert StageOrder("batch", ()).of(data, states)[0] == ("-1", "9", "10")
    names, stage = StageOrder("batch", ("9", "10")).of(data, states)
    assert (names, stage.tolist()) == (("9", "10"), [1, 0, 0, -1])


def test_what_cannot_be_ordered_is_refused() -> None:
    one = staged(["x", "x"], [True, False])
    with pytest.raises(DataError, match="one stage only"):
        StageOrder("perturbation", ()).of(one, np.zeros((2, 1)))
    with pytest.raises(DataError, match="no profile is of stage 'y'"):
        StageOrder("perturbation", ("x", "y")).of(one, np.zeros((2, 1)))
    many = [f"s{i}" for i in range(9)]
    with pytest.raises(DataError, match="give it in the option 'stages'"):
        StageOrder("perturbation", ()).of(staged(many, [False] * 9), np.zeros((9, 1)))
    with pytest.raises(DataError, match="no column 'grade'"):
        StageOrder("grade", ("a", "b")).require(one)


@pytest.mark.requirement("K2")
def test_the_transport_plan_is_that_of_pot() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    a, b = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(3))
    found = joined_by_transport(x, a, y, b)
    np.testing.assert_allclose(found.sum(axis=1), a, atol=1e-12)
    cost = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    assert (found * cost).sum() == pytest.approx((ot.emd(a, b, cost) * cost).sum(), abs=1e-9)


@pytest.mark.requirement("K12")
def test_clusters_are_as_many_as_there_are() -> None:
    rng = np.random.default_rng(0)
    place = np.repeat([0, 1, 2], 40)
    blobs = np.eye(3)[place] * 6.0 + 0.5 * rng.normal(size=(120, 3))
    np.testing.assert_array_equal(clustered(blobs, 0, rng), place)
    assert set(clustered(rng.normal(size=(200, 8)), 0, rng)) == {0}
    assert len(set(clustered(blobs, 2, rng))) == 2
    assert clustered(blobs[:1], 3, rng).tolist() == [0]


@pytest.mark.requirement("K12")
def test_tracks_follow_kinds_that_the_nearest_cluster_would_confuse() -> None:
    """Everything moves by more than the kinds are apart: only the plan as a whole is right."""
    rng = np.random.default_rng(0)
    kind, stage = np.tile([0, 1], 90), np.repeat([0, 1, 2], 60)
    states = np.stack([3.0 * kind + 4.0 * stage, np.zeros(180)], axis=1)
    states += 0.1 * rng.normal(size=states.shape)
    tracks = Tracks.of(states, stage, ("a", "b", "c"), 2, rng)
    assert len(tracks) == 2
    for track in range(2):
        kinds = [set(kind[tracks.rows(track, place)]) for place in range(3)]
        assert kinds[0] == kinds[1] == kinds[2]
        assert len(kinds[0]) == 1
    table = tracks.table()
    assert table["n_cells"].tolist() == [30] * 6
    assert tracks.share.tolist() == [0.5, 0.5]
