"""Attractors of a logic network that has too many states to draw: a row each, a column an id."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from markupsafe import Markup

from cellula.core.numerals import count, plural
from cellula.models.mechanistic.attractors import Attractor, Attractors
from cellula.report.standing import standing
from cellula.report.svg import CHARACTER, label, rectangle, shorten, tag

__all__ = ["attractor_grid"]

#: Rows and columns that are drawn at most; pixels of a cell, of the words beside and above.
ROWS, COLUMNS = 40, 120
CELL, LEFT, NAMES, TOP = 15.0, 150.0, 130.0, 66.0
STYLE = ".off{fill:none;stroke:var(--line)}.name{font-size:11px}"


def attractor_grid(found: Attractors, title: str) -> str:
    """An SVG with the levels of up to 40 attractors, the fixed points first.

    A full cell is a component at its highest level, an empty one at 0, one that is filled in part
    in between; the second colour is for levels that change within the attractor. Components that
    are the same in all rows are counted, not drawn, and so are those beyond 120.
    """
    rows = list(islice(found, ROWS))
    ids = [one.id for one in found.network.components]
    differ = [id for id in ids if len({one.levels[id] for one in rows}) > 1 or _moves(rows, id)]
    columns = differ[:COLUMNS]
    n = found.n_fixed_points + found.n_complex
    many = f"{plural(found.n_fixed_points, 'fixed point')}, {plural(found.n_complex, 'other')}"
    if len(rows) < n:
        many += f"; the first {len(rows)} of {count(n)} are drawn"
    same = len(ids) - len(columns)
    note = f"full: highest level, empty: 0, orange: changes; {plural(same, 'id')} not drawn"
    if len(differ) == len(columns):
        note += ": alike in all rows"
    words = f"{plural(len(ids), 'component')}, {found.update} update: {many}"
    width = max(LEFT + CELL * len(columns) + 24, CHARACTER * max(len(words), len(note)) + 24)
    bottom = TOP + NAMES
    parts: list[Markup] = []
    for number, id in enumerate(columns):
        parts.append(_name(LEFT + CELL * (number + 0.5) + 4, bottom - 6, id))
    most = {one.id: one.max_level for one in found.network.components}
    for number, one in enumerate(rows):
        y = bottom + CELL * number
        parts.append(label(12, y + 11, shorten(_kind(one), LEFT - 16)))
        parts += [
            cell
            for place, id in enumerate(columns)
            for cell in _cell(LEFT + CELL * place, y, one.levels[id], most[id])
        ]
    head = [
        tag("style", {}, Markup(STYLE)),  # noqa: S704 -- a constant
        label(12, 19, shorten(title, width - 24), style="ink"),
        label(12, 36, words),
        label(12, 53, note),
    ]
    alternative = f"{title}: {words}."
    return standing(width, bottom + CELL * len(rows) + 16, alternative, *head, *parts)


def _moves(rows: Sequence[Attractor], id: str) -> bool:
    return any(len(one.levels[id]) > 1 for one in rows)


def _kind(one: Attractor) -> str:
    return "fixed point" if one.n_states == 1 else f"{one.kind} of {count(one.n_states)}"


def _name(x: float, y: float, id: str) -> Markup:
    """An id that reads upwards."""
    turn = f"rotate(-90 {x:.1f} {y:.1f})"
    told = shorten(id, NAMES - CHARACTER)
    return tag("text", {"x": x, "y": y, "transform": turn, "class": "name"}, told)


def _cell(x: float, y: float, levels: Sequence[int], most: int) -> list[Markup]:
    size = CELL - 2
    drawn = [rectangle(x + 0.5, y + 0.5, size, size, "off")]
    if len(levels) > 1:
        drawn.append(rectangle(x + 3, y + 3, size - 5, size - 5, "c2"))
    elif levels[0]:
        high = size * levels[0] / most
        drawn.append(rectangle(x + 0.5, y + 0.5 + size - high, size, high, "c1"))
    return drawn
