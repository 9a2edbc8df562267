"""Cells in two dimensions as small panels of dots: who is where, and how strongly they respond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.report.blocks import Figure
from cellula.report.figures import twice
from cellula.report.svg import (
    CHARACTER,
    circle,
    dots,
    drawing,
    group,
    label,
    rectangle,
    shorten,
    square,
)

__all__ = ["DotClass", "DotPanel", "embedding_figure"]

#: The width of a dot, in pixels.
DOT = 2.6
#: About how wide a bold letter is.
BOLD = 1.08 * CHARACTER

#: The lower left corner of what is drawn, and its extent.
Frame: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class DotClass:
    """Dots (n, 2) of one name; colour 1 to 4 of the page; square where ``is_square``."""

    name: str
    colour: int
    points: NDArray[np.float64]
    is_square: bool = False


@dataclass(frozen=True, slots=True)
class DotPanel:
    """Classes of dots under one title, the first drawn first; names: (text, x, y) in the plane."""

    title: str
    classes: tuple[DotClass, ...]
    names: tuple[tuple[str, float, float], ...] = ()


def embedding_figure(panels: Sequence[DotPanel], alternative: str, caption: str) -> Figure:
    """Panels on one pair of scales: abreast on a screen, on a phone two abreast.

    Axes carry no numbers, and each fills its frame: in an embedding neither distances nor
    directions have a meaning.
    """
    everything = np.concatenate([one.points for panel in panels for one in panel.classes])
    low, high = everything.min(axis=0), everything.max(axis=0)
    reach = np.where(high > low, high - low, 1.0)
    frame = (low - 0.03 * reach, 1.06 * reach)
    return twice(lambda width: _drawing(panels, frame, alternative, width), caption)


def _drawing(
    panels: Sequence[DotPanel],
    frame: Frame,
    alternative: str,
    width: float,
) -> Markup:
    abreast = 2 if width < 500 else len(panels)
    gap = 10.0
    side = (width - gap * (abreast - 1)) / abreast
    head = 24.0 + 17.0 * max(_lines(panel, side) for panel in panels)
    parts = []
    for place, panel in enumerate(panels):
        dx, dy = (place % abreast) * (side + gap), (place // abreast) * (side + head + 14)
        parts.append(group(*_panel(panel, frame, side, head), dx=dx, dy=dy))
    rows = math.ceil(len(panels) / abreast)
    height = rows * (side + head) + (rows - 1) * 14 + 2
    return drawing(width, height, alternative, *parts)


def _panel(panel: DotPanel, frame: Frame, side: float, head: float) -> list[Markup]:
    corner, reach = frame
    parts = [
        label(0, 13, panel.title, style="ink"),
        *_legend(panel, side),
        rectangle(0.5, head, side - 1, side - 1, "frame"),
    ]
    for one in panel.classes:
        place = (one.points - corner) / reach * (side - 2)
        spots = [(1 + x, head + side - 1 - y) for x, y in place]
        shape = "square" if one.is_square else "round"
        parts.append(dots(spots, DOT, f"s{one.colour} {shape} dot"))
    return [*parts, *_named(panel, frame, side, head)]


def _named(panel: DotPanel, frame: Frame, side: float, head: float) -> list[Markup]:
    """The names in the plane, one that would cover another left out."""
    corner, reach = frame
    parts: list[Markup] = []
    taken: list[tuple[float, float, float]] = []
    for name, *spot in panel.names:
        dx, dy = (np.asarray(spot) - corner) / reach * (side - 2)
        told = shorten(name, 0.5 * side)
        half = BOLD * len(told) / 2 + 3
        x, y = min(max(float(dx), half), side - half), head + side - 1 - float(dy)
        if any(abs(x - a) < half + wide and abs(y - b) < 16 for a, b, wide in taken):
            continue
        taken.append((x, y, half))
        parts.append(label(x, y, told, anchor="middle", style="ink halo"))
    return parts


def _places(panel: DotPanel, side: float) -> list[tuple[float, int]]:
    """Where the name of every class begins, and in which line."""
    found, x, row = [], 0.0, 0
    for one in panel.classes:
        wide = 21 + CHARACTER * len(one.name)
        if x and x + wide > side:
            x, row = 0.0, row + 1
        found.append((x, row))
        x += wide
    return found


def _lines(panel: DotPanel, side: float) -> int:
    return _places(panel, side)[-1][1] + 1


def _legend(panel: DotPanel, side: float) -> list[Markup]:
    parts = []
    for one, (x, row) in zip(panel.classes, _places(panel, side), strict=True):
        y = 30.0 + 17.0 * row
        style = f"c{one.colour}"
        mark = square(x + 5, y - 4, 3.6, style) if one.is_square else circle(x + 5, y - 4, 4, style)
        parts += [mark, label(x + 14, y, one.name)]
    return parts
