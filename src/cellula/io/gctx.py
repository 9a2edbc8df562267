"""GCTX: the HDF5 format of the Connectivity Map (LINCS L1000)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar, final

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated
from cellula.io.atomic import write_atomically
from cellula.io.damage import DAMAGE, require_room
from cellula.io.gct import readout_annotations
from cellula.io.parts import Reduced, reduced

__all__ = ["Gctx"]

MATRIX = "/0/DATA/0/matrix"
SAMPLES, READOUTS = "/0/META/COL", "/0/META/ROW"
ID = "id"
NO_VALUE = "-666"


@final
class Gctx:
    """Reads GCTX 1.0 as an AnnData of samples x readouts, and writes it.

    Categorical annotations come back as text. On disk the matrix is samples x readouts too,
    whatever the format calls its rows. Text
    annotations that are -666 are missing values. The whole matrix is read into memory.
    Format: https://clue.io/connectopedia/gctx_format.
    """

    name: ClassVar[str] = "gctx"
    suffixes: ClassVar[tuple[str, ...]] = (".gctx",)
    takes: ClassVar[str] = "annotated"

    def read(self, path: Path) -> AnnData:
        """The annotated matrix of a file, in the number type that it has.

        Raises DataError, naming the file, when it is absent, cut short or of another layout.
        """
        if not path.is_file():
            raise DataError(f"{path} is no file; check the path")
        require_room(path)
        try:
            with h5py.File(path, "r") as file:
                values = np.asarray(file[MATRIX])
                obs, var = (_annotations(file[place]) for place in (SAMPLES, READOUTS))
        except DAMAGE as error:
            raise DataError(
                f"{path.name} is damaged, cut short or not a GCTX file (no {MATRIX} with ids "
                f"beside it): {error}; fetch the file again or name the format that it has"
            ) from error
        if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
            raise DataError(f"{path.name}: {MATRIX} is no matrix of numbers; fetch the file again")
        return annotated(values, obs, var, path.name)

    def reduce(self, content: AnnData) -> Reduced:
        """X (dense), obs and var without a column ``id``: what the format holds."""
        obs, var = (table.columns.drop(ID, errors="ignore") for table in (content.obs, content.var))
        return reduced(content, obs=obs, var=var, is_dense=True)

    def write(self, content: Any, path: Path) -> None:
        """Write X, obs and var of an AnnData as GCTX 1.0, atomically.

        Layers, coordinates and unstructured parts have no place in the format and are refused,
        as is a column that mixes types. Raises DataError, and nothing is written.
        """
        data = readout_annotations(content, path.name, "GCTX")
        _require_no_id(data, path.name)
        matrix = data.X.toarray() if sp.issparse(data.X) else np.asarray(data.X)
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.attrs["version"] = "GCTX1.0"
            file.attrs["src"] = path.name
            file.create_dataset(MATRIX, data=matrix, compression="gzip", shuffle=True)
            for place, table in ((SAMPLES, data.obs), (READOUTS, data.var)):
                group = file.create_group(place)
                group.create_dataset(ID, data=_stored(table.index.to_series(), path.name))
                for name in table.columns:
                    group.create_dataset(str(name), data=_stored(table[name], path.name))
        write_atomically(path, buffer.getvalue())


def _require_no_id(data: AnnData, file: str) -> None:
    for axis, table in (("obs", data.obs), ("var", data.var)):
        if ID in table.columns:
            raise DataError(
                f"{file}: {axis} has a column {ID!r}, the name that GCTX gives to the names of "
                f"profiles and readouts; rename or drop the column"
            )


def _annotations(group: Any) -> pd.DataFrame:
    """The annotations of one axis, indexed by its ids, its columns sorted by name."""
    columns = {name: _column(group[name]) for name in group if name != ID}
    table = pd.DataFrame(columns, index=range(len(group[ID])))
    return table.set_axis(_column(group[ID]).astype(str))


def _column(dataset: Any) -> pd.Series[Any]:
    values = np.asarray(dataset)
    if values.ndim != 1:
        raise ValueError(f"{dataset.name} has {values.ndim} dimensions; expected one")
    if np.issubdtype(values.dtype, np.number) or values.dtype == bool:
        return pd.Series(values)
    text = [item.decode() if isinstance(item, bytes) else str(item) for item in values.tolist()]
    column = pd.Series([item.rstrip("\0 ") for item in text], dtype=object)
    return column.where(column != NO_VALUE, None)


def _stored(column: pd.Series[Any], file: str) -> Any:
    """A column as HDF5 holds it: numbers as they are, all else as UTF-8 text."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy()
        if values.dtype != object:
            return values
    there = column.dropna()
    if not all(isinstance(value, str) for value in there):
        raise DataError(
            f"{file}: column {str(column.name)!r} mixes text and other types, which GCTX cannot "
            "hold; make it all numbers or all text"
        )
    text = column.astype(object).where(column.notna(), NO_VALUE).tolist()
    return np.asarray(text, dtype=h5py.string_dtype())
