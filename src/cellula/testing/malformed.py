"""Strategies for malformed files: what a reader must refuse in words, never with a traceback.

They need the package hypothesis, so the module is imported by name only::

    from cellula.testing.malformed import damaged_bytes, require_legible

    @given(damaged_bytes(whole))
    def test_my_reader(content: bytes) -> None:
        path.write_bytes(content)
        try:
            MyReader().read(path)
        except CellulaError as error:
            require_legible(error, path.name)
"""

from __future__ import annotations

import copy
import datetime
import gzip
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

from cellula.core.errors import CellulaError, StudyError
from cellula.testing.rule import NotConformant

__all__ = [
    "ODD_VALUES",
    "HdfDamage",
    "damaged_bytes",
    "damaged_hdf5",
    "damaged_text",
    "damaged_tree",
    "require_legible",
]

#: No message is longer; a list of mistakes may have many lines of this length.
LONGEST = 2000
DEEP: Any = 0
for _ in range(120):
    DEEP = [DEEP]

#: Values that stand where others are expected; all can be written as YAML.
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**70,
    10**400,
    1e308,
    math.nan,
    math.inf,
    "",
    " ",
    "x" * 6000,
    "no such thing " * 400,
    "\0",
    "\x1b[31mred",
    "a\nb",
    "é🧬",
    "\ud800",
    "../../etc/passwd",
    "/" * 5000,
    "(((",
    "=",
    "a=b",
    [],
    {},
    [[]],
    [1, 2],
    ["a", "a"],
    {"a": 1},
    {1: 2},
    {"fraction": -1},
    {"folds": 10**9, "seed": 1},
    datetime.date(2020, 2, 30 - 1),
    datetime.datetime(2020, 1, 1, 1, 1),
    b"\xff\x00",
    {"a"},
    DEEP,
)
#: What stands where a field of a table is expected.
ODD_FIELDS = (
    b"",
    b"NA",
    b"nan",
    b"inf",
    b"-inf",
    b"1e400",
    b"9" * 400,
    b"text",
    b"\xff\xfe",
    b"\0",
    b'"',
    b'"a\nb"',
    b"\xef\xbb\xbf",
    "é".encode(),
    b"0x10",
    b"007",
    b"1,2",
    b"2020-01-01",
    b"12:30:01",
    b"true",
    b"x" * 5000,
    b"\x1b[31m",
)


def require_legible(error: CellulaError, *names: str) -> None:
    """The message is one paragraph (or a list of mistakes) that names one of these; else raises.

    Raises NotConformant on a message that is empty, long, of control characters, a traceback
    or a dump of another library, or that names none of ``names``.
    """
    lines = [str(error)] if not isinstance(error, StudyError) else str(error).split("\n")
    text = "\n".join(lines)
    faults = {
        "empty": not text.strip(),
        "long": max(map(len, lines)) > LONGEST,
        "of several lines": any("\n" in line or "\r" in line for line in lines),
        "of control characters": any(not c.isprintable() for line in lines for c in line),
        "a dump": "Traceback" in text or "errors.pydantic.dev" in text,
        f"naming none of {names}": bool(names) and not any(name in text for name in names),
    }
    wrong = [what for what, is_so in faults.items() if is_so]
    if wrong:
        raise NotConformant(f"a message that is {', '.join(wrong)}: {text[:3000]!r}")


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file cut short, with bytes flipped, doubled, taken out, put in, or of another kind."""
    data = bytearray(whole)
    kind = draw(st.sampled_from(["flip", "cut", "zero", "insert", "drop", "double", "noise"]))
    start = int(draw(st.floats(0, 1, exclude_max=True)) * len(data))
    length = draw(st.sampled_from([1, 2, 4, 8, 64, 1000]))
    if kind == "flip":
        for _ in range(draw(st.integers(1, 6))):
            place = int(draw(st.floats(0, 1, exclude_max=True)) * len(data))
            data[place] ^= 1 << draw(st.integers(0, 7))
    elif kind == "cut":
        del data[start:]
    elif kind == "zero":
        data[start : start + length] = bytes(len(data[start : start + length]))
    elif kind == "insert":
        data[start:start] = draw(st.binary(min_size=1, max_size=16))
    elif kind == "drop":
        del data[start : start + length]
    elif kind == "double":
        data[start:start] = data[start : start + length]
    else:
        data[start : start + length] = draw(st.binary(min_size=1, max_size=64))
    return bytes(data)


@st.composite
def damaged_text(draw: st.DrawFn, whole: bytes, separator: bytes = b",") -> bytes:
    """A table of text with odd fields, ragged or doubled rows, other delimiters, other packing."""
    lines = whole.split(b"\n")
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(lines) - 1))
        fields = lines[row].split(separator)
        column = draw(st.integers(0, len(fields) - 1))
        odd = draw(st.sampled_from(ODD_FIELDS))
        kind = draw(st.sampled_from(["field", "more", "fewer", "double", "gone", "same", "end"]))
        if kind == "field":
            fields[column] = odd
        elif kind == "more":
            fields.insert(column, odd)
        elif kind == "fewer":
            del fields[column]
        elif kind == "same":
            fields[column] = fields[0]
        lines[row] = separator.join(fields)
        if kind == "double":
            lines.insert(row, lines[row])
        elif kind == "gone" and len(lines) > 1:
            del lines[row]
        elif kind == "end":
            del lines[row + 1 :]
    text = b"\n".join(lines)
    packing: Mapping[str, Callable[[bytes], bytes]] = {
        "same": lambda raw: raw,
        "crlf": lambda raw: raw.replace(b"\n", b"\r\n"),
        "cr": lambda raw: raw.replace(b"\n", b"\r"),
        "marked": lambda raw: b"\xef\xbb\xbf" + raw,
        "wide": lambda raw: raw.decode("latin-1").encode("utf-16"),
        "other": lambda raw: raw.replace(separator, b";"),
        "packed": lambda raw: gzip.compress(raw, mtime=0),
        "header": lambda raw: raw.split(b"\n")[0],
        "blank": lambda raw: b"\n\n" + raw,
    }
    name = draw(st.one_of(st.just("same"), st.sampled_from(sorted(packing))))
    return packing[name](text)


@st.composite
def damaged_tree(draw: st.DrawFn, tree: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of tables and lists with keys taken out, renamed or doubled, and odd values."""
    changed: dict[str, Any] = copy.deepcopy(dict(tree))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(changed))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        kind = draw(st.sampled_from(["odd", "odd", "odd", "gone", "unknown", "double"]))
        if kind == "odd":
            holder[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
        elif kind == "gone":
            del holder[key]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif kind == "unknown":
            holder[f"{key}x"] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
        else:
            holder[draw(st.sampled_from(["", "id", "x" * 500, "\x1b", 7]))] = holder[key]
        if not changed:
            break
    return changed


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (table or list, key) of a tree."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


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
