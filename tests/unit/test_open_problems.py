"""Open Problems: the layer of the values becomes X."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.formats import read
from cellula.io.h5ad import H5ad
from cellula.io.open_problems import OpenProblems


def made(folder: Path, dataset: str | None = "openproblems/pbmc", **layers: float) -> Path:
    data = AnnData(shape=(2, 3))
    for name, value in layers.items():
        data.layers[name] = np.full((2, 3), value)
    if dataset is not None:
        data.uns["dataset_id"] = dataset
    path = folder / "dataset.h5ad"
    H5ad().write(data, path)
    return path


@pytest.mark.requirement("O1")
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ({"counts": 1.0, "normalized": 2.0}, 2.0),
        ({"logFC": 3.0, "clipped_sign_log10_pval": 4.0}, 4.0),
        ({"counts": 5.0}, 5.0),
    ],
)
def test_the_values_of_a_task(tmp_path: Path, layers: dict[str, float], expected: float) -> None:
    data = read(made(tmp_path, **layers), "open_problems")
    assert isinstance(data, AnnData)
    assert np.array_equal(data.X, np.full((2, 3), expected))
    assert set(data.layers) == set(layers)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.h5ad is no dataset of Open Problems"):
        OpenProblems().read(made(tmp_path, None, counts=1.0))
    with pytest.raises(DataError, match=r"dataset\.h5ad has none of the layers .* \(it has: x\)"):
        OpenProblems().read(made(tmp_path, x=1.0))
