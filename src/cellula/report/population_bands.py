"""Population bands: the median of cells over time, and where nine of ten lie."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.numerals import plural
from cellula.core.simulation import Trajectory
from cellula.report.standing import standing
from cellula.report.svg import Scale, group, label, line, path, shorten, ticks

__all__ = ["axis_number", "population_bands"]

#: Quantiles over cells: the lower edge of the band, the line, the upper edge.
QUANTILES = (0.05, 0.5, 0.95)
PANEL, RISE, LEFT, ABREAST = 360.0, 214.0, 58.0, 2
TOP = 44.0


def population_bands(courses: Trajectory, ids: Sequence[str], title: str, n_cells: int) -> str:
    """An SVG with a panel an id: median over cells and the band from 5 to 95 %, by time.

    courses: the cells drawn, of ``n_cells`` in all. Values that are no number are left out. A
    single cell has a line and no band. Raises DataError, listing the ids there are, on others.
    """
    abreast = min(ABREAST, len(ids))
    panels = [
        group(*_panel(courses, id), dx=place % abreast * PANEL, dy=TOP + place // abreast * RISE)
        for place, id in enumerate(ids)
    ]
    drawn = len(courses.values)
    of = f"{plural(n_cells, 'cell')}, {plural(drawn, 'cell')} drawn"
    cells = of if drawn < n_cells else plural(n_cells, "cell")
    band = "" if drawn == 1 else "; line: median, band: 5 to 95 %"
    width, height = PANEL * abreast, TOP + RISE * math.ceil(len(ids) / abreast)
    head = [
        label(12, 19, shorten(title, width - 24), style="ink"),
        label(12, 36, f"{cells}{band}"),
    ]
    told = "; ".join(_told(courses, id) for id in ids)
    return standing(width, height, f"{title}, {cells} over time. {told}.", *head, *panels)


def quantiles(courses: Trajectory, id: str) -> NDArray[np.float64]:
    """(3, times): the 5 %, 50 % and 95 % quantile over cells; NaN where no cell has a number."""
    values = courses.of(id)
    found = np.full((len(QUANTILES), len(courses.times)), math.nan)
    for time, column in enumerate(values.T):
        told = column[np.isfinite(column)]
        if len(told):
            found[:, time] = np.quantile(told, QUANTILES)
    return found


def _told(courses: Trajectory, id: str) -> str:
    low, middle, high = quantiles(courses, id)[:, -1]
    return f"{id} at the end: median {middle:.4g}, 5 to 95 % {low:.4g} to {high:.4g}"


def _panel(courses: Trajectory, id: str) -> list[Markup]:
    found, times = quantiles(courses, id), courses.times
    told = found[np.isfinite(found)]
    if not len(told):
        raise DataError(f"{id!r} has no number at any time; name other ids to show")
    if len(times) < 2:
        raise DataError("a band needs two times or more; ask for more points")
    low, high = min(0.0, float(told.min())), max(0.0, float(told.max()))
    x = Scale(float(times[0]), float(times[-1]), LEFT, PANEL - 26)
    y = Scale(low, high if high > low else low + 1.0, RISE - 46, 22)
    parts = [label(LEFT, 12, shorten(id, PANEL - LEFT - 26), style="ink")]
    for value in ticks(y.low, y.high, 4):
        parts.append(line(LEFT, y(value), PANEL - 26, y(value), "ax" if value == 0 else "grid"))
        parts.append(label(LEFT - 6, y(value) + 4, axis_number(value), anchor="end"))
    for value in ticks(x.low, x.high, 4):
        parts.append(label(x(value), RISE - 30, axis_number(value), anchor="middle"))
    parts.append(label(PANEL - 26, RISE - 14, "time", anchor="end"))
    for run in _runs(np.asarray(np.isfinite(found).all(axis=0))):
        parts += _drawn(found[:, run], times[run], x, y, len(courses.values) > 1)
    return parts


def _runs(is_told: NDArray[np.bool_]) -> list[slice]:
    """Stretches of times that have numbers."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_told, [False]]).astype(int)))
    return [slice(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _drawn(
    found: NDArray[np.float64], times: NDArray[np.float64], x: Scale, y: Scale, has_band: bool
) -> list[Markup]:
    low, middle, high = (
        [(x(float(t)), y(float(v))) for t, v in zip(times, row, strict=True)] for row in found
    )
    band = [path(f"M{_points([*low, *high[::-1]])}Z", "c1", 0.25)] if has_band else []
    return [*band, path(f"M{_points(middle)}", "s1 middle")]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in points)


def axis_number(value: float) -> str:
    """A tick: ``20,000``, ``0.25``, ``1e+06``."""
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}" if abs(value) < 1e-3 else f"{value:.3g}"
    return f"{value:,.6g}"
