"""Predicted against observed as hexagons: tens of thousands of points in a small drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.core.numerals import count, number
from cellula.report.blocks import Figure
from cellula.report.figures import twice
from cellula.report.svg import Scale, drawing, group, label, line, path, ticks

__all__ = ["Cloud", "density_figure", "hexagons"]

#: Hexagons across a panel.
ACROSS = 34
#: The opacity of the five shades, from few points a hexagon to many.
SHADES = (0.16, 0.32, 0.5, 0.72, 1.0)


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points (n,) of one panel; ``style`` is the class of its colour."""

    title: str
    style: str
    observed: NDArray[np.float64]
    predicted: NDArray[np.float64]


def density_figure(clouds: Sequence[Cloud], *, values: str, caption: str) -> Figure:
    """Panels on one scale, observed across, predicted up, with the line of equality.

    values: what the axes hold. The frame spans .1 to 99.9 % of all values; the caption says
    how many points lie outside.
    """
    everything = np.concatenate([part for c in clouds for part in (c.observed, c.predicted)])
    everything = everything[np.isfinite(everything)]
    low, high = (float(v) for v in np.quantile(everything, [0.001, 0.999]))
    if low == high:
        low, high = low - 0.5, high + 0.5
    outside = _outside(clouds[0], low, high)
    told = "; ".join(f"{c.title}: correlation {number(_correlation(c), 2)}" for c in clouds)
    alternative = (
        f"Predicted against observed {values}, {count(len(clouds[0].observed))} values. {told}."
    )
    note = f" {count(outside)} points lie outside the frame." if outside else ""
    return twice(
        lambda width: _drawing(clouds, low, high, values, alternative, width), caption + note
    )


def _outside(cloud: Cloud, low: float, high: float) -> int:
    both = np.stack([cloud.observed, cloud.predicted])
    return int(((both < low) | (both > high)).any(axis=0).sum())


def _correlation(cloud: Cloud) -> float:
    x, y = cloud.observed, cloud.predicted
    use = np.isfinite(x) & np.isfinite(y)
    if use.sum() < 2 or np.ptp(x[use]) == 0 or np.ptp(y[use]) == 0:
        return math.nan
    return float(np.corrcoef(x[use], y[use])[0, 1])


def _drawing(
    clouds: Sequence[Cloud], low: float, high: float, values: str, alternative: str, width: float
) -> Markup:
    is_narrow = width < 500
    side = width - 58.0 if is_narrow else (width - 40.0) / 2 - 48.0
    step_x, step_y = (0.0, side + 78.0) if is_narrow else (side + 88.0, 0.0)
    parts = [
        group(*_panel(cloud, low, high, values, side), dx=step_x * k, dy=step_y * k)
        for k, cloud in enumerate(clouds)
    ]
    height = side + 70.0 + step_y * (len(clouds) - 1)
    return drawing(width, height, alternative, *parts)


def _panel(cloud: Cloud, low: float, high: float, values: str, side: float) -> list[Markup]:
    x = Scale(low, high, 44, 44 + side)
    y = Scale(low, high, 24 + side, 24)
    parts = [label(44, 14, cloud.title, style="ink")]
    for value in ticks(low, high, 4):
        parts += [
            line(44, y(value), 44 + side, y(value), "grid"),
            label(38, y(value) + 4, number(value), anchor="end"),
            label(x(value), 40 + side, number(value), anchor="middle"),
        ]
    use = np.isfinite(cloud.observed) & np.isfinite(cloud.predicted)
    px = 44 + (cloud.observed[use] - low) / (high - low) * side
    py = 24 + side - (cloud.predicted[use] - low) / (high - low) * side
    inside = (px >= 44) & (px <= 44 + side) & (py >= 24) & (py <= 24 + side)
    for shade, data in hexagons(px[inside], py[inside], side / ACROSS):
        parts.append(path(data, cloud.style, SHADES[shade]))
    parts += [
        line(44, 24 + side, 44 + side, 24, "limit"),
        label(44 + side, 58 + side, f"observed {values} →", anchor="end"),
        label(44 + side, 14, "predicted ↑", anchor="end"),
    ]
    return parts


def hexagons(x: NDArray[np.float64], y: NDArray[np.float64], width: float) -> list[tuple[int, str]]:
    """Bin points (n,) into hexagons ``width`` pixels wide; one path a shade.

    Gives (shade, path data), shades rising with the logarithm of the count. The lattice is two
    interleaved rectangular ones; a point goes to the nearer centre.
    """
    if not len(x):
        return []
    rise = width * math.sqrt(3.0)
    first = np.stack([np.round(x / width), np.round(y / rise)])
    second = np.stack([np.floor(x / width) + 0.5, np.floor(y / rise) + 0.5])
    scale = np.array([[width], [rise]])
    points = np.stack([x, y])
    far = [((points - centre * scale) ** 2).sum(axis=0) for centre in (first, second)]
    centres = np.where(far[0] <= far[1], first, second)
    cells, counts = np.unique(centres, axis=1, return_counts=True)
    top = math.log(float(counts.max()) + 1.0)
    shades = np.minimum((np.log(counts) / top * len(SHADES)).astype(int), len(SHADES) - 1)
    half, third = width / 2, rise / 6
    outline = f"l{half:.1f} {third:.1f}v{2 * third:.1f}l{-half:.1f} {third:.1f}"
    outline += f"l{-half:.1f} {-third:.1f}v{-2 * third:.1f}z"
    paths: list[tuple[int, str]] = []
    for shade in np.unique(shades):
        chosen = cells[:, shades == shade]
        corners = zip(chosen[0] * width, chosen[1] * rise - 2 * third, strict=True)
        paths.append((int(shade), "".join(f"M{a:.1f} {b:.1f}{outline}" for a, b in corners)))
    return paths
