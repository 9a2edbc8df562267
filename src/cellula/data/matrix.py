"""A part of an annotated matrix: rows and readouts kept, values dense float or CSR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Matrix
from cellula.core.errors import DataError

__all__ = ["COUNTS", "float_type", "matrix_part", "require_unique"]

#: The layer of raw counts beside log-normalised values.
COUNTS = "counts"
#: Layers that mean something: counts, and the bounds of a predicted interval.
KEPT = (COUNTS, "lower", "upper")


def matrix_part(
    content: AnnData,
    rows: NDArray[np.bool_],
    obs: pd.DataFrame,
    exclude: Sequence[str],
    file: str,
    layer: str | None = None,
) -> AnnData:
    """X (or ``layer``), var, obsm and the layers that mean something of some rows, another obs.

    rows: (profiles,), which are kept; obs: one row a kept profile; exclude: readouts left out,
    where they are there. Dense matrices become float, sparse ones CSR, without a copy where all
    is kept. Raises DataError when there is no X, a name repeats or X holds no numbers.
    """
    values = _values(content, layer, file)
    require_unique(content.var_names, "readout", file)
    require_unique(content.obs_names, "profile", file)
    columns: NDArray[np.bool_] = ~content.var_names.astype(str).isin(exclude)

    def part(matrix: Matrix) -> Matrix:
        return _block(matrix, rows, columns)

    return AnnData(
        _as_float(part(values), file),
        obs=obs,
        var=content.var[columns],
        obsm={key: value[rows] for key, value in content.obsm.items()},
        layers={name: part(content.layers[name]) for name in KEPT if name in content.layers},
    )


def _values(content: AnnData, layer: str | None, file: str) -> Matrix:
    """The layer of this name, or X."""
    if layer is not None:
        if layer not in content.layers:
            there = ", ".join(sorted(content.layers)) or "none"
            raise DataError(f"{file} has no layer {layer!r}; it has: {there}")
        return content.layers[layer]
    if content.X is None:
        there = ", ".join(sorted(content.layers)) or "no layer either"
        raise DataError(
            f"{file} has no matrix X (it has: {there}); write the values into X or name their "
            'layer: layer = "..."'
        )
    return content.X


def require_unique(names: pd.Index, what: str, file: str) -> None:
    """Raise DataError, with the first few, when a name occurs more than once."""
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        shown = ", ".join(map(str, repeated[:5])) + (" ..." if len(repeated) > 5 else "")
        raise DataError(
            f"{file}: {len(repeated)} {what} name(s) occur more than once: {shown}; make them "
            f"unique or merge the {what}s"
        )


def _block(matrix: Matrix, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> Matrix:
    """The kept rows and columns; CSR when sparse, without a copy when all are kept."""
    kept = sp.csr_matrix(matrix) if sp.issparse(matrix) else np.asarray(matrix)
    if not rows.all():
        kept = kept[rows]
    return kept if columns.all() else kept[:, columns]


def _as_float(matrix: Matrix, file: str) -> Matrix:
    """float32 and float64 stay, other numbers become float32 or float64, whichever is exact."""
    wanted = float_type(matrix.dtype, file)
    return matrix if matrix.dtype == wanted else matrix.astype(wanted)


def float_type(dtype: np.dtype[Any], file: str) -> np.dtype[Any]:
    """The float type that holds numbers of ``dtype`` exactly; DataError where it is no number."""
    if not (np.issubdtype(dtype, np.number) or dtype.kind == "b"):
        raise DataError(f"{file}: the matrix holds {dtype}; expected numbers")
    if dtype in (np.float32, np.float64):
        return dtype
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
