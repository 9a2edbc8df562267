"""The state of a fitted model as bytes: arrays in .npy, the rest in JSON, never pickle.

A state is a deterministic archive (:mod:`cellula.io.archive`) of ``meta.json`` and one
``arrays/NAME.npy`` an array, little endian and C-ordered. Equal states have equal bytes.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cellula.core.canonical import canonical_json
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.io.archive import archive_bytes, read_archive
from cellula.io.atomic import write_atomically

__all__ = ["load_state", "read_state", "save_state", "state_bytes"]

FORMAT = "cellula-state"
VERSION = 1
META = "meta.json"
PREFIX, SUFFIX = "arrays/", ".npy"
#: What reading an array raises on bytes that are none, or whose header claims vast dimensions.
MISREAD = (
    ValueError,
    EOFError,
    MemoryError,
    OSError,
    OverflowError,
    SyntaxError,
    TokenError,
)


def state_bytes(state: State) -> bytes:
    """The bytes of a state: the same on every machine.

    Arrays hold numbers, booleans or text of fixed width; ``meta`` holds JSON values (tuples
    come back as lists). Raises DataError on an array of objects and on a number in ``meta``
    that is not finite, which JSON cannot hold.
    """
    _check_finite(state.meta, "meta")
    document = {"format": FORMAT, "version": VERSION, "meta": state.meta}
    files = {META: canonical_json(document)}
    for name, array in state.arrays.items():
        files[f"{PREFIX}{name}{SUFFIX}"] = _array_bytes(name, array)
    return archive_bytes(files)


def read_state(data: bytes) -> State:
    """The state whose bytes these are; DataError, saying what is wrong, on any other bytes."""
    files = read_archive(data)
    meta = _read_meta(files.pop(META, b""))
    arrays: dict[str, NDArray[Any]] = {}
    for path, content in files.items():
        if not (path.startswith(PREFIX) and path.endswith(SUFFIX)):
            raise DataError(f"a state has no file {path!r}; expected {PREFIX}NAME{SUFFIX}")
        arrays[path[len(PREFIX) : -len(SUFFIX)]] = _read_array(path, content)
    return State(arrays, meta)


def save_state(state: State, path: Path) -> None:
    """Write a state to a file, whole or not at all."""
    write_atomically(path, state_bytes(state))


def load_state(path: Path) -> State:
    """Read a state from a file; DataError, naming the file, when it is missing or damaged."""
    try:
        return read_state(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read the state {path}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"{path} is no state that can be restored: {error}") from error


def _array_bytes(name: str, array: NDArray[Any]) -> bytes:
    if array.dtype.hasobject:
        raise DataError(
            f"array {name!r} of the state holds objects ({array.dtype}); expected numbers, "
            "booleans or text of fixed width, for example array.astype(str)"
        )
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    buffer = io.BytesIO()
    npy.write_array(buffer, little, allow_pickle=False)
    return buffer.getvalue()


def _read_array(path: str, content: bytes) -> NDArray[Any]:
    try:
        return np.asarray(npy.read_array(io.BytesIO(content), allow_pickle=False))
    except MISREAD as error:
        raise DataError(f"{path} of the state is no array: {error}") from error


def _read_meta(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise DataError(f"{META} of the state is missing or no JSON: {error}") from error
    found = document if isinstance(document, dict) else {}
    if (found.get("format"), found.get("version")) != (FORMAT, VERSION):
        raise DataError(
            f"{META} says format {found.get('format')!r}, version {found.get('version')!r}; "
            f"expected {FORMAT!r}, version {VERSION}: was it written by another program or a "
            "newer cellula?"
        )
    meta = found.get("meta")
    if not isinstance(meta, dict):
        raise DataError(f"{META} of the state holds no meta object")
    return meta


def _check_finite(value: object, where: str) -> None:
    """Refuse a number that canonical JSON would turn into null."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_finite(item, f"{where}.{key}")
    elif isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise DataError(
                f"{where} of the state is {value}; JSON holds finite numbers only: put it into "
                "an array or leave it out"
            )
    elif isinstance(value, list | tuple | set | frozenset | np.ndarray):
        for position, item in enumerate(_items(value)):
            _check_finite(item, f"{where}[{position}]")


def _items(value: Any) -> list[Any]:
    """The items of a sequence, NumPy arrays as lists of plain numbers."""
    return value.tolist() if isinstance(value, np.ndarray) else list(value)
