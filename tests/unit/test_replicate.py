"""Halves of the real cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.replicate import split_halves


def _dataset(sizes: dict[tuple[str, str], int]) -> Dataset:
    rows = [pair for pair, size in sizes.items() for _ in range(size)]
    obs = pd.DataFrame(rows, columns=["perturbation", "donor"])
    obs["context"] = "x"
    obs.index = [f"cell{i}" for i in range(len(obs))]
    values = np.random.default_rng(0).uniform(1, 2, (len(obs), 2))
    return Dataset(AnnData(values, obs, pd.DataFrame(index=["a", "b"])), ValueType.LOG1P)


def test_every_group_is_halved_and_no_cell_is_in_both() -> None:
    sizes = {("P", "d1"): 21, ("P", "d2"): 10, ("Q", "d1"): 9, ("Q", "d2"): 40}
    data = _dataset(sizes)
    halves = split_halves(data, "donor", np.random.default_rng(0))
    assert halves is not None
    first, second = (half.obs.groupby(["perturbation", "donor"]).size() for half in halves)
    assert first.to_dict() == {("P", "d1"): 11, ("P", "d2"): 5, ("Q", "d2"): 20}
    assert second.to_dict() == {("P", "d1"): 10, ("P", "d2"): 5, ("Q", "d2"): 20}
    assert not set(halves[0].data.obs_names) & set(halves[1].data.obs_names)
    compare(halves[0], as_predictions(halves[1]), controls=None, unit="donor")


def test_the_generator_decides_alone() -> None:
    data = _dataset({("P", "d1"): 30})
    one, two, other = (
        split_halves(data, "donor", np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one is not None
    assert two is not None
    assert other is not None
    assert list(one[0].data.obs_names) == list(two[0].data.obs_names)
    assert list(one[0].data.obs_names) != list(other[0].data.obs_names)


def test_no_replicate_where_groups_are_small() -> None:
    data = _dataset({("P", "d1"): 9, ("Q", "d1"): 1})
    assert split_halves(data, "donor", np.random.default_rng(0)) is None
    with pytest.raises(DataError, match="at least 0 profiles"):
        split_halves(data, "donor", np.random.default_rng(0), min_cells=0)
