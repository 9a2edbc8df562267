"""Trees around a centre: every step away from it is a ring, and every branch has a sector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["Point", "radial", "shelves"]

Point: TypeAlias = tuple[float, float]
#: Pixels between rings, between neighbours on a ring, and between the rings that a crowd shares.
RING, APART, CROWD = 24.0, 12.0, 10.0


def radial(centre: Sequence[int], children: Mapping[int, Sequence[int]]) -> dict[int, Point]:
    """Item -> place around (0, 0): those of the centre first, on a circle if they are several.

    children: what hangs on an item; every item hangs on one. A branch has an angle in proportion
    to its ends; a ring that is too crowded is split into several.
    """
    rings: list[list[int]] = [list(centre)]
    while below := [child for one in rings[-1] for child in children.get(one, ())]:
        rings.append(below)
    ends: dict[int, float] = {}
    for ring in reversed(rings):
        for one in ring:
            ends[one] = sum(ends[child] for child in children.get(one, ())) or 1.0
    sectors = _shared(rings[0], ends, (-0.5 * math.pi, 1.5 * math.pi))
    radius = 0.0 if len(centre) == 1 else max(12.0, len(centre) * 15.0 / (2 * math.pi))
    places: dict[int, Point] = {}
    for depth, ring in enumerate(rings):
        if depth:
            for one in rings[depth - 1]:
                sectors.update(_shared(children.get(one, ()), ends, sectors[one]))
            radius += RING
        split = max(1, math.ceil(len(ring) * APART / (2 * math.pi * max(radius, RING))))
        for number, one in enumerate(ring):
            angle = sum(sectors[one]) / 2
            own = radius + CROWD * (number % split if depth else 0)
            places[one] = (own * math.cos(angle), own * math.sin(angle))
        radius += CROWD * (split - 1) if depth else 0.0
    return places


def shelves(sizes: Sequence[Point], width: float) -> tuple[list[Point], float]:
    """The upper left corner of every box, row after row, and the height of all.

    sizes: (width, height) of boxes; a row is as high as its highest box, and is centred.
    """
    rows: list[list[int]] = [[]]
    used = 0.0
    for number, (wide, _) in enumerate(sizes):
        if rows[-1] and used + wide > width:
            rows.append([])
            used = 0.0
        rows[-1].append(number)
        used += wide
    corners: list[Point] = [(0.0, 0.0)] * len(sizes)
    top = 0.0
    for row in rows:
        high = max((sizes[one][1] for one in row), default=0.0)
        left = 0.5 * (width - sum(sizes[one][0] for one in row))
        for one in row:
            corners[one] = (left, top + 0.5 * (high - sizes[one][1]))
            left += sizes[one][0]
        top += high
    return corners, top


def _shared(items: Sequence[int], ends: Mapping[int, float], sector: Point) -> dict[int, Point]:
    """A sector cut in proportion to the ends of items."""
    begin, whole = sector[0], sum(ends[one] for one in items)
    found: dict[int, Point] = {}
    for one in items:
        stop = begin + (sector[1] - sector[0]) * ends[one] / whole
        found[one] = (begin, stop)
        begin = stop
    return found
