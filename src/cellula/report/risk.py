"""Risk against coverage on a page: what declining the doubtful answers does to the error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cellula.core.numerals import estimate, number, percent
from cellula.evaluation.risk_coverage import Doubt
from cellula.report.blocks import Block, Cell, Column, Figure, Table, Text
from cellula.report.figures import twice
from cellula.report.svg import Scale, drawing, label, line, ticks

__all__ = ["risk_blocks"]

Floats = NDArray[np.float64]

HEIGHT = 260.0
#: Points of a drawn curve at most.
MOST_POINTS = 120
COLOURS = ("s1", "s2", "s4")


def risk_blocks(doubts: Sequence[Doubt]) -> tuple[Block, ...]:
    """The curves, and a table of what declining the most doubtful share gains."""
    columns = (
        Column("doubt by", is_name=True),
        Column("error of all", is_number=True),
        Column("error of the kept", is_number=True),
        Column("gain", is_number=True, hint="95 % interval over units"),
        Column("excess", is_number=True, hint="0 the best doubt, 1 none"),
    )
    rows = tuple(
        (
            Cell(one.name, one.gain.reason, is_prose=True),
            Cell(number(one.gain.whole, 3)),
            Cell(number(one.gain.kept, 3)),
            Cell(estimate(one.gain.value, one.gain.lower, one.gain.upper)),
            Cell(number(one.curve.excess, 2)),
        )
        for one in doubts
    )
    share = percent(doubts[0].gain.share, 0)
    caption = (
        f"Declining the {share} of questions of the largest doubt. A gain whose interval holds 0 "
        "is none: such a doubt does not tell where the prediction is wrong."
    )
    return (
        _figure(doubts),
        Table(columns, rows, caption, is_stacked=True),
        Text("Error: root mean square over readouts and groups; every unit counts once.", True),
    )


def _figure(doubts: Sequence[Doubt]) -> Figure:
    """The error of the answers kept against the share kept; dashed: the best that doubt can do."""
    told = "; ".join(
        f"{one.name}: error {number(one.gain.whole, 3)} of all, {number(one.gain.kept, 3)} without "
        f"the most doubtful {percent(one.gain.share, 0)}"
        for one in doubts
    )
    alternative = f"Error against the share of questions that is answered. {told}."
    caption = (
        "Error of the answers that are kept when the most doubtful are declined first. A line that "
        "falls to the left: doubt knows. Dashed: the best that any doubt could do."
    )
    return twice(lambda width: _drawing(doubts, alternative, width), caption)


def _drawing(doubts: Sequence[Doubt], alternative: str, width: float) -> Markup:
    top, bottom, left, right = 24.0 + 16.0 * len(doubts), HEIGHT - 40.0, 52.0, width - 12.0
    high = max(float(one.curve.risk.max()) for one in doubts)
    x, y = Scale(0.0, 1.0, left, right), Scale(0.0, 1.05 * high if high > 0 else 1.0, bottom, top)
    parts = []
    for value in ticks(y.low, y.high, 4):
        parts.append(line(left, y(value), right, y(value), "ax" if value == 0 else "grid"))
        parts.append(label(left - 8, y(value) + 4, number(value), anchor="end"))
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(label(x(value), bottom + 16, percent(value, 0), anchor="middle"))
    parts.append(label((left + right) / 2, HEIGHT - 6, "share answered", anchor="middle"))
    first = doubts[0].curve
    parts += _steps(first.kept, first.best, x, y, "ax dashed")
    for place, one in enumerate(doubts):
        style = COLOURS[place % len(COLOURS)]
        parts += _steps(one.curve.kept, one.curve.risk, x, y, style)
        height = 14.0 + 16.0 * place
        parts.append(line(left, height - 4, left + 22, height - 4, style))
        parts.append(label(left + 28, height, one.name))
    return drawing(width, HEIGHT, alternative, *parts)


def _steps(kept: Floats, risk: Floats, x: Scale, y: Scale, style: str) -> list[Markup]:
    rows = np.unique(np.linspace(0, len(kept) - 1, MOST_POINTS).astype(np.int64))
    points = [(x(float(kept[i])), y(float(risk[i]))) for i in rows]
    return [line(*one, *other, style) for one, other in pairwise(points)]
