"""Energy distance and Wasserstein per gene as metrics of comparisons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from cellula.core.prediction import Population
from cellula.evaluation.metrics.energy_distance import EnergyDistance
from cellula.evaluation.metrics.wasserstein_per_gene import WassersteinPerGene
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


@pytest.mark.requirement("E12", "E13")
def test_values_are_means_over_groups() -> None:
    given = comparison()
    assert given.observed_cells is not None
    assert given.predicted_cells is not None
    energy, distance = [], []
    for group in range(len(given.groups)):
        x, y = given.observed_cells.of(group), given.predicted_cells.of(group)
        energy.append(2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())
        distance.append(np.mean([wasserstein_distance(x[:, k], y[:, k]) for k in range(5)]))
    assert score(EnergyDistance(), given).value == pytest.approx(np.mean(energy), rel=1e-10)
    assert score(WassersteinPerGene(), given).value == pytest.approx(np.mean(distance), rel=1e-10)


def test_sparse_cells_are_cells() -> None:
    given = comparison()
    assert given.observed_cells is not None
    cells = given.observed_cells
    sparse = replace(given, observed_cells=Population(sp.csr_matrix(cells.values), cells.group))
    assert score(EnergyDistance(), sparse).value == score(EnergyDistance(), given).value


def test_groups_without_enough_cells_say_so() -> None:
    given = comparison()
    assert given.predicted_cells is not None
    cells = given.predicted_cells
    kept = (cells.group != 2) & ~((cells.group == 3) & (np.arange(len(cells.group)) % 9 > 0))
    thin = replace(given, predicted_cells=Population(cells.values[kept], cells.group[kept]))
    terms = EnergyDistance().terms(thin)
    assert set(np.flatnonzero(terms.reasons != "")) == {2, 3}
    assert terms.reasons[3] == "fewer than 2 observed or predicted cells"
    assert set(np.flatnonzero(WassersteinPerGene().terms(thin).reasons != "")) == {2}
    none = score(EnergyDistance(), replace(given, predicted_cells=None))
    assert "the prediction carries no cells" in none.reason
