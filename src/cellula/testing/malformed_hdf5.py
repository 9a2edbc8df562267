"""Strategies for malformed HDF5 files (h5ad, h5mu, GCTX, 10x): changes of their structure.

They need the package hypothesis, so the module is imported by name only, like
:mod:`cellula.testing.malformed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

__all__ = ["HdfDamage", "damaged_hdf5"]

#: What the format or its library raises where a change cannot be made.
REFUSED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class HdfDamage:
    """One change of an HDF5 file: which kind, at which object (0 to 1), with which number."""

    kind: str
    place: float
    number: int

    def apply(self, file: h5py.File) -> None:
        """Change an open file; a change that the format itself refuses is left out."""
        names: list[str] = []
        file.visit(names.append)
        if not names:
            return
        name = sorted(names)[int(self.place * len(names))]
        try:
            CHANGES[self.kind](file, name, self.number)
        except REFUSED:
            return


def damaged_hdf5() -> st.SearchStrategy[list[HdfDamage]]:
    """One to three changes of the structure of an HDF5 file (h5ad, h5mu, GCTX, 10x)."""
    one = st.builds(
        HdfDamage,
        st.sampled_from(sorted(CHANGES)),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 40),
    )
    return st.lists(one, min_size=1, max_size=3)


ATTRIBUTES = ("encoding-type", "encoding-version", "shape", "_index", "column-order", "ordered")
ODD_ATTRIBUTES: tuple[Any, ...] = (
    "csr_matrix",
    "csc_matrix",
    "dataframe",
    "array",
    "categorical",
    "dict",
    "string-array",
    "awkward-array",
    "nullable-integer",
    "null",
    "no such encoding",
    "9.9.9",
    "",
    "x" * 5000,
    7,
    -1,
    2**62,
    True,
    np.array([10**12, 10**12]),
    np.array([-1, 3]),
    np.array([3]),
    np.array([2.5, np.nan]),
    np.array(["a", "b"], dtype=object),
    h5py.Empty("f8"),
)
ODD_ARRAYS: tuple[Any, ...] = (
    0,
    "text",
    np.arange(3),
    np.arange(3.0),
    np.array([]),
    np.full((2, 2), np.nan),
    np.zeros((2, 2, 2)),
    np.array(["a", "b"], dtype="S1"),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    h5py.Empty("f8"),
)


def _remove(file: h5py.File, name: str, _: int) -> None:
    del file[name]


def _replace(file: h5py.File, name: str, number: int) -> None:
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = ODD_ARRAYS[number % len(ODD_ARRAYS)]
    file[name].attrs.update(attributes)


def _group(file: h5py.File, name: str, _: int) -> None:
    del file[name]
    file.create_group(name)


def _attribute(file: h5py.File, name: str, number: int) -> None:
    known = sorted(set(file[name].attrs) | set(ATTRIBUTES[: 1 + number % len(ATTRIBUTES)]))
    value = ODD_ATTRIBUTES[number % len(ODD_ATTRIBUTES)]
    file[name].attrs[known[number % len(known)]] = value


def _unsaid(file: h5py.File, name: str, number: int) -> None:
    known = sorted(file[name].attrs)
    del file[name].attrs[known[number % len(known)]]


def _values(file: h5py.File, name: str, number: int) -> None:
    data = np.asarray(file[name])
    flat = data.reshape(-1)
    odd = (np.nan, np.inf, -1, -(10**9), 10**9, 2**31 - 1, 127, 0, -128)[number % 9]
    flat[number % len(flat)] = flat.dtype.type(odd)
    file[name][...] = data


def _resized(file: h5py.File, name: str, number: int) -> None:
    data = np.asarray(file[name])
    attributes = dict(file[name].attrs)
    ways = (data[:-1], data[::-1], np.concatenate([data, data[:1]]), data[:0], data[None], data.T)
    del file[name]
    file[name] = ways[number % len(ways)]
    file[name].attrs.update(attributes)


def _typed(file: h5py.File, name: str, number: int) -> None:
    data = np.asarray(file[name])
    attributes = dict(file[name].attrs)
    kinds = ("f2", "i1", "u8", "f8", "?", "S4", ">i4", "c16")
    del file[name]
    file[name] = data.astype(kinds[number % len(kinds)])
    file[name].attrs.update(attributes)


def _vast(file: h5py.File, name: str, number: int) -> None:
    """A dataset that claims terabytes and holds nothing."""
    attributes = dict(file[name].attrs)
    kind = file[name].dtype
    shape = ((10**13,), (10**9, 10**5), (10**11,))[number % 3]
    del file[name]
    file.create_dataset(name, shape, kind, chunks=tuple(min(n, 1000) for n in shape))
    file[name].attrs.update(attributes)


def _other(file: h5py.File, name: str, number: int) -> None:
    """One object where another is expected."""
    names: list[str] = []
    file.visit(names.append)
    source = sorted(names)[number % len(names)]
    copied = file[source]
    del file[name]
    file[name] = copied  # a hard link, so that groups may hold themselves


CHANGES: Mapping[str, Callable[[h5py.File, str, int], None]] = {
    "attribute": _attribute,
    "group": _group,
    "other": _other,
    "remove": _remove,
    "replace": _replace,
    "resized": _resized,
    "typed": _typed,
    "unsaid": _unsaid,
    "values": _values,
    "vast": _vast,
}
