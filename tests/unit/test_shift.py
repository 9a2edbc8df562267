"""Adversarial validation of one data set against another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.evaluation.shift import MOST_PROFILES, shift_between


def _data(seed: int, n: int = 400, moved: float = 0.0, *, is_sparse: bool = False) -> AnnData:
    values = np.random.default_rng(seed).poisson(1.0, (n, 20)).astype(float)
    values[:, 3] += moved
    names = [f"g{i}" for i in range(20)]
    matrix = sp.csr_matrix(values) if is_sparse else values
    obs = pd.DataFrame(index=[f"c{i}" for i in range(n)])
    return AnnData(matrix, obs=obs, var=pd.DataFrame(index=names))


@pytest.mark.requirement("E19")
def test_samples_of_one_law_are_alike() -> None:
    found = shift_between(_data(0), _data(1, is_sparse=True), np.random.default_rng(0))
    assert abs(found.auroc - 0.5) < 0.08
    assert found.n == (400, 400)


@pytest.mark.requirement("E19")
def test_what_moved_is_found_and_named() -> None:
    moved = _data(1, moved=4.0)
    moved = moved[:, np.random.default_rng(2).permutation(20)].copy()
    found = shift_between(_data(0), moved, np.random.default_rng(0))
    assert found.auroc > 0.95
    first = found.readouts.iloc[0]
    assert first["readout"] == "g3"
    assert first["mean_beside"] - first["mean"] == pytest.approx(4.0, abs=0.3)


def test_many_profiles_are_sampled_alike() -> None:
    large = _data(0, n=MOST_PROFILES + 100)
    one, two = (shift_between(large, _data(1), np.random.default_rng(7)) for _ in range(2))
    assert one.n == (MOST_PROFILES, 400)
    assert one.auroc == two.auroc


def test_what_cannot_be_compared_is_named() -> None:
    other = _data(1)
    other.var_names = [f"ENSG{i}" for i in range(20)]
    with pytest.raises(DataError, match="share no readout"):
        shift_between(_data(0), other, np.random.default_rng(0))
    with pytest.raises(DataError, match="3 profiles are too few"):
        shift_between(_data(0), _data(1)[:3].copy(), np.random.default_rng(0))
    spoiled = _data(1)
    spoiled.X[5, 7] = np.nan
    with pytest.raises(DataError, match="g7 has a value that is no number"):
        shift_between(_data(0), spoiled, np.random.default_rng(0))
