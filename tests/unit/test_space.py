"""Principal components of training cells."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from cellula.core.errors import DataError
from cellula.evaluation.space import PcaSpace, Space, fit_pca


def _cells(n: int = 200, readouts: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(rng.normal(size=(n, 4)) @ rng.normal(size=(4, readouts)) * 3 + 5)


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    values = _cells()
    space = fit_pca(values, 4, np.random.default_rng(0))
    _, _, exact = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(space.components @ exact[:4].T), np.eye(4), atol=1e-6)
    largest = np.argmax(np.abs(space.components), axis=1)
    assert (space.components[np.arange(4), largest] > 0).all()
    np.testing.assert_allclose(space.project(values).mean(axis=0), 0.0, atol=1e-9)
    assert space.name == "pca4"
    assert isinstance(space, Space)


@pytest.mark.parametrize("readouts", [12, 2100])
def test_sparse_and_dense_agree(readouts: int) -> None:
    values = np.maximum(_cells(60, readouts), 0.0)
    dense = fit_pca(values, 3, np.random.default_rng(0)).project(values)
    sparse = fit_pca(sp.csr_matrix(values), 3, np.random.default_rng(0))
    np.testing.assert_allclose(sparse.project(sp.csr_matrix(values)), dense, atol=1e-6)


def test_fewer_dimensions_where_cells_carry_no_more() -> None:
    space = fit_pca(_cells(6, 12), 50, np.random.default_rng(0))
    assert space.components.shape == (5, 12)
    assert space.name == "pca50"


def test_state_restores_the_same_projection() -> None:
    values = _cells()
    space = fit_pca(values, 3, np.random.default_rng(0))
    again = PcaSpace.restore(space.state())
    np.testing.assert_array_equal(again.project(values), space.project(values))
    assert again.name == space.name


def test_wrong_shapes_are_errors() -> None:
    space = fit_pca(_cells(), 3, np.random.default_rng(0))
    with pytest.raises(DataError, match="3 readouts, but pca3 was fitted on 12"):
        space.project(np.zeros((2, 3)))
    with pytest.raises(DataError, match="at least 1 component"):
        fit_pca(_cells()[:1], 3, np.random.default_rng(0))
