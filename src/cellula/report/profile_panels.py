"""Profile likelihoods: a small panel a parameter, with its threshold and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cellula.core.errors import DataError
from cellula.report.population_bands import axis_number
from cellula.report.standing import standing
from cellula.report.svg import Scale, circle, group, label, line, path, shorten, ticks

__all__ = ["ProfilePanel", "profile_panels"]

PANEL, RISE, LEFT, RIGHT, ABREAST, TOP = 330.0, 214.0, 44.0, 24.0, 3, 44.0


@dataclass(frozen=True, slots=True)
class ProfilePanel:
    """A profile as it is drawn.

    scale: of the axis, in words: ``log10`` or "". at, rise: (points,), the parameter on that
    scale, and by how much the profile is above its least value. optimum: on the scale.
    lower, upper: of the interval; infinite where it is open. words: what it says.
    """

    id: str
    scale: str
    at: Sequence[float]
    rise: Sequence[float]
    threshold: float
    optimum: float
    lower: float
    upper: float
    words: str


def profile_panels(panels: Sequence[ProfilePanel], title: str) -> str:
    """An SVG with a panel a parameter. Raises DataError where there is none."""
    if not panels:
        raise DataError("no profile was asked for; there is none to draw")
    abreast = min(ABREAST, len(panels))
    drawn = [
        group(*_panel(one), dx=place % abreast * PANEL, dy=TOP + place // abreast * RISE)
        for place, one in enumerate(panels)
    ]
    width, height = PANEL * abreast, TOP + RISE * math.ceil(len(panels) / abreast)
    told = "; ".join(f"{one.id}: {one.words}" for one in panels)
    head = [
        label(12, 19, shorten(title, width - 24), style="ink"),
        label(12, 36, "dashed: the threshold; shaded: the interval"),
    ]
    return standing(width, height, f"{title}. {told}.", *head, *drawn)


def _panel(one: ProfilePanel) -> list[Markup]:
    top = 1.6 * one.threshold
    low, high = min(one.at), max(one.at)
    margin = 0.04 * (high - low) or 0.5
    x = Scale(low - margin, high + margin, LEFT, PANEL - RIGHT)
    y = Scale(0.0, top, RISE - 62, 32)
    name = f"{one.scale}({one.id})" if one.scale else one.id
    parts = [
        label(LEFT, 12, shorten(name, PANEL - LEFT - RIGHT), style="ink"),
        label(LEFT, 26, shorten(_short(one.words), PANEL - LEFT)),
        _shade(one, x, y),
    ]
    for value in ticks(0.0, top, 3):
        parts.append(line(LEFT, y(value), PANEL - RIGHT, y(value), "grid" if value else "ax"))
        parts.append(label(LEFT - 6, y(value) + 4, axis_number(value), anchor="end"))
    for value in ticks(x.low, x.high, 4):
        parts.append(label(x(value), RISE - 44, axis_number(value), anchor="middle"))
    parts.append(line(LEFT, y(one.threshold), PANEL - RIGHT, y(one.threshold), "ax dashed"))
    points = [(x(a), y(b)) for a, b in zip(one.at, one.rise, strict=True)]
    parts.append(path("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points), "s1 middle"))
    parts.append(circle(x(one.optimum), y(0.0), 4.0, "c2"))
    return parts


def _shade(one: ProfilePanel, x: Scale, y: Scale) -> Markup:
    left = x(one.lower) if math.isfinite(one.lower) else LEFT
    right = x(one.upper) if math.isfinite(one.upper) else PANEL - RIGHT
    edge = f"M{left:.1f} {y(0.0):.1f}H{right:.1f}V{y.stop:.1f}H{left:.1f}Z"
    return path(edge, "c1", 0.10)


def _short(words: str) -> str:
    """The verdict without what the panel shows."""
    return words.replace("structurally not identifiable: ", "structural: ").replace(
        "practically not identifiable: ", "practical: "
    )
