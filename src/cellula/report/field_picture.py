"""Fields drawn: a line over time, or a rectangle (of a box its middle) at the last time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.field_course import FieldCourse
from cellula.report.population_bands import axis_number
from cellula.report.standing import standing
from cellula.report.svg import Scale, group, label, line, shorten, tag, ticks

__all__ = ["field_picture"]

Floats = NDArray[np.float64]
#: Cividis in 20 steps: lightness rises evenly, alike for the colour-blind, on light and on dark.
COLOURS = (
    "#00224e", "#002c64", "#0c3470", "#273e6e", "#38476c", "#46516c", "#535a6d", "#5f636f",
    "#6b6d72", "#777776", "#828079", "#908b78", "#9c9576", "#aaa073", "#b8aa6e", "#c6b667",
    "#d4c15f", "#e4ce53", "#f2da44", "#fee838",
)  # fmt: skip
PANEL, LEFT, TOP, MOST = 420.0, 56.0, 44.0, 280.0
#: Where the bar of colours begins, and how wide it is.
BAR, BAR_WIDTH = 62.0, 12.0
#: So many pixels of the field are drawn along its longer side; more are averaged.
FINEST = 140
ABREAST = 2


def field_picture(course: FieldCourse, ids: Sequence[str], title: str) -> str:
    """An SVG with a panel an id: position by time on a line, else the field at the last time.

    Raises DataError, listing the ids there are, on others, and on no id at all.
    """
    if not ids:
        raise DataError("a picture of fields needs an id; name one to show")
    panels, rise, told = [], 0.0, []
    for id in ids:
        parts, height = _panel(course, id)
        panels.append(parts)
        rise = max(rise, height)
        told.append(_told(course, id))
    abreast = min(ABREAST, len(ids))
    placed = [
        group(*parts, dx=place % abreast * PANEL, dy=TOP + place // abreast * rise)
        for place, parts in enumerate(panels)
    ]
    width, height = PANEL * abreast, TOP + rise * math.ceil(len(ids) / abreast)
    head = [
        label(12, 19, shorten(title, width - 24), style="ink"),
        label(12, 36, shorten(_subtitle(course), width - 24)),
    ]
    return standing(width, height, f"{title}. {'; '.join(told)}.", *head, *placed)


def _subtitle(course: FieldCourse) -> str:
    voxels = " x ".join(str(n) for n in course.grid.cells)
    last = f"time {axis_number(float(course.times[-1]))}"
    if len(course.grid.cells) == 1:
        return f"{voxels} voxels over time"
    if len(course.grid.cells) == 2:
        return f"{voxels} voxels at {last}"
    z = course.grid.lengths[2] / 2
    return f"{voxels} voxels at {last}, cut at z = {axis_number(z)}"


def _told(course: FieldCourse, id: str) -> str:
    last = course.of(id)[-1]
    return f"{id} at the end: {last.min():.4g} to {last.max():.4g}, mean {last.mean():.4g}"


def _panel(course: FieldCourse, id: str) -> tuple[list[Markup], float]:
    """The parts of a panel, and its height."""
    image, across, up, names = _image(course, id)
    low, high = float(image.min()), float(image.max())
    wide = PANEL - LEFT - BAR - 26
    if len(course.grid.cells) == 1:
        tall = 200.0
    else:
        tall = min(MOST, wide * up[1] / across[1])
        wide = tall * across[1] / up[1]
    x, y = Scale(*across, LEFT, LEFT + wide), Scale(*up, 22 + tall, 22)
    parts = [label(LEFT, 12, shorten(id, PANEL - LEFT - 26), style="ink")]
    parts += _pixels(image, (LEFT, 22.0, wide, tall), (low, high))
    for value in ticks(x.low, x.high, 4):
        parts.append(line(x(value), 22 + tall, x(value), 26 + tall, "ax"))
        parts.append(label(x(value), 39 + tall, axis_number(value), anchor="middle"))
    for value in ticks(y.low, y.high, 4):
        parts.append(line(LEFT - 4, y(value), LEFT, y(value), "ax"))
        parts.append(label(LEFT - 7, y(value) + 4, axis_number(value), anchor="end"))
    parts.append(label(LEFT + wide, 55 + tall, names[0], anchor="end"))
    parts.append(label(LEFT - 7, 12, names[1], anchor="end"))
    parts += _bar(LEFT + wide + 14, tall, low, high)
    return parts, tall + 70


def _image(
    course: FieldCourse, id: str
) -> tuple[Floats, tuple[float, float], tuple[float, float], tuple[str, str]]:
    """(across, up) values of equal cells, both ranges, and the names of both axes."""
    fields, grid = course.of(id), course.grid
    if len(grid.cells) == 1:
        start, end = float(course.times[0]), float(course.times[-1])
        if not end > start:
            raise DataError("a line over time needs two times or more; ask for more points")
        even = np.linspace(start, end, min(FINEST, 4 * len(course.times)))
        nearest = np.abs(course.times[None, :] - even[:, None]).argmin(axis=1)
        rows = fields[nearest]
        return _coarse(rows.T), (0.0, grid.lengths[0]), (start, end), ("x", "time")
    last = fields[-1]
    if last.ndim == 3:
        last = last[:, :, grid.cells[2] // 2]
    return _coarse(last), (0.0, grid.lengths[0]), (0.0, grid.lengths[1]), ("x", "y")


def _coarse(values: Floats) -> Floats:
    """Blocks averaged, so that neither side is longer than is drawn."""
    for axis in (0, 1):
        n = values.shape[axis]
        if n > FINEST:
            edges = np.linspace(0, n, FINEST + 1).astype(int)
            sums = np.add.reduceat(values, edges[:-1], axis=axis)
            shape = (-1, 1) if axis == 0 else (1, -1)
            values = sums / np.diff(edges).reshape(shape)
    return np.asarray(values, np.float64)


def _pixels(
    image: Floats, box: tuple[float, float, float, float], span: tuple[float, float]
) -> list[Markup]:
    """One path a colour, of runs of pixels alike along a row; y upwards."""
    left, top, wide, tall = box
    low, high = span
    n, m = image.shape
    share = (image - low) / (high - low) if high > low else np.full(image.shape, 0.5)
    level = np.minimum((share * len(COLOURS)).astype(int), len(COLOURS) - 1)
    dx, dy = wide / n, tall / m
    runs: dict[int, list[str]] = {}
    for row in range(m):
        y = top + tall - (row + 0.5) * dy
        edges = np.flatnonzero(np.diff(level[:, row])) + 1
        begins, ends = [0, *edges.tolist()], [*edges.tolist(), n]
        for begin, end in zip(begins, ends, strict=True):
            x, length = left + begin * dx, (end - begin) * dx
            runs.setdefault(int(level[begin, row]), []).append(f"M{x:.1f} {y:.2f}h{length:.2f}")
    thick = f"{dy + 0.35:.2f}"  # so that no light shows between rows
    return [
        tag(
            "path",
            {"d": "".join(parts), "stroke": COLOURS[one], "stroke-width": thick, "fill": "none"},
        )
        for one, parts in sorted(runs.items())
    ]


def _bar(left: float, tall: float, low: float, high: float) -> list[Markup]:
    """The colours with their values."""
    parts: list[Markup] = []
    height = tall / len(COLOURS)
    for place, colour in enumerate(COLOURS):
        y = 22 + tall - (place + 0.5) * height
        stroke = {"stroke": colour, "stroke-width": f"{height + 0.35:.2f}"}
        parts.append(tag("path", {"d": f"M{left:.1f} {y:.2f}h{BAR_WIDTH:.0f}", **stroke}))
    if not high > low:
        return [*parts, label(left + BAR_WIDTH + 5, 26 + tall / 2, axis_number(low))]
    scale = Scale(low, high, 22 + tall, 22)
    for value in ticks(low, high, 4):
        parts.append(line(left + BAR_WIDTH, scale(value), left + BAR_WIDTH + 3, scale(value), "ax"))
        parts.append(label(left + BAR_WIDTH + 6, scale(value) + 4, axis_number(value)))
    return parts
