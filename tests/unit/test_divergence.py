"""Kullback-Leibler divergence, Kolmogorov-Smirnov statistic, squared E-distance, slices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp, wasserstein_distance

from cellula.kernels.divergence import histogram_divergence, neighbour_divergence
from cellula.kernels.kolmogorov_smirnov import kolmogorov_smirnov_columns
from cellula.kernels.sliced_wasserstein import directions, sliced_wasserstein
from cellula.kernels.squared_distance import squared_e_distance, squared_e_distance_to_control


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 4)), rng.normal(0.4, 1.5, size=(90, 4))
    x[:, 0], y[:, 0] = rng.poisson(1, 60), rng.poisson(2, 90)
    return x, y


@pytest.mark.requirement("E4")
def test_kolmogorov_smirnov_equals_scipy() -> None:
    x, y = pair()
    expected = [ks_2samp(x[:, k], y[:, k]).statistic for k in range(4)]
    np.testing.assert_allclose(kolmogorov_smirnov_columns(x, y), expected, rtol=1e-14)
    np.testing.assert_array_equal(kolmogorov_smirnov_columns(x, x + 100), 1.0)


@pytest.mark.requirement("E13")
def test_histogram_divergence_counts_its_bins() -> None:
    x, y = pair()
    for k in range(4):
        edges = np.linspace(x[:, k].min(), x[:, k].max(), 11)
        outside = [(y[:, k] < edges[0]).sum(), (y[:, k] > edges[-1]).sum()]
        p = np.r_[0, np.histogram(x[:, k], edges)[0], 0] + 0.5
        q = np.r_[outside[0], np.histogram(y[:, k], edges)[0], outside[1]] + 0.5
        p, q = p / p.sum(), q / q.sum()
        value = histogram_divergence(x[:, [k]], y[:, [k]])[0]
        if k:  # counts lie on the edges of bins, where rounding decides
            assert value == pytest.approx(float((p * np.log(p / q)).sum()), rel=1e-12)
    assert histogram_divergence(np.ones((5, 1)), np.ones((9, 1)))[0] < 0.1
    assert histogram_divergence(np.ones((50, 1)), np.zeros((50, 1)))[0] > 3.0


@pytest.mark.requirement("E13")
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_neighbour_divergence_of_two_normals(shift: float) -> None:
    """N(0, I) from N(shift, I) in two dimensions: |shift|^2 / 2 = shift^2 nats."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4000, 2)), rng.normal(shift, 1.0, size=(5000, 2))
    assert neighbour_divergence(x, y) == pytest.approx(shift**2, abs=0.12)
    assert np.isnan(neighbour_divergence(np.ones((9, 2)), y))


def test_squared_distance_equals_all_pairs() -> None:
    x, y = pair()
    n, m = len(x), len(y)
    square = [cdist(a, b, "sqeuclidean").sum() for a, b in ((x, y), (x, x), (y, y))]
    expected = 2 * square[0] / (n * m) - square[1] / (n * (n - 1)) - square[2] / (m * (m - 1))
    assert squared_e_distance(x, y) == pytest.approx(expected, rel=1e-12)
    assert squared_e_distance(x + 1e6, y + 1e6) == pytest.approx(expected, rel=1e-7)
    many = squared_e_distance_to_control(np.concatenate([x, y]), np.array([0, n, n + 1, n + m]), y)
    assert many[0] == squared_e_distance(x, y)
    assert np.isnan(many[1])


def test_squared_distance_is_unbiased() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2000, 6, 3)), rng.normal(0.5, 2.0, size=(2000, 9, 3))
    values = [squared_e_distance(a, b) for a, b in zip(x, y, strict=True)]
    assert np.mean(values) == pytest.approx(2 * 3 * 0.25, abs=4 * np.std(values) / np.sqrt(2000))


def test_slices_are_the_same_for_ever() -> None:
    along = directions(4, 32, 2015)
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1.0)
    np.testing.assert_allclose(along[0, :2], [0.23402507500346997, -0.6026370430170502], rtol=1e-12)
    x, y = pair()
    expected = np.mean([wasserstein_distance(x @ one, y @ one) for one in along])
    assert sliced_wasserstein(x, y, along) == pytest.approx(expected, rel=1e-12)
