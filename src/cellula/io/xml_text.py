"""XML as text, an element a line, the same bytes for the same content."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias, final
from xml.sax.saxutils import escape, quoteattr

from cellula.core.errors import DataError

__all__ = ["Attributes", "Xml", "number_text", "text_of"]

#: Name -> value; None is not written.
Attributes: TypeAlias = Mapping[str, str | float | bool | None]

#: What XML 1.0 cannot hold, escaped or not.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

#: The smallest number that XML libraries read: they take smaller ones for damage.
SMALLEST = 2.2250738585072014e-308


def number_text(value: float) -> str:
    """The shortest text that is read as this number: 2, 0.1, 1e-09, INF, -INF, NaN."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    return repr(float(value)).removesuffix(".0")


@final
class Xml:
    """Lines of XML in the making."""

    def __init__(self) -> None:
        self._lines = ['<?xml version="1.0" encoding="UTF-8"?>']
        self._depth = 0

    @property
    def text(self) -> str:
        """The whole text."""
        return "\n".join(self._lines) + "\n"

    def leaf(self, tag: str, attributes: Attributes, inner: str = "") -> None:
        """An element on one line; inner: markup, taken as it is."""
        opened = f"<{tag}{_told(attributes)}"
        self._add(f"{opened}>{inner}</{tag}>" if inner else f"{opened}/>")

    def raw(self, markup: str) -> None:
        """A line of markup, taken as it is."""
        self._add(markup)

    @contextmanager
    def block(self, tag: str, attributes: Attributes | None = None) -> Iterator[None]:
        """An element around what is added within."""
        start = len(self._lines)
        self._add(f"<{tag}{_told(attributes or {})}>")
        self._depth += 1
        yield
        self._depth -= 1
        if len(self._lines) == start + 1:
            self._lines[start] = self._lines[start][:-1] + "/>"
        else:
            self._add(f"</{tag}>")

    @contextmanager
    def listed(self, tag: str, attributes: Attributes | None = None) -> Iterator[None]:
        """As :meth:`block`, but nothing at all where nothing is added within."""
        start = len(self._lines)
        with self.block(tag, attributes):
            yield
        if len(self._lines) == start + 1:
            del self._lines[start:]

    def _add(self, line: str) -> None:
        found = FORBIDDEN.search(line)
        if found:
            raise DataError(
                f"XML cannot hold the character {found[0]!r} of {line[:200]!r}; drop it"
            )
        self._lines.append("  " * self._depth + line)


def text_of(words: str) -> str:
    """Words as the content of an element."""
    return escape(words)


def _told(attributes: Attributes) -> str:
    return "".join(
        f" {name}={quoteattr(_value(value))}"
        for name, value in attributes.items()
        if value is not None
    )


def _value(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if 0.0 < abs(value) < SMALLEST:
        raise DataError(
            f"{value!r} is too small for the libraries that read XML; write 0, or another unit"
        )
    return number_text(value)
