"""The scatter of treated cells is found, group by group, and kept by the cells that are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.models.baselines.population import ControlCells
from cellula.models.baselines.recount import recount_to
from cellula.models.learned.blocks import treated_dispersion
from cellula.models.learned.blocks.treated_dispersion import treated_size

N, GENES, SIZE = 400, 30, 4.0


def cells(seed: int = 0) -> Dataset:
    """Controls with few scattered counts; two drugs after which half of the genes scatter less."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.5, 2.0, GENES)
    labels = np.repeat(["control", "a", "b"], N)
    mean = np.where(np.arange(GENES) < GENES // 2, 8.0, 1.0) * base
    expected = np.stack([base, mean, 2.0 * mean])[np.repeat([0, 1, 2], N)]
    size = np.where(labels == "control", 0.5, SIZE)[:, None]
    depth = rng.lognormal(0.0, 0.3, (3 * N, 1))
    counts = rng.poisson(depth * expected * rng.gamma(size, 1.0 / size, expected.shape))
    obs = pd.DataFrame(
        {"perturbation": labels, "context": "x", "is_control": labels == "control"},
        index=[f"cell{i}" for i in range(3 * N)],
    )
    data = AnnData(np.log1p(counts / depth), obs, pd.DataFrame(index=[f"g{i}" for i in range(30)]))
    data.layers["counts"] = counts.astype(np.float64)
    return Dataset(data, ValueType.LOG1P)


def test_the_size_is_that_of_cells_of_one_question() -> None:
    """The two drugs have other means: taken together their cells would scatter more."""
    found = treated_size([cells()])
    assert found is not None
    np.testing.assert_allclose(np.median(found), SIZE, rtol=0.1)
    both = cells()
    both.data.obs["perturbation"] = np.where(both.is_control, "control", "a")
    mixed = treated_size([both])
    assert mixed is not None
    assert np.median(mixed) < 0.8 * np.median(found)


def test_blocks_and_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cells()
    whole = treated_size([data])
    monkeypatch.setattr(treated_dispersion, "BLOCK", 37)
    np.testing.assert_allclose(treated_size([data]), whole)
    a = data.take(np.asarray(data.labels("perturbation")) != "b")
    b = data.take(np.asarray(data.labels("perturbation")) == "b")
    np.testing.assert_allclose(treated_size([a, b]), whole)


def test_where_nothing_is_told_there_is_none() -> None:
    data = cells()
    controls = data.controls
    assert controls is not None
    assert treated_size([controls]) is None
    assert treated_size([data.take(np.arange(data.n_profiles) % 60 == 0)]) is None


@pytest.mark.requirement("E5")
def test_made_cells_scatter_as_treated_cells_do() -> None:
    """Counts added in proportion to those of controls scatter as these do: four times too much."""
    data = cells()
    is_a = np.asarray(data.labels("perturbation")) == "a"
    observed = data.dense(is_a)
    control = ControlCells.of(data.take(data.is_control), N)
    assert control is not None
    own = control.cells[0]
    risen = np.arange(GENES // 2)
    ratio = []
    for gain in (treated_size([data]), None):
        one = replace(own, gain=gain)
        made = recount_to(one, np.arange(N), observed.mean(axis=0), np.random.default_rng(1))
        variance = made.toarray()[:, risen].var(axis=0)
        ratio.append(float(np.median(variance / observed[:, risen].var(axis=0))))
    assert 0.7 < ratio[0] < 1.4
    assert ratio[1] > 2.0
