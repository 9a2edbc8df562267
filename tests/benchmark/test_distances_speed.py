"""Distances between populations beside their peers: one run, one thread each, equal results.

At the size M of the synthetic screen: 500 groups of about 190 cells against 6,000 controls.
Ratios are printed, never asserted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from sklearn.metrics import pairwise_distances
from synthetic_perturbseq import SIZES, Size, bounds_of, generate, law_of

from cellula.evaluation.bootstrap import unit_weights
from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.control_wasserstein import wasserstein_to_control
from cellula.kernels.energy import energy_to_control
from cellula.kernels.entropic_transport import entropic_cost
from cellula.kernels.mmd import energy_and_mmd_to_control, least_gamma
from cellula.kernels.squared_distance import squared_e_distance_to_control

DIMENSIONS = 50
REPEATS = 5


def cpu_seconds(function: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    """The least CPU time of several calls, after one that compiles and warms up."""
    result = function()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        result = function()
        times.append(time.process_time() - began)
    return min(times), result


def report(what: str, peer: str, ours: float, theirs: float) -> None:
    print(f"\n{what}: {theirs / ours:.1f}x {peer} ({ours:.3f} s against {theirs:.3f} s CPU)")


@pytest.fixture(scope="module")
def components() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells in 50 components with a falling spectrum, where groups begin, and the control."""
    law = law_of(SIZES["M"])
    bounds = bounds_of(law.labels, len(law.names))
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(bounds[-1], DIMENSIONS)) * np.linspace(5.0, 0.5, DIMENSIONS)
    group = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    cells += (rng.normal(scale=0.3, size=(len(bounds) - 1, DIMENSIONS)) * (group.max() > 0))[group]
    return cells[bounds[1] :], bounds[1:] - bounds[1], cells[: bounds[1]]


def test_energy_to_one_control(components: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    cells, bounds, control = components

    def with_scikit_learn() -> np.ndarray:
        base = pairwise_distances(control).mean()
        parts = (cells[start:stop] for start, stop in pairwise(bounds))
        return np.array(
            [
                2 * pairwise_distances(x, control).mean() - pairwise_distances(x).mean() - base
                for x in parts
            ]
        )

    theirs, expected = cpu_seconds(with_scikit_learn, 3)
    for dtype in (np.float32, np.float64):
        ours, values = cpu_seconds(
            lambda d=dtype: energy_to_control(cells, bounds, control, dtype=d)
        )
        np.testing.assert_allclose(values, expected, rtol=1e-5)
        print(f"\nlargest relative difference {np.abs(values / expected - 1).max():.1e}")
        report(f"energy distance, M, {dtype.__name__}", "scikit-learn", ours, theirs)


def test_energy_and_mmd_to_one_control(
    components: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    cells, bounds, control = components
    gamma = least_gamma(control)

    def sums(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        squared = pairwise_distances(x, y, metric="sqeuclidean")
        kernels = [np.exp(-gamma * 2**b * squared).mean() for b in range(5)]
        return np.array([np.sqrt(squared).mean(), *kernels])

    def with_scikit_learn() -> np.ndarray:
        base = sums(control, control)
        parts = (cells[start:stop] for start, stop in pairwise(bounds))
        return np.array([2 * sums(x, control) - sums(x, x) - base for x in parts])

    theirs, expected = cpu_seconds(with_scikit_learn, 1)
    ours, (energy, squared) = cpu_seconds(
        lambda: energy_and_mmd_to_control(cells, bounds, control, gamma)
    )
    np.testing.assert_allclose(energy, expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(squared, -expected[:, 1:], atol=1e-6, rtol=1e-5)
    report("energy and MMD of five bandwidths, M, float32", "scikit-learn", ours, theirs)


@pytest.mark.filterwarnings("ignore")
def test_squared_e_distance_to_one_control(
    components: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scperturb = pytest.importorskip("scperturb", reason="the peer is in the extra 'bench'")
    anndata = pytest.importorskip("anndata", reason="a core dependency")
    cells, bounds, control = components
    label = np.repeat([f"p{i:03}" for i in range(len(bounds) - 1)], np.diff(bounds))
    both = anndata.AnnData(np.zeros((len(cells) + len(control), 1), np.float32))
    both.obs["perturbation"] = np.concatenate([np.full(len(control), "control"), label])
    both.obs["perturbation"] = both.obs["perturbation"].astype("category")
    both.obsm["X_pca"] = np.concatenate([control, cells])
    theirs, table = cpu_seconds(
        lambda: scperturb.edist_to_control(both, n_jobs=1, verbose=False), 1
    )
    ours, values = cpu_seconds(lambda: squared_e_distance_to_control(cells, bounds, control))
    expected = table["distance"].drop("control").to_numpy(float)
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)
    report("squared E-distance, M", "scperturb", ours, theirs)


def test_wasserstein_of_every_group_and_gene() -> None:
    """M's cells and groups on 20 of its genes: SciPy's loop over 10,000 pairs."""
    m = SIZES["M"]
    found = generate(Size(m.cells, 20, m.perturbations, m.controls))
    order, bounds = found.rows()
    matrix, rows = found.log1p()[order], np.arange(bounds[-1])
    ours, values = cpu_seconds(
        lambda: wasserstein_to_control(
            (matrix.data, matrix.indices, matrix.indptr), matrix.shape[1], rows, bounds
        )
    )
    dense = np.ascontiguousarray(matrix.toarray().T.astype(np.float64))

    def with_scipy() -> np.ndarray:
        return np.array(
            [
                [wasserstein_distance(gene[a:b], gene[: bounds[1]]) for gene in dense]
                for a, b in pairwise(bounds[1:])
            ]
        )

    theirs, expected = cpu_seconds(with_scipy, 1)
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    report("Wasserstein of 500 groups x 20 genes, M", "SciPy's loop", ours, theirs)


def test_bootstrap_of_many_metrics() -> None:
    n_units, n_metrics, n_resamples = 2000, 20, 10_000
    values = np.random.default_rng(0).normal(size=(n_units, n_metrics))

    def with_numpy() -> np.ndarray:
        rng = np.random.default_rng(1)
        return np.array(
            [values[rng.integers(0, n_units, n_units)].mean(axis=0) for _ in range(n_resamples)]
        )

    def with_weights() -> np.ndarray:
        with one_blas_thread():
            return unit_weights(n_units, n_resamples, np.random.default_rng(1)) @ values

    ours, sums = cpu_seconds(with_weights)
    theirs, means = cpu_seconds(with_numpy, 1)
    for level in (0.025, 0.975):
        ends = (np.quantile(part, level, axis=0) for part in (sums / n_units, means))
        np.testing.assert_allclose(*ends, atol=0.1 / np.sqrt(n_units))
    report("2,000 perturbations x 20 metrics x 10,000 resamples", "a NumPy loop", ours, theirs)


def test_entropic_transport(components: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    ot = pytest.importorskip("ot", reason="the peer is in the extra 'test'")
    cells, bounds, control = components
    x, y = cells[bounds[0] : bounds[1]], control[:500]
    cost = ot.dist(x, y)
    entropy = 0.05 * float(np.median(cost))

    def with_pot() -> float:
        _, log = ot.sinkhorn([], [], cost, entropy, stopThr=1e-5, numItermax=5000, log=True)
        potentials = np.log(log["u"]).mean() + np.log(log["v"]).mean()
        return float(entropy * (potentials + np.log(cost.size)))

    theirs, expected = cpu_seconds(with_pot)
    ours, value = cpu_seconds(lambda: entropic_cost(cost, entropy))
    assert value == pytest.approx(expected, rel=1e-5)
    report(f"entropic transport, {cost.shape[0]} x {cost.shape[1]} cells", "POT", ours, theirs)
