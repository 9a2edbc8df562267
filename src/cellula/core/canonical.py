"""Canonical bytes and SHA-256: the same value gives the same hash on every machine.

Canonical JSON: UTF-8, keys sorted, no spaces, finite numbers only, a float written as the
shortest text that reads back as the same float (so ``1.0`` and ``1`` differ).
An array is hashed as its dtype (little endian), its shape and its C-ordered bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any, cast, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

from cellula.core.errors import DataError

__all__ = [
    "RowDigest",
    "canonical_json",
    "hash_array",
    "hash_bytes",
    "hash_frame",
    "hash_json",
    "plain",
]


def plain(value: object) -> Any:
    """Turn dataclasses, enums, NumPy scalars, tuples and sets into plain JSON values.

    A float that is not finite becomes ``None``: JSON has no other word for it.
    Raises DataError on a type that has no canonical form.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"))
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise DataError(
        f"{type(value).__name__} has no canonical form; expected JSON values, dataclasses or arrays"
    )


def canonical_json(value: object) -> bytes:
    """The one byte string of a JSON value (see the module's first lines).

    Raises DataError as :func:`plain` does.
    """
    text = json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def hash_bytes(data: bytes) -> str:
    """SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def hash_json(value: object) -> str:
    """SHA-256 of the canonical JSON of a value."""
    return hash_bytes(canonical_json(value))


def hash_array(array: NDArray[Any]) -> str:
    """SHA-256 of a numeric or boolean array: dtype, shape and C-ordered little-endian bytes.

    Raises DataError on an array of another kind.
    """
    if array.dtype.hasobject:
        raise DataError("an array of objects has no canonical bytes; expected numbers or booleans")
    ordered = np.asarray(array, order="C")
    little = ordered.astype(ordered.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{little.dtype.str}{little.shape}".encode())
    digest.update(little.tobytes())
    return digest.hexdigest()


@final
class RowDigest:
    """:func:`hash_array` of numbers that come in parts along the first axis.

    shape: of the whole; parts are C-ordered ``float64``.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._digest = hashlib.sha256(f"<f8{shape}".encode())

    def add(self, part: NDArray[np.float64]) -> None:
        """Take the next rows."""
        self._digest.update(np.asarray(part, dtype="<f8", order="C").tobytes())

    def hexdigest(self) -> str:
        """The digest of all rows, once they are there."""
        return self._digest.hexdigest()


def hash_frame(frame: pd.DataFrame) -> str:
    """SHA-256 of a table: index, then every column in its order, by name and values.

    Text and categorical columns are hashed as text, the others as arrays.
    """
    parts: list[object] = [[str(label) for label in frame.index]]
    for name in frame.columns:
        column = cast("pd.Series[Any]", frame[name])
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            parts.append([str(name), hash_array(column.to_numpy())])
        else:
            missing = column.isna()
            text = column.astype(str).where(~missing, None)
            parts.append([str(name), text.tolist()])
    return hash_json(parts)
