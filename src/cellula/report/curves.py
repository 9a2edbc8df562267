"""Curves over one another in one panel: a plot of a simulation experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.report.population_bands import axis_number
from cellula.report.standing import standing
from cellula.report.svg import CHARACTER, Scale, label, line, path, shorten, ticks

__all__ = ["CourseCurve", "curves"]

Floats: TypeAlias = NDArray[np.float64]
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640.0, 400.0, 70.0, 60.0, 44.0
#: Colour and dash of each curve: two colours of the house, told apart by dashes beyond.
STYLES = ("s1 middle", "s2 middle", "s1 middle dashed", "s2 middle dashed")
#: So many curves are told apart.
MOST = len(STYLES)
#: So many lines of a curve are drawn in full.
FEW = 8
#: Decades told on a logarithmic axis.
DECADES = 8


@final
@dataclass(frozen=True, slots=True)
class CourseCurve:
    """x, y: (lines, points), a line an iteration; name: in the key."""

    name: str
    x: Floats
    y: Floats


def curves(parts: Sequence[CourseCurve], title: str, *, is_log_x: bool, is_log_y: bool) -> str:
    """An SVG with a line an iteration of every curve, and a key of their names.

    A point that is no number, or not above 0 on a logarithmic axis, is a gap. Raises DataError
    where no point is left to draw.
    """
    drawn = [
        CourseCurve(one.name, _shown(one.x, is_log_x), _shown(one.y, is_log_y)) for one in parts
    ]
    every_x = np.concatenate([one.x[np.isfinite(one.y)] for one in drawn] or [np.zeros(0)])
    every_y = np.concatenate([one.y[np.isfinite(one.x)] for one in drawn] or [np.zeros(0)])
    every_x, every_y = every_x[np.isfinite(every_x)], every_y[np.isfinite(every_y)]
    if not len(every_x):
        raise DataError(f"plot {title!r} has no point that can be drawn; look at its report")
    x = _scale(every_x, (LEFT, WIDTH - 24), is_log_x, from_zero=False)
    y = _scale(every_y, (HEIGHT - BOTTOM, TOP), is_log_y, from_zero=True)
    parts_drawn = [*_axes(x, y, is_log_x, is_log_y), *_key(drawn)]
    for place, one in enumerate(drawn):
        for along, up in zip(one.x, one.y, strict=True):
            parts_drawn += _line(along, up, x, y, STYLES[place % MOST], len(one.x) > FEW)
    told = "; ".join(f"{one.name} ends at {_last(one, is_log_y)}" for one in drawn)
    head = label(12, 19, shorten(title, WIDTH - 24), style="ink")
    return standing(WIDTH, HEIGHT, f"{title}. {told}.", head, *parts_drawn)


def _shown(values: Floats, is_log: bool) -> Floats:
    if not is_log:
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(values > 0, np.log10(values), np.nan)
    return found


def _last(one: CourseCurve, is_log: bool) -> str:
    told = one.y[0][np.isfinite(one.y[0])]
    if not len(told):
        return "no number"
    return f"{10 ** told[-1] if is_log else told[-1]:.4g}"


def _scale(values: Floats, pixels: tuple[float, float], is_log: bool, *, from_zero: bool) -> Scale:
    low, high = float(values.min()), float(values.max())
    if is_log:
        low, high = math.floor(low), math.ceil(high)
    elif from_zero:
        low, high = min(0.0, low), max(0.0, high)
    return Scale(low, high if high > low else low + 1.0, *pixels)


def _marks(scale: Scale, is_log: bool) -> list[tuple[float, str]]:
    if not is_log:
        return [(value, axis_number(value)) for value in ticks(scale.low, scale.high, 5)]
    step = max(1, math.ceil((scale.high - scale.low) / DECADES))
    decades = range(math.ceil(scale.low), math.floor(scale.high) + 1, step)
    return [(float(one), axis_number(10.0**one)) for one in decades]


def _axes(x: Scale, y: Scale, is_log_x: bool, is_log_y: bool) -> list[Markup]:
    parts = []
    for value, told in _marks(y, is_log_y):
        is_axis = value == y.low if is_log_y else value == 0
        parts.append(line(LEFT, y(value), WIDTH - 24, y(value), "ax" if is_axis else "grid"))
        parts.append(label(LEFT - 8, y(value) + 4, told, anchor="end"))
    for value, told in _marks(x, is_log_x):
        parts.append(label(x(value), HEIGHT - BOTTOM + 20, told, anchor="middle"))
    return parts


def _key(drawn: Sequence[CourseCurve]) -> list[Markup]:
    """Names beside a piece of their line; those that find no place are counted."""
    parts: list[Markup] = []
    at = 12.0
    for place, one in enumerate(drawn):
        name = shorten(one.name, 150)
        width = 34 + CHARACTER * len(name) + 14
        if at + width > WIDTH - 60 or place >= MOST:
            parts.append(label(at, 42, f"and {len(drawn) - place} more"))
            break
        parts.append(path(f"M{at:.1f} 38.0L{at + 26:.1f} 38.0", STYLES[place]))
        parts.append(label(at + 34, 42, name))
        at += width
    return parts


def _line(
    along: Floats, up: Floats, x: Scale, y: Scale, style: str, is_one_of_many: bool
) -> list[Markup]:
    is_told = np.isfinite(along) & np.isfinite(up)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_told.astype(int), [0]])))
    look = style.replace("middle", "thin") if is_one_of_many else style
    found = []
    for begin, end in edges.reshape(-1, 2):
        points = [
            f"{x(float(a)):.1f} {y(float(b)):.1f}"
            for a, b in zip(along[begin:end], up[begin:end], strict=True)
        ]
        if len(points) == 1:
            points.append(points[0])
        found.append(path(f"M{'L'.join(points)}", look))
    return found
