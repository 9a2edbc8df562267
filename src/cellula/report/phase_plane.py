"""A phase plane: one id over another, cell by cell, with their medians."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.numerals import plural
from cellula.core.simulation import Trajectory
from cellula.report.population_bands import axis_number
from cellula.report.standing import standing
from cellula.report.svg import CHARACTER, Scale, circle, diamond, label, line, path, ticks

__all__ = ["phase_plane"]

#: So many cells are drawn, spread evenly over those there are.
MOST = 60
SIDE, LEFT, TOP = 420.0, 62.0, 62.0


def phase_plane(courses: Trajectory, ids: tuple[str, str], title: str) -> str:
    """An SVG: the paths of up to 60 cells in the plane of two ids, and the path of the medians.

    A disc where the medians start, a diamond where they end. Raises DataError on ids that were
    not recorded, and where too few numbers are finite.
    """
    across, up = courses.of(ids[0]), courses.of(ids[1])
    is_told = np.isfinite(across).all(axis=1) & np.isfinite(up).all(axis=1)
    across, up = across[is_told], up[is_told]
    if not across.size or across.shape[1] < 2:
        raise DataError(f"no cell tells {ids[0]!r} and {ids[1]!r} at two times or more")
    x, y = _scale(across, LEFT, LEFT + SIDE), _scale(up, TOP + SIDE, TOP)
    every = -(-len(across) // MOST)
    parts = [*_axes(x, y, ids)]
    if len(across) > 1:
        for one, other in zip(across[::every], up[::every], strict=True):
            parts.append(path(_line(one, other, x, y), "s2 thin"))
    middle = np.median(across, axis=0), np.median(up, axis=0)
    parts.append(path(_line(*middle, x, y), "s1 middle"))
    ends = [(x(float(a)), y(float(b))) for a, b in ((m[k] for m in middle) for k in (0, -1))]
    parts += [circle(*ends[0], 5, "c1"), diamond(*ends[1], 7, "c1")]
    drawn = plural(len(across[::every]), "cell")
    note = f"line: medians, from disc to diamond; {drawn} drawn thin"
    head = [
        label(12, 19, title[: int((SIDE + LEFT) / CHARACTER)], style="ink"),
        label(12, 36, note),
    ]
    start, end = ((float(middle[0][k]), float(middle[1][k])) for k in (0, -1))
    alternative = (
        f"{title}: {ids[1]} over {ids[0]}. Medians go from {start[0]:.4g}, {start[1]:.4g} to "
        f"{end[0]:.4g}, {end[1]:.4g}."
    )
    return standing(LEFT + SIDE + 24, TOP + SIDE + 50, alternative, *head, *parts)


def _scale(values: NDArray[np.float64], start: float, stop: float) -> Scale:
    low, high = float(values.min()), float(values.max())
    room = 0.03 * (high - low) or 0.5 * abs(high) or 0.5
    return Scale(low - room, high + room, start, stop)


def _axes(x: Scale, y: Scale, ids: tuple[str, str]) -> list[Markup]:
    bottom, right = TOP + SIDE, LEFT + SIDE
    parts: list[Markup] = []
    for value in ticks(x.low, x.high, 5):
        parts.append(line(x(value), TOP, x(value), bottom, "grid"))
        parts.append(label(x(value), bottom + 18, axis_number(value), anchor="middle"))
    for value in ticks(y.low, y.high, 5):
        parts.append(line(LEFT, y(value), right, y(value), "grid"))
        parts.append(label(LEFT - 6, y(value) + 4, axis_number(value), anchor="end"))
    parts.append(label(right, bottom + 38, f"{ids[0]} →", anchor="end", style="ink"))
    parts.append(label(LEFT, TOP - 10, f"{ids[1]} ↑", style="ink"))
    return parts


def _line(across: NDArray[np.float64], up: NDArray[np.float64], x: Scale, y: Scale) -> str:
    points = zip(across, up, strict=True)
    return "M" + "L".join(f"{x(float(a)):.1f} {y(float(b)):.1f}" for a, b in points)
