"""Our kernels beside their peers: one run, one thread each, equal results; ratios are printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance
from sklearn.metrics import pairwise_distances

from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.energy import energy_distance
from cellula.kernels.wasserstein import wasserstein_columns

REPEATS = 3


def cpu_seconds(function: Callable[[], Any]) -> tuple[float, Any]:
    """The least CPU time of several calls, after one that compiles and warms up."""
    result = function()
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        result = function()
        times.append(time.process_time() - began)
    return min(times), result


def report(what: str, peer: str, ours: float, theirs: float) -> None:
    print(f"\n{what}: {theirs / ours:.2f}x {peer} ({ours:.3f} s against {theirs:.3f} s CPU)")


@pytest.mark.parametrize(("cells", "dimensions"), [(500, 50), (1000, 50), (500, 500)])
def test_energy_distance(cells: int, dimensions: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(cells, dimensions)), rng.normal(0.2, size=(cells, dimensions))

    def with_scikit_learn() -> float:
        parts = (pairwise_distances(a, b).mean() for a, b in ((x, y), (x, x), (y, y)))
        between, within_x, within_y = parts
        return float(2 * between - within_x - within_y)

    def with_scipy() -> float:
        between, within_x, within_y = (cdist(a, b).mean() for a, b in ((x, y), (x, x), (y, y)))
        return float(2 * between - within_x - within_y)

    with one_blas_thread():  # as the metric does, once for all of its groups
        ours, value = cpu_seconds(lambda: energy_distance(x, y))
    for name, peer in (("scikit-learn", with_scikit_learn), ("SciPy", with_scipy)):
        theirs, expected = cpu_seconds(peer)
        assert value == pytest.approx(expected, rel=1e-6, abs=1e-9)
        report(f"energy distance, {cells} cells x {dimensions}", name, ours, theirs)


def test_wasserstein_per_gene() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.poisson(2.0, (300, 1000)).astype(float), rng.poisson(2.5, (400, 1000)).astype(float)

    def with_scipy() -> np.ndarray:
        return np.array([wasserstein_distance(x[:, k], y[:, k]) for k in range(x.shape[1])])

    ours, values = cpu_seconds(lambda: wasserstein_columns(x, y))
    theirs, expected = cpu_seconds(with_scipy)
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)
    report("Wasserstein of 1,000 genes, 300 and 400 cells", "SciPy's loop", ours, theirs)
