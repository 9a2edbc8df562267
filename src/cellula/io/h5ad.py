"""Annotated matrices in HDF5 (h5ad)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast, final

import anndata
import h5py
from anndata import AnnData
from anndata.io import write_elem

from cellula.core.errors import DataError
from cellula.io.atomic import replaced_atomically
from cellula.io.damage import DAMAGE, require_room
from cellula.io.hdf5_file import new_hdf5

__all__ = ["ALIGNED", "COMPRESSED", "H5ad", "write_annotated", "write_mappings"]

#: Parts of an annotated matrix that lie along its rows or columns.
ALIGNED = ("obsm", "varm", "obsp", "varp")
COMPRESSED: Mapping[str, Any] = MappingProxyType({"compression": "gzip"})


@final
class H5ad:
    """Reads and writes an AnnData as h5ad."""

    name: ClassVar[str] = "h5ad"
    suffixes: ClassVar[tuple[str, ...]] = (".h5ad",)
    takes: ClassVar[str] = "annotated"

    def read(self, path: Path) -> AnnData:
        """The annotated matrix of a file, in memory.

        Repeated names are not judged here but where the data are opened. Raises DataError,
        naming the file, when it is absent, cut short or not an h5ad file.
        """
        if not path.is_file():
            raise DataError(f"{path} is no file; check the path")
        require_room(path)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".* names are not unique")
                warnings.filterwarnings("ignore", category=anndata.OldFormatWarning)
                warnings.filterwarnings("ignore", message="Moving element from")
                warnings.filterwarnings("ignore", message="Transforming to str index")
                return cast("AnnData", anndata.read_h5ad(path))
        except DAMAGE as error:
            size = path.stat().st_size
            raise DataError(
                f"{path.name} ({size:,} bytes) is damaged, cut short or not an h5ad file: "
                f"{_first_line(error)}; fetch or copy the file again"
            ) from error

    def write(self, content: Any, path: Path) -> None:
        """Write an AnnData atomically, compressed.

        Raises DataError when the content is no AnnData or a part of it has no h5ad type.
        """
        if not isinstance(content, AnnData):
            raise DataError(
                f"{path.name}: h5ad holds an AnnData, not a {type(content).__name__}; "
                "write a table as .parquet or .csv"
            )
        with replaced_atomically(path) as temporary, new_hdf5(temporary) as (file, _):
            try:
                write_annotated(file, content.copy())
            except (TypeError, ValueError, NotImplementedError) as error:
                raise DataError(
                    f"{path.name}: a part of the data has no h5ad type ({_first_line(error)}); "
                    "make each obs column all numbers or all text"
                ) from error


def write_annotated(group: h5py.Group, data: AnnData) -> None:
    """Write every part into an empty group, compressed, text that repeats as categories.

    As ``AnnData.write_h5ad`` does, which takes a path only; ``data`` is changed by that, so hand
    over a copy.
    """
    data.strings_to_categoricals()
    if data.raw is not None:
        data.strings_to_categoricals(data.raw.var)
    group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    for name in ("X", "raw", "obs", "var"):
        part = getattr(data, name)
        if part is not None:
            write_elem(group, name, part, dataset_kwargs=COMPRESSED)
    write_mappings(group, data, (*ALIGNED, "layers", "uns"))


def write_mappings(group: h5py.Group, data: Any, names: Sequence[str]) -> None:
    """Write the parts of these names, each a table of parts, compressed."""
    for name in names:
        write_elem(group, name, dict(getattr(data, name)), dataset_kwargs=COMPRESSED)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
