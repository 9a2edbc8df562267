"""Annotated matrices in Zarr: a folder, or a zip of it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, final
from zipfile import BadZipFile, ZipFile

import anndata
import pandas as pd
import zarr
from anndata import AnnData
from zarr.errors import ZarrUserWarning
from zarr.storage import MemoryStore

from cellula.core.errors import DataError
from cellula.io.archive import archive_bytes
from cellula.io.atomic import write_atomically
from cellula.io.damage import DAMAGE, require_fitting
from cellula.io.folder import write_folder

__all__ = ["ZarrArchive", "ZarrStore", "require_whole_chunks"]

#: Files of an array that are no chunks.
METADATA = (".zarray", ".zattrs", "zarr.json")
#: Bytes of the head of a chunk that Blosc wrote; the last four are its compressed size.
BLOSC_HEAD = 16

ZIPPED = ".zarr.zip"
#: The version of Zarr that is written; all programs that read Zarr read it.
FORMAT: Literal[2, 3] = 2


@final
class ZarrStore:
    """Reads an AnnData from a Zarr folder (``.zarr``) or a zip of one (``.zarr.zip``).

    A chunk that is missing in a folder is, by the format, a chunk of zeros: only the SHA-256 of
    the whole folder tells it from a lost one. A zip has a checksum of every chunk.
    """

    name: ClassVar[str] = "zarr"
    suffixes: ClassVar[tuple[str, ...]] = (".zarr", ZIPPED)

    def read(self, path: Path) -> AnnData:
        """The annotated matrix, in memory.

        Raises DataError, naming the folder or file, when it is absent, damaged, cut short or
        holds anything but an AnnData.
        """
        if path.name.lower().endswith(".zip"):
            _require_whole_zip(path)
        elif not path.is_dir():
            raise DataError(f"{path} is no folder; a Zarr store is a folder: check the path")
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".* names are not unique")
                warnings.filterwarnings("ignore", category=anndata.OldFormatWarning)
                warnings.filterwarnings("error", category=ZarrUserWarning)  # a part that is lost
                return _opened(path)
        except DataError:
            raise
        except (*DAMAGE, ZarrUserWarning) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{path.name} is damaged, cut short or no Zarr store of an AnnData: {first}; "
                "fetch or copy it again"
            ) from error


@final
class ZarrArchive:
    """Writes an AnnData as a Zarr folder (``.zarr``) or a zip of one (``.zarr.zip``).

    Either is whole or not there; equal contents give equal bytes.
    """

    name: ClassVar[str] = "zarr"
    suffixes: ClassVar[tuple[str, ...]] = (".zarr", ZIPPED)
    takes: ClassVar[str] = "annotated"

    def write(self, content: Any, path: Path) -> None:
        """Write an AnnData atomically; equal contents give equal bytes.

        Raises DataError when the content is no AnnData or a part of it has no Zarr type.
        """
        if not isinstance(content, AnnData):
            raise DataError(
                f"{path.name}: Zarr holds an AnnData, not a {type(content).__name__}; "
                "write a table as .parquet or .csv, several modalities as .h5mu"
            )
        for axis, table in (("obs", content.obs), ("var", content.var)):
            _require_types(table, axis, path.name)
        stored: dict[str, Any] = {}
        try:
            group = zarr.open_group(MemoryStore(stored), mode="w", zarr_format=FORMAT)
            anndata.io.write_elem(group, "/", content.copy())
        except (TypeError, ValueError, NotImplementedError) as error:
            raise DataError(
                f"{path.name}: a part of the data has no Zarr type ({error}); "
                "leave it out or make it plain numbers or text"
            ) from error
        files = {name: bytes(value.to_bytes()) for name, value in stored.items()}
        if path.name.lower().endswith(ZIPPED):
            write_atomically(path, archive_bytes(files))
        else:
            write_folder(path, files)


def require_whole_chunks(path: Path, arrays: Sequence[zarr.Array[Any]]) -> None:
    """ValueError when a compressed chunk is shorter than its head says.

    The decoder of Blosc trusts that head and reads on past the end of a chunk that was cut. A
    shard has a table of its chunks at its end, with a checksum, which a cut takes away.
    """
    for array in arrays:
        if array.shards is not None:
            continue
        if not any("blosc" in type(one).__name__.lower() for one in array.compressors):
            continue
        for chunk in (path / array.path).rglob("*"):
            if chunk.name in METADATA or not chunk.is_file():
                continue
            with chunk.open("rb") as stream:
                head = stream.read(BLOSC_HEAD)
            size = int.from_bytes(head[12:], "little")
            if len(head) < BLOSC_HEAD or size != chunk.stat().st_size:
                raise ValueError(
                    f"the chunk {chunk.relative_to(path)} has {chunk.stat().st_size} bytes, its "
                    f"head says {size}"
                )


def _require_types(table: pd.DataFrame, axis: str, file: str) -> None:
    """Raise DataError on a column of mixed types, which Zarr would write as text."""
    for name, column in table.items():
        if column.dtype == object and not column.dropna().map(type).eq(str).all():
            raise DataError(
                f"{file}: column {str(name)!r} of {axis} mixes types, which have no Zarr type; "
                "make it all numbers or all text"
            )


def _opened(path: Path) -> AnnData:
    is_zip = path.name.lower().endswith(".zip")
    store: Any = zarr.storage.ZipStore(path, mode="r") if is_zip else path
    try:
        group = zarr.open_group(store, mode="r")
        if group.attrs.get("encoding-type") == "MuData" or "mod" in group:
            raise ValueError("it holds several modalities; save them as .h5mu")
        gone = [name for name in ("obs", "var") if name not in group]
        if gone:
            raise ValueError(f"it has no {' and no '.join(gone)}")
        arrays = [item for _, item in group.members(None) if isinstance(item, zarr.Array)]
        require_fitting(sum(int(item.nbytes) for item in arrays), path.name)
        if not is_zip:
            require_whole_chunks(path, arrays)
        return cast("AnnData", anndata.read_zarr(group))
    finally:
        if is_zip:
            store.close()


def _require_whole_zip(path: Path) -> None:
    """Raise DataError, naming the file and the first bad member, unless every checksum is right."""
    try:
        raw = path.read_bytes()
        with ZipFile(io.BytesIO(raw)) as archive:
            bad = archive.testzip()
    except (BadZipFile, OSError, RuntimeError, ValueError, EOFError) as error:
        raise DataError(
            f"{path.name} is absent or not a whole zip of a Zarr store: {error}; fetch it again"
        ) from error
    if bad is not None:
        raise DataError(f"{path.name} is damaged: the checksum of {bad} is wrong; fetch it again")
