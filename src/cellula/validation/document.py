"""The text of a study file as a tree of plain values: what TOML or YAML may say, and no more."""

from __future__ import annotations

import datetime
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cellula.core.errors import StudyError

__all__ = ["parse_document", "read_document"]

#: A study file is written by people; no file of one is near this size.
LARGEST = 4 * 2**20
#: Tables and lists within one another.
DEEPEST = 30
#: What the two parsers raise on text that is none of theirs; PyYAML lets its own slips through.
MISREAD = (ValueError, LookupError, ArithmeticError, AttributeError, TypeError, yaml.YAMLError)
#: Values of a YAML text, aliases written out.
MOST_NODES = 100_000
PLAIN = (str, bool, int, float, datetime.date, datetime.time, type(None))


def read_document(path: Path) -> bytes:
    """The bytes of a study file. Raises StudyError when it is absent, unreadable or too large."""
    try:
        if not path.is_file():
            raise StudyError(f"there is no study file {path}; `cellula init` writes one")
        size = path.stat().st_size
        if size > LARGEST:
            raise StudyError(_too_large(path.name, size))
        return path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"the study file {path} cannot be read: {error.strerror or error}; check the path"
        ) from error


def parse_document(content: bytes, name: str) -> dict[str, Any]:
    """The tables of a study file; the suffix of ``name`` tells TOML from YAML.

    Values are text, whole numbers of 64 bits, finite floats, true or false, dates, nothing,
    lists and tables. A byte order mark is dropped. Raises StudyError, naming the file and the
    place, on all else, on a key that is given twice, and on YAML's tags and vast aliases.
    """
    if len(content) > LARGEST:
        raise StudyError(_too_large(name, len(content)))
    suffix = Path(name).suffix.lower()
    if suffix not in {".toml", ".yaml", ".yml"}:
        raise StudyError(f"{name} ends in {suffix!r}; a study file ends in .toml or .yaml")
    try:
        text = content.decode("utf-8-sig")
        tree = tomllib.loads(text) if suffix == ".toml" else _yaml(text)
    except RecursionError as error:
        raise StudyError(
            f"{name} cannot be read: its lists or tables are too deep; write them flat"
        ) from error
    except MISREAD as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StudyError(f"{name} cannot be read: {reason}") from error
    if not isinstance(tree, dict):
        raise StudyError(f"{name} holds {type(tree).__name__}; expected tables such as [study]")
    mistakes = sorted(set(_mistakes(tree, ())))
    if mistakes:
        raise StudyError(f"{name} has {len(mistakes)} mistake(s):", mistakes)
    return tree


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML has no types
    """Safe YAML without doubled keys, and without aliases that make a short text vast."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and _size(node, {}) > MOST_NODES:
            raise yaml.YAMLError(
                f"its aliases stand for more than {MOST_NODES:,} values; write the values out"
            )
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key.value, str)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise yaml.YAMLError(
                f"the key {twice[0]!r} is given twice in line {node.start_mark.line + 1} or below"
            )
        return super().construct_mapping(node, deep)


def _size(node: Any, known: dict[int, float]) -> float:
    """How many values a node is, aliases written out; infinite where it holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        flat = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in flat)
    return known[id(node)]


def _yaml(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that refuses more


def _mistakes(value: object, place: tuple[str, ...]) -> Iterator[str]:
    """One line a value that no study file may hold, beginning with its path."""
    where = ".".join(place)
    if len(place) > DEEPEST:
        yield f"{'.'.join(place[:3])}: lists or tables that are more than {DEEPEST} deep"
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                yield from _mistakes(key, (*place, key))
                yield from _mistakes(item, (*place, key))
            else:
                yield f"{where}: the key {key!r} is no text; write it in quotes"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _mistakes(item, (*place, str(number)))
    elif not isinstance(value, PLAIN):
        yield f"{where}: a {type(value).__name__} is no value of a study file; write text or a list"
    else:
        fault = _fault(value)
        if fault:
            yield f"{where}: {fault}"


def _fault(value: object) -> str:
    """What is wrong with a plain value by itself; nothing where it is sound."""
    if isinstance(value, str) and not value.isascii():
        is_text = all(not "\ud800" <= letter <= "\udfff" for letter in value)
        return "" if is_text else "half a character (a lone surrogate); write the whole character"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "a whole number of more than 64 bits; write a smaller one"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no finite number; write a number, or leave the key out"
    return ""


def _too_large(name: str, size: int) -> str:
    return f"{name} has {size:,} bytes; a study file has at most {LARGEST:,}: is it a file of data?"
