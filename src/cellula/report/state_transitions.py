"""The state-transition graph of a logic network: states, the steps between them, where they end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from markupsafe import Markup

from cellula.core.numerals import count, plural
from cellula.models.mechanistic.state_graph import StateGraph
from cellula.report.radial_layout import Point, radial, shelves
from cellula.report.standing import standing
from cellula.report.svg import circle, diamond, group, label, path, shorten, tag

__all__ = ["state_transitions"]

#: Pixels around a basin and below it, the least width that its words need, and of the drawing.
ROOM, WORDS, LEAST, WIDTH, TOP = 18.0, 34.0, 170.0, 920.0, 66.0
#: So many basins are drawn, the greatest; and of more steps than this the shortest ways alone.
MOST_BASINS, MOST_STEPS = 48, 600
STYLE = """
.step{stroke:var(--soft);stroke-width:.8;stroke-opacity:.5;fill:none}
.away{stroke:var(--d2);stroke-width:.8;stroke-opacity:.4;fill:none}
.head{fill:var(--soft)}.open{fill:var(--paper);stroke:var(--d1);stroke-width:1.4}
"""


@final
@dataclass(frozen=True, slots=True)
class _Basin:
    """An attractor and what is nearest to it: state -> place in its box; n: how many states.

    size: of the box, room around it and words below it included.
    """

    number: int
    at: Mapping[int, Point]
    n: int
    size: Point


def state_transitions(graph: StateGraph, title: str) -> str:
    """An SVG of all states: every attractor in the middle of its basin, one step a ring.

    Diamonds are fixed points, big discs the states of other attractors, small discs what ends
    there, open ones what may also end elsewhere. Steps into another basin have the second colour;
    of many steps those on shortest ways are drawn, and of many basins the greatest.
    """
    basins = _basins(graph)
    corners, height = shelves([one.size for one in basins], WIDTH)
    at: dict[int, Point] = {}
    words: list[Markup] = []
    for one, (left, top) in zip(basins, corners, strict=True):
        at.update({state: (left + x, top + y) for state, (x, y) in one.at.items()})
        words += _words_below(graph, one, left + one.size[0] / 2, top + one.size[1] - WORDS)
    kinds = f"{plural(len(graph.levels), 'state')}, {graph.update} steps"
    many = plural(graph.n_attractors, "attractor")
    if len(basins) < graph.n_attractors:
        many += f", of which the {len(basins)} with the greatest basins are drawn"
    head = [
        tag("style", {}, Markup(STYLE)),  # noqa: S704 -- a constant
        label(12, 19, shorten(title, WIDTH - 24), style="ink"),
        label(12, 36, f"{kinds}: {many}. Levels stand for {_named(graph)}"),
        label(12, 53, _legend(graph)),
    ]
    told = "; ".join(f"{_levels(graph, one.number)}, {_kind(graph, one)}" for one in basins[:12])
    drawn = group(*_steps(graph, at), *_states(graph, at), *words, dy=TOP)
    alternative = f"{title}: {kinds}, {many}. {told}."
    return standing(WIDTH, TOP + height + 8, alternative, *head, drawn)


def _named(graph: StateGraph) -> str:
    return shorten(" ".join(graph.network.ids), 460)


def _legend(graph: StateGraph) -> str:
    words = ["diamond: fixed point", "large disc: other attractor", "a ring further: a step more"]
    if (graph.n_reached > 1).any():
        words.append("open: may end elsewhere")
    if len(graph.before) > MOST_STEPS:
        words.append(f"shortest ways of {count(len(graph.before))} steps")
    return "; ".join(words)


def _basins(graph: StateGraph) -> list[_Basin]:
    sizes = np.bincount(graph.basin, minlength=graph.n_attractors)
    found: list[_Basin] = []
    for number in np.argsort(-sizes, kind="stable")[:MOST_BASINS].tolist():
        children: dict[int, list[int]] = {}
        for state in np.flatnonzero((graph.basin == number) & (graph.ahead >= 0)).tolist():
            children.setdefault(int(graph.ahead[state]), []).append(state)
        found.append(_boxed(number, radial(_in_turn(graph, number), children), int(sizes[number])))
    return found


def _boxed(number: int, around: Mapping[int, Point], n: int) -> _Basin:
    """A basin in a box that it fills."""
    across, up = [x for x, _ in around.values()], [y for _, y in around.values()]
    wide, high = max(across) - min(across), max(up) - min(up)
    size = max(wide + 2 * ROOM, LEAST), high + 2 * ROOM + WORDS
    left = 0.5 * (size[0] - wide) - min(across)
    at = {state: (x + left, y + ROOM - min(up)) for state, (x, y) in around.items()}
    return _Basin(number, at, n, size)


def _in_turn(graph: StateGraph, number: int) -> Sequence[int]:
    """The states of an attractor, each after one that steps to it where there is such."""
    own = np.flatnonzero(graph.attractor == number).tolist()
    after: dict[int, list[int]] = {}
    inside = np.isin(graph.before, own)
    for here, there in zip(graph.before[inside], graph.after[inside], strict=True):
        after.setdefault(int(here), []).append(int(there))
    order = dict.fromkeys(own[:1])
    pending = own[:1]
    while pending:
        fresh = [one for one in after.get(pending.pop(), ()) if one not in order]
        order.update(dict.fromkeys(fresh))
        pending += fresh
    return list(order)


def _levels(graph: StateGraph, number: int) -> str:
    """The levels of an attractor, a star where they change."""
    own = graph.levels[graph.attractor == number]
    return "".join(str(column[0]) if np.ptp(column) == 0 else "*" for column in own.T)


def _kind(graph: StateGraph, basin: _Basin) -> str:
    n = int((graph.attractor == basin.number).sum())
    rest = "cycle" if graph.update == "synchronous" else "attractor"
    kind = "fixed point" if n == 1 else f"{rest} of {count(n)}"
    return f"{kind}, nearest to {count(basin.n)}"


def _words_below(graph: StateGraph, basin: _Basin, x: float, y: float) -> list[Markup]:
    wide = basin.size[0] - 4
    return [
        label(x, y + 8, shorten(_levels(graph, basin.number), wide), anchor="middle", style="ink"),
        label(x, y + 23, shorten(_kind(graph, basin), 1.2 * wide), anchor="middle"),
    ]


def _states(graph: StateGraph, at: Mapping[int, Point]) -> list[Markup]:
    sizes = np.bincount(graph.attractor[graph.attractor >= 0])
    drawn: list[Markup] = []
    for state, (x, y) in at.items():
        own = int(graph.attractor[state])
        if own < 0:
            is_open = graph.n_reached[state] > 1
            mark = circle(x, y, 3.2, "open" if is_open else "c1")
        else:
            mark = diamond(x, y, 7.5, "c2") if sizes[own] == 1 else circle(x, y, 5.5, "c2")
        name = "".join(map(str, graph.levels[state].tolist()))
        drawn.append(tag("g", {}, tag("title", {}, name), mark))
    return drawn


def _steps(graph: StateGraph, at: Mapping[int, Point]) -> list[Markup]:
    """Curves with heads, so that a step there and one back are two."""
    lines: dict[str, list[str]] = {"step": [], "away": []}
    heads: list[str] = []
    is_all = len(graph.before) <= MOST_STEPS
    for here, there in zip(graph.before.tolist(), graph.after.tolist(), strict=True):
        is_told = is_all or graph.ahead[here] == there or graph.attractor[here] >= 0
        if is_told and here in at and there in at:
            is_away = graph.basin[here] != graph.basin[there]
            line, head = _arrow(at[here], at[there], 8.0 if graph.attractor[there] >= 0 else 4.5)
            lines["away" if is_away else "step"].append(line)
            heads.append(head)
    return [
        *(path("".join(some), style) for style, some in lines.items() if some),
        path("".join(heads), "head", 0.6),
    ]


def _arrow(begin: Point, end: Point, short: float) -> tuple[str, str]:
    """A bent line that ends ``short`` of a place, and the triangle at its end."""
    dx, dy = end[0] - begin[0], end[1] - begin[1]
    far = math.hypot(dx, dy) or 1.0
    bend = min(0.12 * far, 14.0)
    x, y = (begin[0] + end[0]) / 2 - dy / far * bend, (begin[1] + end[1]) / 2 + dx / far * bend
    ux, uy = end[0] - x, end[1] - y
    own = math.hypot(ux, uy) or 1.0
    ux, uy = ux / own, uy / own
    tip = (end[0] - short * ux, end[1] - short * uy)
    back = (tip[0] - 4 * ux, tip[1] - 4 * uy)
    line = f"M{begin[0]:.1f} {begin[1]:.1f}Q{x:.1f} {y:.1f} {tip[0]:.1f} {tip[1]:.1f}"
    head = (
        f"M{tip[0]:.1f} {tip[1]:.1f}L{back[0] - 2 * uy:.1f} {back[1] + 2 * ux:.1f}"
        f"L{back[0] + 2 * uy:.1f} {back[1] - 2 * ux:.1f}Z"
    )
    return line, head
