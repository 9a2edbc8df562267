"""The domain on features."""

from __future__ import annotations

import numpy as np

from cellula.models.baselines.domain import FeatureDomain


def test_like_training_is_inside_and_far_is_outside() -> None:
    rng = np.random.default_rng(0)
    domain = FeatureDomain.of(rng.normal(size=(200, 4)))
    assert domain.contains(rng.normal(size=(500, 4))).mean() > 0.85
    assert not domain.contains(rng.normal(size=(100, 4)) + 6).any()


def test_the_limit_is_the_quantile_of_the_distances_of_training() -> None:
    items = np.random.default_rng(1).normal(size=(40, 3))
    distance = np.sqrt(((items[:, None] - items) ** 2).sum(axis=2))
    own = np.sort(distance, axis=1)[:, 1:6].mean(axis=1)
    assert np.isclose(FeatureDomain.of(items).limit, np.quantile(own, 0.95))


def test_one_item_knows_its_copies_and_none_knows_nothing() -> None:
    one = FeatureDomain.of(np.array([[1.0, 2.0]]))
    assert one.contains(np.array([[1.0, 2.0], [1.0, 2.1]])).tolist() == [True, False]
    assert FeatureDomain.of(np.zeros((0, 2))).contains(np.zeros((3, 2))).tolist() == [False] * 3


def test_survives_its_state() -> None:
    domain = FeatureDomain.of(np.random.default_rng(2).normal(size=(20, 3)))
    state = domain.state()
    again = FeatureDomain.restore(state.arrays, state.meta)
    points = np.random.default_rng(3).normal(size=(50, 3)) * 2
    np.testing.assert_array_equal(again.contains(points), domain.contains(points))
