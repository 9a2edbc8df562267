"""Curves over a logarithmic height: convergence of a training, errors over a weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from cellula.core.errors import DataError
from cellula.report.population_bands import axis_number
from cellula.report.standing import standing
from cellula.report.svg import Scale, circle, label, line, path, shorten, ticks

__all__ = ["log_curves"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560.0, 340.0, 64.0, 150.0, 52.0, 56.0
#: Told apart by colour and by dashes.
STYLES = ("s1 middle", "s2 middle", "s1 middle dashed", "s2 middle dashed")
#: Labels at the right are so far apart.
APART = 16.0

Curve = Sequence[tuple[float, float]]


def log_curves(
    curves: Mapping[str, Curve], title: str, axes: tuple[str, str], *, log_across: bool = False
) -> str:
    """An SVG of up to four curves, name -> (across, up), over powers of ten.

    log_across: powers of ten across too. axes: words across and up. Points that are not positive
    and finite have no logarithm and are left out. Raises DataError where a
    curve has no point left, or there are more than four.
    """
    if not 1 <= len(curves) <= len(STYLES):
        raise DataError(f"{len(curves)} curves; expected 1 to {len(STYLES)}")
    drawn = {name: list(_points(curve, log_across)) for name, curve in curves.items()}
    for name, points in drawn.items():
        if not points:
            raise DataError(f"the curve {name!r} has no positive number to draw")
    every = [point for points in drawn.values() for point in points]
    x = Scale(min(a for a, _ in every), max(a for a, _ in every), LEFT, WIDTH - RIGHT)
    low, high = min(b for _, b in every), max(b for _, b in every)
    y = Scale(math.floor(low), max(math.ceil(high), math.floor(low) + 1), HEIGHT - BOTTOM, TOP)
    parts = [label(12, 19, shorten(title, WIDTH - 24), style="ink"), *_axes(x, y, axes, log_across)]
    ends = _ends({name: y(points[-1][1]) for name, points in drawn.items()})
    for style, (name, points) in zip(STYLES, drawn.items(), strict=False):
        dots = [(x(a), y(b)) for a, b in points]
        parts.append(path("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in dots), style))
        if len(points) <= 20:
            parts += [circle(a, b, 3, f"c{style[1]}") for a, b in dots]
        parts.append(label(WIDTH - RIGHT + 10, ends[name] + 4, shorten(name, RIGHT - 14)))
    told = "; ".join(f"{name} ends at {10 ** points[-1][1]:.3g}" for name, points in drawn.items())
    return standing(WIDTH, HEIGHT, f"{title}. {told}.", *parts)


def _points(curve: Curve, log_across: bool) -> Iterator[tuple[float, float]]:
    for across, up in curve:
        if not (math.isfinite(up) and up > 0 and math.isfinite(across)):
            continue
        if not log_across:
            yield float(across), math.log10(up)
        elif across > 0:
            yield math.log10(across), math.log10(up)


def _axes(x: Scale, y: Scale, axes: tuple[str, str], log_across: bool) -> Iterator[Markup]:
    decades = list(range(round(y.low), round(y.high) + 1))
    every = max(1, math.ceil(len(decades) / 8))
    for decade in decades[::every]:
        yield line(LEFT, y(decade), WIDTH - RIGHT, y(decade), "grid")
        yield label(LEFT - 6, y(decade) + 4, f"1e{decade:d}", anchor="end")
    for value in ticks(x.low, x.high, 5):
        if log_across and value != round(value):
            continue
        words = f"1e{round(value):d}" if log_across else axis_number(value)
        yield label(x(value), HEIGHT - BOTTOM + 18, words, anchor="middle")
    yield label(WIDTH - RIGHT, HEIGHT - 14, f"{axes[0]} →", anchor="end", style="ink")
    yield label(LEFT, TOP - 10, f"{axes[1]} ↑", style="ink")


def _ends(heights: Mapping[str, float]) -> dict[str, float]:
    """Where labels stand: at the end of their curve, moved down where they would overlap."""
    found: dict[str, float] = {}
    last = -math.inf
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        last = max(height, last + APART)
        found[name] = last
    return found
