"""The figures of the dossier: scores on their anchored scale, ranks of strata, bars.

Every figure is drawn twice, wide and narrow, and carries a text alternative with the numbers
that matter. Colour always goes with shape: disc = ours, square = baseline, diamond = ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cellula.core.numerals import estimate, number
from cellula.report.blocks import Figure
from cellula.report.svg import (
    CHARACTER,
    Scale,
    circle,
    diamond,
    dots,
    drawing,
    group,
    label,
    line,
    path,
    rectangle,
    shorten,
    square,
    ticks,
)

__all__ = [
    "NARROW",
    "WIDE",
    "Bar",
    "Panel",
    "RankPoint",
    "ScoreMark",
    "bar_figure",
    "rank_figure",
    "score_figure",
    "twice",
]

#: The widths of the two drawings, in pixels.
WIDE, NARROW = 736.0, 326.0
ROW = 34.0
#: About how wide a capital is, in pixels: names of genes are made of them.
CAPITAL = 1.25 * CHARACTER
#: And a bold letter.
BOLD = 1.08 * CHARACTER
MARKS: dict[str, Callable[[float, float, float, str], Markup]] = {
    "ours": circle,
    "baseline": square,
    "ceiling": diamond,
    "other": circle,
}
COLOURS = {"ours": "1", "baseline": "2", "ceiling": "3", "other": "4"}


def twice(draw: Callable[[float], Markup], caption: str) -> Figure:
    """A figure whose drawing of a given width is made for the screen and for the phone."""
    return Figure(wide=draw(WIDE), narrow=draw(NARROW), caption=caption)


# -- scores ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ScoreMark:
    """A model's anchored score; ``role`` is ours, baseline, ceiling or other."""

    name: str
    role: str
    value: float
    lower: float
    upper: float
    reason: str = ""


def score_figure(
    marks: Sequence[ScoreMark], threshold: float | None, metric: str, caption: str
) -> Figure:
    """Anchored scores by model, with intervals, baseline (0), ceiling (1) and the threshold."""
    told = "; ".join(
        f"{mark.name} {estimate(mark.value, mark.lower, mark.upper)}" for mark in marks
    )
    required = "" if threshold is None else f"; required {number(threshold, 2)}"
    alternative = f"Anchored score by model, {metric}: {told}; baseline 0, ceiling 1{required}."
    return twice(lambda width: _score_drawing(marks, threshold, alternative, width), caption)


def _score_drawing(
    marks: Sequence[ScoreMark], threshold: float | None, alternative: str, width: float
) -> Markup:
    is_narrow = width < 500
    names = min(max(BOLD * len(mark.name) + 10 for mark in marks), 230.0)
    left, right = (10.0, width - 12.0) if is_narrow else (max(168.0, names), width - 180.0)
    row = ROW + 8 if is_narrow else ROW
    top, bottom = 26.0, 26.0 + row * len(marks)
    finite = [m.lower if math.isfinite(m.lower) else m.value for m in marks]
    lowest = min([0.0, *(value for value in finite if math.isfinite(value))])
    highest = max((m.value for m in marks if math.isfinite(m.value)), default=0.0)
    scale = Scale(max(-0.5, lowest - 0.08), max(1.08, min(1.5, highest + 0.05)), left, right)
    parts = [_scale_labels(scale, top, bottom)]
    if threshold is not None:
        x, told = scale(threshold), f"required {number(threshold, 2)}"
        parts.append(label(x, bottom + 36, told, anchor="middle", style="ink"))
    for place, mark in enumerate(marks):
        y = top + row * (place + (0.68 if is_narrow else 0.5))
        if is_narrow or place == 0:
            ends = (y - 8, y + 8) if is_narrow else (top - 4, bottom)
            parts.append(_guides(scale, threshold, *ends))
        parts += _score_row(mark, scale, y, width, is_narrow)
    return drawing(width, bottom + 44, alternative, *parts)


def _guides(scale: Scale, threshold: float | None, top: float, bottom: float) -> Markup:
    """Baseline, ceiling and threshold as lines from ``top`` to ``bottom``."""
    parts = [
        line(scale(0.0), top, scale(0.0), bottom, "ax"),
        line(scale(1.0), top, scale(1.0), bottom, "ax dashed"),
    ]
    if threshold is not None:
        parts.append(line(scale(threshold), top, scale(threshold), bottom, "limit"))
    return group(*parts)


def _scale_labels(scale: Scale, top: float, bottom: float) -> Markup:
    parts = [
        label(max(scale(0.0), 28.0), top - 12, "baseline", anchor="middle"),
        label(scale(1.0), top - 12, "ceiling", anchor="middle"),
    ]
    for value in ticks(scale.low, scale.high, 6):
        x = max(scale(value), CHARACTER * len(number(value)) / 2)
        parts.append(label(x, bottom + 15, number(value), anchor="middle"))
    return group(*parts)


def _score_row(
    mark: ScoreMark, scale: Scale, y: float, width: float, is_narrow: bool
) -> list[Markup]:
    strong = "ink" if mark.role == "ours" else ""
    told = estimate(mark.value, mark.lower, mark.upper)
    text_y = y - 12 if is_narrow else y + 4
    name_x, anchor = (scale.start, "start") if is_narrow else (scale.start - 14, "end")
    room = min(200.0, width - 24.0 - BOLD * len(told)) if is_narrow else max(158.0, scale.start)
    parts = [label(name_x, text_y, shorten(mark.name, room), anchor=anchor, style=strong)]
    end = (width - 4, "end") if is_narrow else (scale.stop + 14, "start")
    if not math.isfinite(mark.value):
        reason = shorten(mark.reason or "no value", 130.0)
        return [*parts, label(end[0], text_y, reason, anchor=end[1])]
    parts.append(label(end[0], text_y, told, anchor=end[1], style=strong))
    colour = COLOURS[mark.role]
    if math.isfinite(mark.lower) and math.isfinite(mark.upper):
        parts.append(line(scale(mark.lower), y, scale(mark.upper), y, f"s{colour} bar"))
    if not scale.low <= mark.value <= scale.high:
        x, back = (scale.start, 8) if mark.value < scale.low else (scale.stop, -8)
        return [*parts, path(f"M{x:.1f} {y:.1f}l{back} -5v10z", f"c{colour}")]
    parts.append(MARKS[mark.role](scale(mark.value), y, 5.0, f"c{colour}"))
    return parts


# -- ranks ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class RankPoint:
    """A stratum's score beside its baseline's; ``baseline`` is NaN where there is none."""

    name: str
    value: float
    baseline: float


def rank_figure(
    points: Sequence[RankPoint], *, what: str, metric: str, ours: str, baseline: str, caption: str
) -> Figure:
    """Scores of all strata from the worst to the best (points come in that order)."""
    values = sorted(point.value for point in points)
    middle = values[len(values) // 2]
    alternative = (
        f"{metric} of {len(points)} {what}, from the worst to the best: worst "
        f"{points[0].name} {number(points[0].value, 2)}, median {number(middle, 2)}, best "
        f"{points[-1].name} {number(points[-1].value, 2)}. The table names the worst."
    )
    legend = (ours, baseline if any(math.isfinite(p.baseline) for p in points) else "")
    return twice(
        lambda width: _rank_drawing(points, what, metric, legend, alternative, width), caption
    )


def _rank_drawing(
    points: Sequence[RankPoint],
    what: str,
    metric: str,
    legend: tuple[str, str],
    alternative: str,
    width: float,
) -> Markup:
    is_narrow = width < 500
    height = 240.0 if is_narrow else 250.0
    numbers = sorted(v for p in points for v in (p.value, p.baseline) if math.isfinite(v))
    low, high = numbers[len(numbers) // 50], numbers[-1]
    margin = 0.04 * ((high - low) or 1.0)
    y = Scale(low - margin, high + margin, height - 34, 50)
    x = Scale(0, max(len(points) - 1, 1), 44, width - 12)
    parts = [label(4, 14, metric, style="ink")]
    for value in ticks(y.low, y.high, 4):
        style = "ax" if value == 0 else "grid"
        parts.append(line(36, y(value), width - 4, y(value), style))
        parts.append(label(30, y(value) + 4, number(value), anchor="end"))
    radius = 2.6 if len(points) > 60 else 3.6
    known = [(k, p.baseline) for k, p in enumerate(points) if math.isfinite(p.baseline)]
    parts.append(dots([(x(k), y(value)) for k, value in known], 1.2 * radius, "s2 square"))
    parts.append(dots([(x(k), y(p.value)) for k, p in enumerate(points)], 2 * radius, "s1 round"))
    parts.append(label(44, height - 8, "worst"))
    parts.append(label(width - 12, height - 8, "best", anchor="end"))
    parts.append(label((44 + width - 12) / 2, height - 8, f"{len(points)} {what}", anchor="middle"))
    parts.append(_legend(legend, width))
    return drawing(width, height, alternative, *parts)


def _legend(names: tuple[str, str], width: float) -> Markup:
    room = (width - 60.0) / 2 - 20.0
    ours, baseline = (shorten(name, room) for name in names)
    start, y = 48.0, 30.0
    parts = [circle(start, y, 4, "c1"), label(start + 9, y + 4, ours)]
    if baseline:
        second = start + 30 + CHARACTER * len(ours)
        parts += [square(second, y, 3.5, "c2"), label(second + 9, y + 4, baseline)]
    return group(*parts)


# -- bars -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Bar:
    """A named number, drawn from zero, with the text beside it."""

    name: str
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars under one title, on one scale of their own."""

    title: str
    bars: tuple[Bar, ...]


def bar_figure(panels: Sequence[Panel], alternative: str, caption: str) -> Figure:
    """Small panels of bars: two abreast on a screen, one below the other on a phone.

    Bars below zero point left in the second colour, so sign is told by side, text and colour.
    """
    return twice(lambda width: _bar_drawing(panels, alternative, width), caption)


def _bar_drawing(panels: Sequence[Panel], alternative: str, width: float) -> Markup:
    abreast = 1 if width < 500 or len(panels) == 1 else 2
    gap = 36.0
    panel_width = (width - gap * (abreast - 1)) / abreast
    parts, y = [], 0.0
    for start in range(0, len(panels), abreast):
        line_of = panels[start : start + abreast]
        for place, panel in enumerate(line_of):
            parts.append(group(*_panel(panel, panel_width), dx=place * (panel_width + gap), dy=y))
        y += 34.0 + 20.0 * max(len(panel.bars) for panel in line_of)
    return drawing(width, y, alternative, *parts)


def _panel(panel: Panel, width: float) -> list[Markup]:
    longest = max((len(bar.name) for bar in panel.bars), default=0)
    names = min(0.44 * width, CAPITAL * longest + 8)
    texts = CHARACTER * max((len(bar.text) for bar in panel.bars), default=0) + 10
    values = [bar.value for bar in panel.bars]
    scale = Scale(min([0.0, *values]), max([0.0, *values]), names + 8, width - texts)
    parts = [label(0, 14, shorten(panel.title, width), style="ink")]
    for place, bar in enumerate(panel.bars):
        y = 32.0 + 20.0 * place
        ends = sorted((scale(0.0), scale(bar.value)))
        style = "c1" if bar.value >= 0 else "c2"
        parts += [
            label(names, y + 4, shorten(bar.name, 0.86 * names), anchor="end"),
            rectangle(ends[0], y - 6, ends[1] - ends[0], 12, style),
            label(width, y + 4, bar.text, anchor="end", style="ink"),
        ]
    if min([0.0, *values]) < 0:
        zero = scale(0.0)
        parts.append(line(zero, 23, zero, 24 + 20.0 * len(panel.bars), "ax"))
    return parts
