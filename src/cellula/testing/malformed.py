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
from typing import Any

from hypothesis import strategies as st

from cellula.core.errors import CellulaError, StudyError
from cellula.testing.rule import NotConformant

__all__ = [
    "ODD_VALUES",
    "damaged_bytes",
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
