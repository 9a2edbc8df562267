"""What is made of the cells of a group once: the same numbers whoever asks, and in what order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.metric import Metric
from cellula.core.prediction import Population
from cellula.core.run import RunContext
from cellula.evaluation.metrics import samples
from cellula.evaluation.metrics.samples import Sample, distances
from cellula.evaluation.scorer import scorers
from cellula.evaluation.shards import Shards
from cellula.kernels.pair_distances import squared_distances
from cellula.kernels.sorted_columns import sorted_columns
from cellula.testing.comparisons import comparison

NAMES = [
    name
    for name in registry.names("metric")
    for found in [registry.load("metric", name).definition]
    if found.is_per_group and found.needs_cells
]


def metrics(names: list[str]) -> dict[str, Metric]:
    return {name: registry.load("metric", name)() for name in names}


def contestants(observed: Comparison) -> list[Comparison]:
    """Three predictions beside the same observed cells, one of them sparse and one twice."""
    cells = observed.predicted_cells
    assert cells is not None
    kept = np.where(np.abs(cells.values) < 2.0, 0.0, cells.values)
    noisy = replace(observed, predicted_cells=comparison(noise=2.0).predicted_cells)
    sparse = replace(observed, predicted_cells=Population(sp.csr_matrix(kept), cells.group))
    return [observed, noisy, sparse, observed]


@pytest.mark.requirement("D13")
@pytest.mark.parametrize("threads", [1, 2])
def test_metrics_together_have_the_bits_of_each_alone(run: RunContext, threads: int) -> None:
    given = contestants(comparison())
    together = scorers(metrics(NAMES[::-1]), given, replace(run, threads=threads))
    for name, metric in metrics(NAMES).items():
        for one in given:
            alone, found = metric.terms(one), together[name].metric.terms(one)
            assert alone.values.tobytes() == found.values.tobytes(), name
            assert np.array_equal(alone.reasons, found.reasons)


@pytest.mark.parametrize("name", NAMES)
def test_sparse_cells_have_the_bits_of_dense_ones(name: str) -> None:
    _, _, sparse, _ = contestants(comparison())
    cells = sparse.predicted_cells
    assert cells is not None
    dense = replace(sparse, predicted_cells=Population(cells.values.toarray(), cells.group))
    metric = registry.load("metric", name)()
    assert metric.terms(dense).values.tobytes() == metric.terms(sparse).values.tobytes()


@pytest.mark.parametrize("name", ["energy_distance", "mmd"])
@pytest.mark.parametrize("size", [1e-170, 1.0, 1e160])
def test_sums_over_pairs_are_those_of_blocks(
    name: str, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = comparison()
    assert given.observed_cells is not None
    assert given.predicted_cells is not None
    both = {
        side: Population(getattr(given, side).values * size, getattr(given, side).group)
        for side in ("observed_cells", "predicted_cells")
    }
    scaled, metric = replace(given, **both), registry.load("metric", name)()
    scale = size if name == "energy_distance" else 1.0
    want = metric.terms(given).values[:, 0] * scale
    np.testing.assert_allclose(metric.terms(scaled).values[:, 0], want, rtol=1e-9)
    monkeypatch.setattr(samples, "MOST_PAIRS", 10)
    np.testing.assert_allclose(metric.terms(scaled).values[:, 0], want, rtol=1e-9)


def test_shards_without_groups(run: RunContext) -> None:
    none = comparison().part(0, 0)
    assert len(Shards(run).terms(registry.load("metric", "mmd")(), none).values) == 0


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_squared_distances_are_those_of_differences(offset: float) -> None:
    rng = np.random.default_rng(0)
    x, y = (np.round(rng.normal(size=(n, 30)), 6) + offset for n in (40, 25))
    y[:5] = x[3:8]
    y[5:10] = x[3:8] + 1e-3
    found = squared_distances(x, y)
    np.testing.assert_allclose(found, cdist(x, y, "sqeuclidean"), rtol=1e-9, atol=1e-12)
    assert (np.diag(found[3:8]) == 0.0).all()
    within = squared_distances(x, x)
    assert (np.diag(within) == 0.0).all()
    assert np.array_equal(within, within.T)


def test_distances_are_made_once_where_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = Sample(rng.normal(size=(6, 3))), Sample(rng.normal(size=(5, 3)))
    assert distances(x, y) is distances(x, y)
    monkeypatch.setattr(samples, "MOST_PAIRS", 29)
    assert distances(x, y) is not distances(x, y)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.9])
def test_columns_are_sorted_without_their_zeros(share: float) -> None:
    rng = np.random.default_rng(0)
    cells = np.where(rng.random((400, 40)) < share, rng.normal(size=(400, 40)), 0.0)
    cells[0, 0] = -0.0
    cells[:4, 1] = [np.nan, 2.0, np.nan, 1.0]
    stored = sp.csr_matrix(cells)
    stored.data[9] = 0.0
    cells = stored.toarray()
    doubled = sp.csr_matrix(
        (np.repeat(stored.data / 2, 2), np.repeat(stored.indices, 2), stored.indptr * 2),
        shape=stored.shape,
    )
    for given in (cells, stored, stored.tocsc(), doubled):
        values, ends, n = sorted_columns(given)
        assert n == 400
        for k in range(40):
            want = np.sort(cells[:, k])
            assert np.array_equal(values[ends[k] : ends[k + 1]], want[want != 0.0], equal_nan=True)


def test_cells_of_a_whole_comparison_are_not_kept() -> None:
    """What is made of every group at once would be larger than the cells themselves."""
    given = comparison()
    registry.load("metric", "energy_distance")().terms(given)
    assert given.observed_cells is not None
    assert not given.observed_cells._memo._known
    one = given.part(0, 1)
    registry.load("metric", "energy_distance")().terms(one)
    assert one.observed_cells is not None
    assert one.observed_cells._memo._known
