"""Small SVG drawings by hand: text stays text, colours come from the page's style sheet.

Coordinates are pixels at the drawn size, y downwards, printed with one decimal, so that equal
input gives equal bytes. Classes: ``c1``-``c4`` fill and ``s1``-``s4`` stroke with the page's
four data colours, ``ax`` an axis, ``grid`` a grid line, ``ink`` strong text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from markupsafe import Markup, escape

__all__ = [
    "CHARACTER",
    "Scale",
    "circle",
    "diamond",
    "dots",
    "drawing",
    "group",
    "label",
    "line",
    "path",
    "rectangle",
    "shorten",
    "square",
    "tag",
    "ticks",
]

Attributes: TypeAlias = Mapping[str, str | float]
#: About how wide a character of a label is, in pixels; wide fonts included.
CHARACTER = 7.2


def tag(name: str, attributes: Attributes, *children: str) -> Markup:
    """One element; attribute values and plain-text children are escaped."""
    parts = [Markup(' {}="{}"').format(key, _text(value)) for key, value in attributes.items()]
    opening = Markup("<{}{}").format(name, Markup("").join(parts))
    if not children:
        return opening + Markup("/>")
    inside = Markup("").join(escape(child) for child in children)
    return Markup("{}>{}</{}>").format(opening, inside, name)


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def drawing(width: float, height: float, alternative: str, *children: str) -> Markup:
    """The outer element: drawn at its own size, shrunk where the page is narrower."""
    attributes: Attributes = {
        "viewBox": f"0 0 {_text(width)} {_text(height)}",
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": alternative,
    }
    return tag("svg", attributes, *children)


def group(*children: str, dx: float = 0.0, dy: float = 0.0) -> Markup:
    """Children moved by (dx, dy)."""
    return tag("g", {"transform": f"translate({_text(dx)} {_text(dy)})"}, *children)


def label(x: float, y: float, content: str, *, anchor: str = "start", style: str = "") -> Markup:
    """Text whose base line begins, centres or ends (``anchor``) at (x, y)."""
    attributes: dict[str, str | float] = {"x": x, "y": y}
    if anchor != "start":
        attributes["text-anchor"] = anchor
    if style:
        attributes["class"] = style
    return tag("text", attributes, content)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """A straight line."""
    return tag("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style})


def circle(x: float, y: float, radius: float, style: str) -> Markup:
    """A disc."""
    return tag("circle", {"cx": x, "cy": y, "r": radius, "class": style})


def square(x: float, y: float, radius: float, style: str) -> Markup:
    """A square of half width ``radius``."""
    return rectangle(x - radius, y - radius, 2 * radius, 2 * radius, style)


def diamond(x: float, y: float, radius: float, style: str) -> Markup:
    """A square on its corner."""
    corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
    return path("M" + "L".join(f"{_text(a)} {_text(b)}" for a, b in corners) + "Z", style)


def rectangle(x: float, y: float, width: float, height: float, style: str) -> Markup:
    """An upright rectangle; a width below half a pixel is drawn as half a pixel."""
    return tag("rect", {"x": x, "y": y, "width": max(width, 0.5), "height": height, "class": style})


def dots(points: Iterable[tuple[float, float]], size: float, style: str) -> Markup:
    """Many dots of one size as a single path; round or square by ``style``."""
    data = "".join(f"M{_text(x)} {_text(y)}h0" for x, y in points)
    return tag("path", {"d": data, "class": style, "stroke-width": size})


def path(data: str, style: str, opacity: float = 1.0) -> Markup:
    """A path; ``opacity`` of its filling, two decimals."""
    attributes: dict[str, str | float] = {"d": data, "class": style}
    if opacity < 1:
        attributes["fill-opacity"] = f"{opacity:.2f}"
    return tag("path", attributes)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map of [low, high] to [start, stop] pixels; values beyond are clipped."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.stop - self.start)


def ticks(low: float, high: float, about: int) -> tuple[float, ...]:
    """About that many round numbers within [low, high]: steps of 1, 2 or 5 times a power of 10."""
    if not high > low:
        return (low,)
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1.0, 2.0, 5.0, 10.0) if power * m >= 0.7 * rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return tuple(round(place * step, digits) + 0.0 for place in range(first, last + 1))


def shorten(content: str, width: float) -> str:
    """The text, cut with an ellipsis where it is wider than ``width`` pixels."""
    room = max(1, int(width / CHARACTER))
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"
