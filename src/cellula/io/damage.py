"""The one door for what readers meet in a damaged file: every error becomes one that names it."""

from __future__ import annotations

import csv
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import h5py
import numpy as np
import psutil
import scipy.sparse as sp
from anndata import AnnData
from anndata._io.specs.registry import IORegistryError  # anndata exports it nowhere else

from cellula.core.errors import CellulaError, DataError

__all__ = [
    "DAMAGE",
    "readable",
    "require_fitting",
    "require_inside",
    "require_room",
    "require_sound",
    "require_sound_matrix",
    "total_memory",
]

#: What the libraries that read formats raise on damage, depending on where the damage is: their
#: own errors (of h5py, zarr, anndata, pyarrow, pandas) are all kinds of these.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BadZipFile,
    BufferError,
    csv.Error,
    EOFError,
    IORegistryError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
#: So many characters of what a library says.
SAID = 300


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Within it a file is read: whatever damage raises there becomes a DataError naming the file.

    Errors of cellula pass as they are.
    """
    try:
        yield
    except CellulaError:
        raise
    except MemoryError as error:
        raise DataError(
            f"{path.name} needs more memory than is free: it is damaged, or needs a larger "
            "machine; fetch it again or hand over a part of it"
        ) from error
    except DAMAGE as error:
        words = " ".join(str(error).split())[:SAID] or type(error).__name__
        raise DataError(
            f"{path.name} is damaged, cut short or of another format than its reader expects: "
            f"{words}; fetch or copy it again, or name the format that it has"
        ) from error


def total_memory() -> int:
    """The bytes of memory that this machine has."""
    return int(psutil.virtual_memory().total)


def require_fitting(n_bytes: int, file: str) -> None:
    """Raise DataError when a file says that it holds more than this machine has memory."""
    room = total_memory()
    if n_bytes > room:
        raise DataError(
            f"{file} says that it holds {n_bytes / 1e9:,.0f} GB, and this machine has "
            f"{room / 1e9:,.0f} GB of memory: it is damaged, or needs a larger machine; fetch it "
            "again or hand over a part of it"
        )


def require_room(path: Path) -> None:
    """Raise DataError when an HDF5 file claims more than the memory holds, or data elsewhere.

    A dataset without its chunks takes nothing on the disk and may claim any size.
    """
    require_fitting(sum(require_inside(path)), path.name)


def require_inside(path: Path) -> list[int]:
    """The bytes of every dataset of an HDF5 file; DataError where one stands in another file.

    What an external link, or external or virtual storage, points to is not under the hash of this
    file. A file that cannot be walked through is left to its reader.
    """
    sizes: list[int] = []
    outside: list[str] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(int(item.nbytes))
            if item.external or item.is_virtual:
                outside.append(name)

    def follow(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            outside.append(name)

    with suppress(*DAMAGE), h5py.File(path, "r") as file:
        file.visititems_links(follow)
        file.visititems(look)
    if outside:
        raise DataError(
            f"{path.name}: {outside[0]!r} stands in another file, which no hash of this one would "
            "cover; write the data into one file"
        )
    return sizes


def require_sound(content: Any, file: str) -> None:
    """Raise DataError when a matrix cannot be what it says it is.

    The pointers of a sparse matrix must rise and its indices lie inside, or compiled code would
    read beyond it; a matrix must have two dimensions and hold numbers.
    content: what a reader gave; parts are checked, not only X.
    """
    for name, part in _annotated(content, ""):
        for place, matrix in _matrices(part):
            require_sound_matrix(matrix, f"{file}: {name}{place}")


def _annotated(content: Any, name: str) -> Iterator[tuple[str, AnnData]]:
    """The annotated matrices of what was read, with the name of each."""
    if isinstance(content, AnnData):
        yield name, content
    elif isinstance(getattr(content, "mod", None), Mapping):
        for key, part in content.mod.items():
            yield from _annotated(part, f"{key}:")


def _matrices(data: AnnData) -> Iterator[tuple[str, Any]]:
    if getattr(data, "X", None) is not None:
        yield "X", data.X
    raw = getattr(data, "raw", None)
    if raw is not None and raw.X is not None:
        yield "raw.X", raw.X
    for part in ("layers", "obsm", "varm", "obsp", "varp"):
        held: Mapping[str, Any] = getattr(data, part, {})
        yield from ((f"{part}[{key!r}]", held[key]) for key in held)


def require_sound_matrix(matrix: Any, where: str) -> None:
    """As :func:`require_sound`, of one matrix; where: its file and name."""
    if sp.issparse(matrix):
        _check_sparse(matrix, where)
    kind = getattr(matrix, "dtype", None)
    if kind is None:
        return  # a table of coordinates, or another container of its own
    if not (np.issubdtype(kind, np.number) or kind.kind == "b") or kind.kind == "c":
        raise DataError(f"{where} holds {kind}; expected real numbers: fetch or write it again")
    if matrix.ndim != 2 and "obsm" not in where and "varm" not in where:
        raise DataError(f"{where} has {matrix.ndim} dimensions; expected two: write it again")


def _check_sparse(matrix: Any, where: str) -> None:
    if not hasattr(matrix, "indptr"):
        return
    n_inner = matrix.shape[1] if matrix.format == "csr" else matrix.shape[0]
    faults = {
        "pointers that do not rise": bool((np.diff(matrix.indptr) < 0).any()),
        "pointers beyond its values": len(matrix.indptr) == 0
        or matrix.indptr[0] != 0
        or matrix.indptr[-1] > min(len(matrix.indices), len(matrix.data)),
        "indices outside of it": _is_outside(matrix.indices, n_inner),
    }
    found = [what for what, is_so in faults.items() if is_so]
    if found:
        raise DataError(
            f"{where} is a damaged sparse matrix: it has {', '.join(found)}; fetch or write it "
            "again"
        )


def _is_outside(indices: Any, size: int) -> bool:
    return bool(len(indices)) and (int(indices.min()) < 0 or int(indices.max()) >= size)
