"""The curve over versions: one small panel a claim, its score in every version of the study.

Shape goes with colour: a disc stands on a fresh hold-out, a diamond on labels that an earlier
version had opened; beneath it stands what share of the error was left to its interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cellula.core.numerals import estimate, number
from cellula.report.blocks import Figure
from cellula.report.figures import twice
from cellula.report.svg import (
    CHARACTER,
    Scale,
    circle,
    diamond,
    drawing,
    group,
    label,
    line,
    shorten,
    ticks,
)

__all__ = ["CurvePanel", "CurvePoint", "curve_figure"]

HEIGHT = 268.0
GAP = 32.0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A claim in one version; NaN where it has no score. n_earlier: attempts before it."""

    version: int
    value: float
    lower: float
    upper: float
    threshold: float
    n_earlier: int

    @property
    def share(self) -> str:
        """What was left of the error: ``fresh``, or ``α/4`` after two earlier attempts."""
        return "fresh" if self.n_earlier == 0 else f"α/{2**self.n_earlier}"


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """One claim by one metric, over the versions that decided it."""

    title: str
    points: tuple[CurvePoint, ...]


def curve_figure(panels: Sequence[CurvePanel], caption: str) -> Figure:
    """Anchored scores with intervals and thresholds by version."""
    told = "; ".join(
        f"{panel.title}: "
        + ", ".join(
            f"version {one.version} {estimate(one.value, one.lower, one.upper)}, required "
            f"{number(one.threshold, 2)}, {one.share}"
            for one in panel.points
        )
        for panel in panels
    )
    alternative = f"Anchored score by version of the study. {told}."
    return twice(lambda width: _drawing(panels, alternative, width), caption)


def _drawing(panels: Sequence[CurvePanel], alternative: str, width: float) -> Markup:
    abreast = 1 if width < 500 or len(panels) == 1 else 2
    panel_width = (width - GAP * (abreast - 1)) / abreast
    shown = [
        group(
            *_panel(panel, panel_width),
            dx=place % abreast * (panel_width + GAP),
            dy=place // abreast * HEIGHT,
        )
        for place, panel in enumerate(panels)
    ]
    height = math.ceil(len(panels) / abreast) * HEIGHT
    return drawing(width, height, alternative, *shown)


def _panel(panel: CurvePanel, width: float) -> list[Markup]:
    y = _scale([panel], 30.0, HEIGHT - 52.0)
    left, right = 40.0, width - 8.0
    step = (right - left) / len(panel.points)
    parts = [label(0, 14, shorten(panel.title, width), style="ink")]
    for value in ticks(y.low, y.high, 5):
        style = {0.0: "ax", 1.0: "ax dashed"}.get(value, "grid")
        parts.append(line(left, y(value), right, y(value), style))
        parts.append(label(left - 8, y(value) + 4, number(value), anchor="end"))
    centres = [left + step * (place + 0.5) for place in range(len(panel.points))]
    reach = min(0.5 * step, 60.0)
    for x, point in zip(centres, panel.points, strict=True):
        parts += _point(point, x, reach, y)
    every = max(1, math.ceil(5.5 * CHARACTER / step))
    for x, point in list(zip(centres, panel.points, strict=True))[::every]:
        parts.append(label(x, HEIGHT - 34, f"v{point.version}", anchor="middle", style="ink"))
        parts.append(label(x, HEIGHT - 18, point.share, anchor="middle"))
    return parts


def _scale(panels: Sequence[CurvePanel], top: float, bottom: float) -> Scale:
    """From the baseline (0) to the ceiling (1), and as far as the intervals reach."""
    numbers = [
        value
        for panel in panels
        for one in panel.points
        for value in (one.value, one.lower, one.upper, one.threshold)
        if math.isfinite(value)
    ]
    low, high = min([0.0, *numbers]), max([1.0, *numbers])
    return Scale(max(low, -1.0) - 0.05, min(high, 2.0) + 0.05, bottom, top)


def _point(point: CurvePoint, x: float, reach: float, y: Scale) -> list[Markup]:
    parts: list[Markup] = []
    if math.isfinite(point.threshold):
        parts.append(line(x - reach, y(point.threshold), x + reach, y(point.threshold), "limit"))
    if not math.isfinite(point.value):
        return [*parts, label(x, y(0.0) - 6, "none", anchor="middle")]
    colour = "1" if point.n_earlier == 0 else "2"
    if math.isfinite(point.lower) and math.isfinite(point.upper):
        parts.append(line(x, y(point.lower), x, y(point.upper), f"s{colour} bar"))
    mark = circle if point.n_earlier == 0 else diamond
    parts.append(mark(x, y(point.value), 5.0 if point.n_earlier == 0 else 6.5, f"c{colour}"))
    return parts
