"""Annotated matrices of several modalities in HDF5 (h5mu); needs the extra ``multimodal``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar, cast, final

import anndata
import h5py
import mudata
from anndata.io import write_elem
from mudata import MuData, read_h5mu, set_options

from cellula.core.errors import DataError
from cellula.io.atomic import replaced_atomically
from cellula.io.damage import DAMAGE, require_room
from cellula.io.h5ad import ALIGNED, COMPRESSED, write_annotated, write_mappings
from cellula.io.hdf5_file import new_hdf5

__all__ = ["MuDataFile"]

#: The version of the format that is written, and what the file says has written it.
VERSION = "0.1.0"
ENCODER = {"encoder": "mudata", "encoder-version": mudata.__version__}
#: What a file begins with, before what is HDF5.
HEADER = (
    f"MuData (format-version={VERSION};creator=muon;creator-version={mudata.__version__})".encode()
)


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
                warnings.filterwarnings("ignore", message="Transforming to str index")
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
            new_hdf5(temporary, HEADER) as (file, _),
            warnings.catch_warnings(),
            set_options(pull_on_update=False),
        ):
            warnings.filterwarnings("ignore", message=".*names are not unique")
            try:
                _write(file, content.copy())
            except (TypeError, ValueError, NotImplementedError) as error:
                raise DataError(
                    f"{path.name}: a part of the data has no h5mu type ({_first_line(error)}); "
                    "make each obs column all numbers or all text"
                ) from error


def _write(file: h5py.File, data: MuData) -> None:
    """Write every part, compressed, as ``MuData.write_h5mu`` does, which takes a path only."""
    for name in ("obs", "var"):
        table = data.strings_to_categoricals(getattr(data, name).copy())
        write_elem(file, name, table, dataset_kwargs=COMPRESSED)
    write_mappings(file, data, (*ALIGNED, "uns", "obsmap", "varmap"))
    file.attrs["axis"] = data.axis
    parts = file.create_group("mod")
    for name, part in data.mod.items():
        write_annotated(parts.create_group(name), part)
        parts[name].attrs.update(ENCODER)
    parts.attrs["mod-order"] = list(data.mod)
    file.attrs.update({"encoding-type": "MuData", "encoding-version": VERSION} | ENCODER)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
