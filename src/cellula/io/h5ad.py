"""Annotated matrices in HDF5 (h5ad)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar, cast, final

import anndata
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.atomic import replaced_atomically
from cellula.io.damage import DAMAGE, require_room

__all__ = ["H5ad"]


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
        with replaced_atomically(path) as temporary:
            try:
                content.copy().write_h5ad(temporary, compression="gzip")
            except (TypeError, ValueError, NotImplementedError) as error:
                raise DataError(
                    f"{path.name}: a part of the data has no h5ad type ({_first_line(error)}); "
                    "make each obs column all numbers or all text"
                ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
