"""Mean distances against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cellula.kernels.energy import energy_distance, summed_distances


@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (7, 300, 3), (513, 256, 50), (40, 20, 700)])
def test_sums_equal_those_of_all_pairs(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)), rng.normal(1, 2, size=(m, d))
    assert summed_distances(x, y) == pytest.approx(cdist(x, y).sum(), rel=1e-12)
    assert summed_distances(np.asfortranarray(x), y[::-1]) == pytest.approx(
        cdist(x, y).sum(), rel=1e-12
    )


@pytest.mark.requirement("E13")
def test_energy_distance_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 4)), rng.normal(0.5, 1, size=(90, 4))
    expected = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-10)
    assert energy_distance(y, x) == pytest.approx(expected, rel=1e-10)
    assert abs(energy_distance(x, x)) < 1e-12


def test_a_larger_sample_is_no_closer_when_sized() -> None:
    """Same distribution: 20 or 400 predicted cells beside 20 observed have one expectation."""
    rng = np.random.default_rng(2)
    plain: dict[int, list[float]] = {20: [], 400: []}
    sized: dict[int, list[float]] = {20: [], 400: []}
    for _ in range(200):
        x = rng.normal(size=(20, 5))
        for m in plain:
            y = rng.normal(size=(m, 5))
            plain[m].append(energy_distance(x, y))
            sized[m].append(energy_distance(x, y, is_sized=True))
    assert np.mean(plain[400]) < 0.65 * np.mean(plain[20])
    assert np.mean(sized[400]) == pytest.approx(np.mean(sized[20]), rel=0.04)
    assert sized[20] == plain[20]
