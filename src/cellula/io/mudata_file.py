"""Annotated matrices of several modalities in HDF5 (h5mu); needs the extra ``multimodal``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar, cast, final

import anndata
from mudata import MuData, read_h5mu, set_options

from cellula.core.errors import DataError
from cellula.io.atomic import replaced_atomically
from cellula.io.damage import DAMAGE, require_room

__all__ = ["MuDataFile"]


@final
class MuDataFile:
    """Reads and writes a MuData as h5mu; the shared obs is kept as it stands in the file."""

    name: ClassVar[str] = "h5mu"
    suffixes: ClassVar[tuple[str, ...]] = (".h5mu",)
    takes: ClassVar[str] = "modalities"

    def read(self, path: Path) -> MuData:
        """The modalities of a file, in memory.

        Raises DataError, naming the file, when it is absent, cut short or not an h5mu file.
        """
        if not path.is_file():
            raise DataError(f"{path} is no file; check the path")
        require_room(path)
        try:
            with warnings.catch_warnings(), set_options(pull_on_update=False):
                warnings.filterwarnings("ignore", message=".*names are not unique")
                warnings.filterwarnings("ignore", category=anndata.OldFormatWarning)
                warnings.filterwarnings("ignore", message=".* file was not created by muon")
                return cast("MuData", read_h5mu(path))
        except DAMAGE as error:
            size = path.stat().st_size
            raise DataError(
                f"{path.name} ({size:,} bytes) is damaged, cut short or not an h5mu file: "
                f"{_first_line(error)}; fetch or copy the file again"
            ) from error

    def write(self, content: Any, path: Path) -> None:
        """Write a MuData atomically, compressed.

        Raises DataError when the content is no MuData or a part of it has no h5mu type.
        """
        if not isinstance(content, MuData):
            raise DataError(
                f"{path.name}: h5mu holds a MuData, not a {type(content).__name__}; "
                "write one matrix as .h5ad, a table as .parquet"
            )
        with (
            replaced_atomically(path) as temporary,
            warnings.catch_warnings(),
            set_options(pull_on_update=False),
        ):
            warnings.filterwarnings("ignore", message=".*names are not unique")
            try:
                content.copy().write_h5mu(temporary, compression="gzip")
            except (TypeError, ValueError, NotImplementedError) as error:
                raise DataError(
                    f"{path.name}: a part of the data has no h5mu type ({_first_line(error)}); "
                    "make each obs column all numbers or all text"
                ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
