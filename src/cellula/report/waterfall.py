"""Waterfalls: where the descents of a fit ended, from the best to the worst."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from cellula.core.errors import DataError
from cellula.core.numerals import plural
from cellula.report.population_bands import axis_number
from cellula.report.standing import standing
from cellula.report.svg import Scale, circle, label, line, path, shorten, ticks

__all__ = ["waterfall"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 560.0, 320.0, 64.0, 20.0, 62.0
#: Values are drawn as log10(1 + what they are above the best), in log units of likelihood.
MARKS = (0.0, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e8, 1e10)


def waterfall(values: Sequence[float], title: str, close: float) -> str:
    """An SVG of the objectives that descents ended at, each above the best; ascending.

    values: in nats, infinite where a descent failed. close: what counts as the same optimum, in
    nats. Raises DataError where no value is finite.
    """
    told = [one for one in values if math.isfinite(one)]
    if not told:
        raise DataError("no descent ended with a value; there is no waterfall to draw")
    above = np.array(told) - told[0]
    n_close, n_failed = int((above <= close).sum()), len(values) - len(told)
    failed = f", {n_failed} without a value" if n_failed else ""
    head = f"{plural(len(values), 'start')}: {n_close} within {close:g} of the best{failed}"
    alternative = f"{title}. Best objective {told[0]:.6g}. {head}. Worst {told[-1]:.6g}."
    return standing(
        WIDTH,
        HEIGHT,
        alternative,
        label(12, 19, shorten(title, WIDTH - 24), style="ink"),
        label(12, 36, f"{head}; best {told[0]:.6g}"),
        label(12, 54, "objective above the best, nats"),
        *_drawn(above, len(values), close),
    )


def _drawn(
    above: np.ndarray[tuple[int], np.dtype[np.float64]], n: int, close: float
) -> list[Markup]:
    high = float(np.log10(1 + above.max()))
    y = Scale(0.0, max(high, math.log10(2.0)) * 1.05, HEIGHT - 44, TOP + 8)
    x = Scale(1.0, max(n, 2), LEFT + 12, WIDTH - RIGHT - 12)
    parts = []
    for mark in MARKS:
        at = math.log10(1 + mark)
        if at <= y.high and mark != 0.1:
            style = "ax" if mark == 0 else "grid"
            parts.append(line(LEFT, y(at), WIDTH - RIGHT, y(at), style))
            parts.append(label(LEFT - 8, y(at) + 4, axis_number(mark), anchor="end"))
    for value in ticks(1.0, max(n, 2), 8):
        if value == int(value) and value >= 1:
            parts.append(label(x(value), HEIGHT - 26, axis_number(value), anchor="middle"))
    parts.append(label(WIDTH - RIGHT, HEIGHT - 10, "start, by where it ended", anchor="end"))
    points = [(x(k + 1), y(math.log10(1 + one))) for k, one in enumerate(above)]
    parts.append(path("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points), "s1 thin"))
    for (a, b), one in zip(points, above, strict=True):
        parts.append(circle(a, b, 4.0, "c1" if one <= close else "c2"))
    return parts
