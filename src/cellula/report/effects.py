"""Real against predicted changes of genes: one point a gene, its mark by who finds it significant.

One scatter says what two volcanoes leave to the eye: whether the same genes move, in the same
direction and by as much. Disc = significant on both sides, square = in the real cells only,
diamond = in the prediction only, small grey dot = neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.core.numerals import number
from cellula.report.blocks import Figure
from cellula.report.figures import twice
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
    shorten,
    square,
    ticks,
)

__all__ = ["ChangePanel", "effects_figure"]

#: So many genes are named, the strongest real changes first.
NAMED = 4
#: About how wide a capital is: names of genes are made of them.
CAPITAL = 1.25 * CHARACTER
TOP, LEFT, BELOW = 42.0, 36.0, 40.0

#: What the four marks mean where both sides are tested, and where the real one is.
Names: TypeAlias = tuple[str, str, str, str]
TESTED: Names = ("both", "real only: missed", "predicted only: false alarm", "neither")
NOT_TESTED: Names = ("", "the real cells", "", "neither; predicted means have no test")
#: Left, top, right, bottom.
Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ChangePanel:
    """Changes (genes,) of one perturbation on both sides, and which are significant on which."""

    title: str
    subtitle: str
    names: Sequence[str]
    real: NDArray[np.float64]
    predicted: NDArray[np.float64]
    is_real: NDArray[np.bool_]
    is_predicted: NDArray[np.bool_]

    @property
    def limit(self) -> float:
        """Half the width of the frame: all that is significant, and most of what is not."""
        both = np.abs(np.stack([self.real, self.predicted]))
        called = both[:, self.is_real | self.is_predicted]
        quiet = float(np.quantile(both, 0.95)) if both.size else 0.0
        return 1.12 * max(quiet, float(called.max(initial=0.0)), 1e-6)


def effects_figure(
    panels: Sequence[ChangePanel], what: str, told: str, caption: str, *, has_test: bool = True
) -> Figure:
    """Panels side by side (below one another on a phone), each with the line of equality.

    what: of what the axes are, such as log₂ fold change; told: the numbers, for the text
    alternative. has_test: whether predicted changes are tested; if not, marks tell the real ones.
    """
    alternative = f"Real against predicted {what} of every gene. {told}"
    legend = TESTED if has_test else NOT_TESTED
    return twice(lambda width: _drawing(panels, what, legend, alternative, width), caption)


def _drawing(
    panels: Sequence[ChangePanel], what: str, names: Names, alternative: str, width: float
) -> Markup:
    is_narrow = width < 500
    abreast = 1 if is_narrow else len(panels)
    gap = 16.0
    room = (width - gap * (abreast - 1)) / abreast
    side = min(room - LEFT - 6, 330.0)
    legend = 58.0 if is_narrow else 26.0
    parts = [_legend(names, is_narrow)]
    for place, panel in enumerate(panels):
        column, row = place % abreast, place // abreast
        dy = legend + row * (side + TOP + BELOW + 10)
        parts.append(group(*_panel(panel, what, side), dx=column * (room + gap), dy=dy))
    rows = math.ceil(len(panels) / abreast)
    height = legend + rows * (side + TOP + BELOW) + (rows - 1) * 10
    return drawing(width, height, alternative, *parts)


def _legend(names: Names, is_narrow: bool) -> Markup:
    marks: tuple[Callable[[float, float], Markup], ...] = (
        lambda x, y: circle(x, y, 4, "c1"),
        lambda x, y: square(x, y, 3.6, "c2"),
        lambda x, y: diamond(x, y, 5, "c3"),
        lambda x, y: circle(x, y, 1.6, "c4"),
    )
    parts = [label(0, 12, "significant in", style="ink")]
    x, y = (0.0, 30.0) if is_narrow else (104.0, 12.0)
    for place, (name, mark) in enumerate(zip(names, marks, strict=True)):
        if is_narrow and place == 2:
            x, y = 0.0, 48.0
        if not name:
            continue
        parts += [mark(x + 6, y - 4), label(x + 16, y, name)]
        x += 34 + CHARACTER * len(name) * 0.9
    return group(*parts)


def _panel(panel: ChangePanel, what: str, side: float) -> list[Markup]:
    limit = panel.limit
    x = Scale(-limit, limit, LEFT, LEFT + side)
    y = Scale(-limit, limit, TOP + side, TOP)
    parts = [
        label(LEFT, TOP - 24, shorten(panel.title, side), style="ink"),
        label(LEFT, TOP - 9, panel.subtitle),
    ]
    for value in ticks(-limit, limit, 4):
        style = "ax" if value == 0 else "grid"
        parts += [
            line(LEFT, y(value), LEFT + side, y(value), style),
            line(x(value), TOP, x(value), TOP + side, style),
            label(LEFT - 5, y(value) + 4, number(value), anchor="end"),
            label(x(value), TOP + side + 15, number(value), anchor="middle"),
        ]
    parts.append(line(LEFT, TOP + side, LEFT + side, TOP, "limit"))
    parts += _marks(panel, x, y)
    parts += _names(panel, x, y)
    parts.append(label(LEFT + side, TOP + side + 32, f"real {what} →", anchor="end"))
    parts.append(label(LEFT + side, TOP - 9, "predicted ↑", anchor="end"))
    return parts


def _marks(panel: ChangePanel, x: Scale, y: Scale) -> list[Markup]:
    kinds = _kinds(panel)
    inside = np.maximum(np.abs(panel.real), np.abs(panel.predicted)) <= x.high
    chosen = [
        [(x(a), y(b)) for a, b in zip(panel.real[rows], panel.predicted[rows], strict=True)]
        for rows in (inside & (kinds == kind) for kind in range(4))
    ]
    rhombs = "".join(f"M{a:.1f} {b - 3.6:.1f}l3.6 3.6l-3.6 3.6l-3.6 -3.6z" for a, b in chosen[2])
    parts = [dots(chosen[3], 2.4, "s4 round")] if chosen[3] else []
    parts += [path(rhombs, "c3")] if chosen[2] else []
    parts += [dots(chosen[1], 5.0, "s2 square")] if chosen[1] else []
    parts += [dots(chosen[0], 5.6, "s1 round")] if chosen[0] else []
    return parts


def _kinds(panel: ChangePanel) -> NDArray[np.int64]:
    """0: significant on both sides, 1: real only, 2: predicted only, 3: neither."""
    found = np.where(panel.is_real, 1, np.where(panel.is_predicted, 2, 3))
    return np.where(panel.is_real & panel.is_predicted, 0, found).astype(np.int64)


def _names(panel: ChangePanel, x: Scale, y: Scale) -> list[Markup]:
    """The strongest real changes by name, where a name covers neither a name nor a mark."""
    called = np.flatnonzero(panel.is_real | panel.is_predicted)
    marks = [(x(float(panel.real[k])), y(float(panel.predicted[k]))) for k in called]
    order = np.argsort(-np.abs(panel.real[called]), kind="stable")
    taken: list[Box] = []
    parts: list[Markup] = []
    for place in order:
        if len(parts) == NAMED or not panel.is_real[called[place]]:
            continue
        name = shorten(panel.names[called[place]], 90)
        px, py = marks[place]
        outward = -1 if px < (x.start + x.stop) / 2 else 1
        for side in (outward, -outward):
            near = px + 7 * side
            far = near + side * CAPITAL * len(name)
            box = (min(near, far), py - 6, max(near, far), py + 6)
            others = [spot for k, spot in enumerate(marks) if k != place]
            if _is_free(box, taken, others) and _is_inside(box, x, y):
                taken.append(box)
                anchor = "end" if side < 0 else "start"
                parts.append(label(near, py + 4, name, anchor=anchor, style="ink halo"))
                break
    return parts


def _is_free(box: Box, taken: Sequence[Box], marks: Sequence[tuple[float, float]]) -> bool:
    left, top, right, bottom = box
    return not any(
        left < b[2] and b[0] < right and top < b[3] and b[1] < bottom for b in taken
    ) and not any(left - 2 < a < right + 2 and top < b < bottom for a, b in marks)


def _is_inside(box: Box, x: Scale, y: Scale) -> bool:
    """Whether a name stays in the frame."""
    return box[0] > x.start and box[2] < x.stop and box[1] > y.stop and box[3] < y.start
