"""Numbers before and after a step: one row a number, an open and a filled mark on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cellula.core.numerals import number
from cellula.report.blocks import Figure
from cellula.report.figures import twice
from cellula.report.svg import (
    CHARACTER,
    Scale,
    circle,
    drawing,
    group,
    label,
    line,
    shorten,
    square,
    ticks,
)

__all__ = ["Change", "change_figure"]

ROW = 26.0


@dataclass(frozen=True, slots=True)
class Change:
    """One number, such as a mixing of batches, before and after."""

    name: str
    before: float
    after: float


def change_figure(changes: Sequence[Change], caption: str) -> Figure:
    """Rows of changes on one scale that holds 0 and 1: a square before, a dot after."""
    told = "; ".join(f"{c.name} {number(c.before, 2)} to {number(c.after, 2)}" for c in changes)
    alternative = f"Before and after the correction: {told}."
    return twice(lambda width: _drawing(changes, alternative, width), caption)


def _drawing(changes: Sequence[Change], alternative: str, width: float) -> Markup:
    is_narrow = width < 500
    names = 0.0 if is_narrow else 190.0
    row, top = (ROW + 14 if is_narrow else ROW), 34.0
    values = [value for one in changes for value in (one.before, one.after)]
    low, high = min([0.0, *values]), max([1.0, *values])
    texts = CHARACTER * 13
    scale = Scale(low - 0.02, high + 0.02, names + 12, width - texts - 8)
    bottom = top + row * len(changes)
    heights = [top + row * (place + 0.5) + (6 if is_narrow else 0) for place in range(len(changes))]
    # On a phone names stand above the marks: there the grid is interrupted.
    spans = [(y - 7, y + 7) for y in heights] if is_narrow else [(top, bottom)]
    parts = [_legend(), *_grid(scale, spans, bottom)]
    for one, y in zip(changes, heights, strict=True):
        parts += _row(one, scale, y, width, is_narrow)
    return drawing(width, bottom + 22, alternative, *parts)


def _legend() -> Markup:
    return group(
        square(18, 12, 5, "c2"),
        label(28, 16, "before"),
        circle(98, 12, 3.5, "c1"),
        label(108, 16, "after"),
    )


def _grid(scale: Scale, spans: Sequence[tuple[float, float]], bottom: float) -> list[Markup]:
    parts = []
    for value in ticks(scale.low, scale.high, 5):
        style = "ax" if value == 0 else "grid"
        parts += [line(scale(value), start, scale(value), stop, style) for start, stop in spans]
        parts.append(label(scale(value), bottom + 15, number(value), anchor="middle"))
    return parts


def _row(one: Change, scale: Scale, y: float, width: float, is_narrow: bool) -> list[Markup]:
    text = f"{number(one.before, 2)} → {number(one.after, 2)}"
    name = (
        label(scale.start, y - 10, shorten(one.name, width - 20))
        if is_narrow
        else label(190, y + 4, shorten(one.name, 184), anchor="end")
    )
    return [
        name,
        line(scale(one.before), y, scale(one.after), y, "ax"),
        square(scale(one.before), y, 5, "c2"),
        circle(scale(one.after), y, 3.5, "c1"),
        label(width - 4, y + 4, text, anchor="end", style="ink"),
    ]
