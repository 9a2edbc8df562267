"""A flux map: metabolites and the reactions between them, lines as wide as fluxes are great."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from markupsafe import Markup

from cellula.core.errors import DataError
from cellula.core.flux import Fluxes
from cellula.core.network import Network, Reaction
from cellula.core.numerals import count, plural
from cellula.report.layered_layout import Layers, layered
from cellula.report.standing import standing
from cellula.report.svg import CHARACTER, circle, label, path, shorten, square, tag

__all__ = ["flux_map"]

Point: TypeAlias = tuple[float, float]
#: A smaller flux, relative to the greatest, is none.
NONE = 1e-9
#: A metabolite of more running reactions than this is split: every reaction has its own.
MANY = 12
#: What is split in any case, by its name without compartment: the common carriers.
CURRENCY = frozenset(
    (
        *("atp", "adp", "amp", "gtp", "gdp", "gmp", "utp", "udp", "ctp", "cdp", "coa", "h", "h2o"),
        *("nad", "nadh", "nadp", "nadph", "fad", "fadh2", "q8", "q8h2", "pi", "ppi", "co2", "o2"),
        *("nh4", "hco3"),
    )
)
#: Pixels between layers and between items, of the widest line, above all, beside, and of a
#: reaction that stands alone.
DOWN, ACROSS, WIDEST, TOP, BESIDE, ALONE = 34.0, 84.0, 9.0, 84.0, 40.0, 150.0
STYLE = """
.flow{stroke:var(--d1);fill:none;stroke-opacity:.72;stroke-linecap:round}
.goal{stroke:var(--d2);fill:none;stroke-opacity:.85;stroke-linecap:round}
.node{fill:var(--paper);stroke:var(--soft);stroke-width:1.2}.tiny{font-size:10px}
.halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
"""


@final
@dataclass(frozen=True, slots=True)
class _Map:
    """What is drawn: items are metabolites and reactions, edges lead from item to item.

    flux: of an edge's reaction; beside: reaction -> split metabolites that it takes and makes;
    alone: reactions that have no edge.
    """

    metabolites: tuple[str, ...]
    reactions: tuple[Reaction, ...]
    edges: tuple[tuple[int, int], ...]
    flux: tuple[float, ...]
    beside: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    alone: tuple[Reaction, ...]


def flux_map(network: Network, found: Fluxes, title: str, most: int = 60) -> str:
    """An SVG of the reactions that run, from what is taken up at the top to what is made below.

    Squares are reactions, circles metabolites; a line is as wide as the flux of its reaction, and
    that of the objective has the second colour. Metabolites of many reactions (ATP, water, ...)
    stand in small letters beside each of them, and reactions of such alone below, with their flux.
    Of more than ``most`` running reactions those are drawn that the greatest fluxes link to the
    objective. Raises DataError where there are no fluxes, or all are 0.
    """
    if found.status != "optimal":
        raise DataError(f"flux balance of {network.id!r} is {found.status}: there are no fluxes")
    highest = max((abs(value) for value in found.values.values()), default=0.0)
    running = [r for r in network.reactions if abs(found.values.get(r.id, 0.0)) > NONE * highest]
    if not running:
        raise DataError(f"all fluxes of {network.id!r} are 0; there is nothing to draw")
    split = _split(running)
    goal = _objective(network)
    shown = running if len(running) <= most else _nearest(running, found, goal, split, most)
    drawn = _mapped(shown, found, split)
    widest = max((*drawn.flux, NONE * highest))
    placed = layered(range(len(drawn.metabolites) + len(drawn.reactions)), drawn.edges)
    width = max(2 * BESIDE + ACROSS * (placed.span[1] - placed.span[0] + 1), 640.0)
    middle = 0.5 * (width - ACROSS * sum(placed.span))
    at = {one: (middle + ACROSS * x, TOP + DOWN * layer) for one, (x, layer) in placed.at.items()}
    words = f"{plural(len(running), 'reaction')} of {count(len(network.reactions))} run"
    if len(shown) < len(running):
        words += f"; {len(shown)} drawn, those that the greatest fluxes link to the objective"
    head = [
        tag("style", {}, Markup(STYLE)),  # noqa: S704 -- a constant
        label(12, 19, shorten(title, width - 24), style="ink"),
        label(12, 36, f"objective {found.objective:.6g}; {words}"),
        *_scale(widest),
    ]
    top = sorted(shown, key=lambda r: -abs(found.values[r.id]))[:10]
    told = ", ".join(f"{_short(r.id)} {found.values[r.id]:.4g}" for r in top)
    alternative = f"{title}: objective {found.objective:.6g}, {words}. Greatest fluxes: {told}."
    bottom = TOP + DOWN * placed.n
    below, height = _carriers(drawn, found, bottom, width)
    parts = [*_lines(drawn, placed, at, widest, goal), *_nodes(drawn, at, found), *below]
    return standing(width, height, alternative, *head, *parts)


def _short(id: str) -> str:
    """An id without the prefix that SBML files give it."""
    return id[2:] if id.startswith(("R_", "M_")) else id


def _objective(network: Network) -> frozenset[str]:
    flux = network.flux
    if flux is None:
        return frozenset()
    return frozenset(id for one in flux.objectives if one.id == flux.active for id in one.weights)


def _split(running: Sequence[Reaction]) -> frozenset[str]:
    """Metabolites of so many reactions that lines to them would say nothing."""
    taking = Counter(
        id
        for reaction in running
        for id in {one.species for one in (*reaction.reactants, *reaction.products)}
    )
    return frozenset(
        id for id, n in taking.items() if n > MANY or _short(id).rpartition("_")[0] in CURRENCY
    )


def _sides(reaction: Reaction, flux: float) -> tuple[list[str], list[str]]:
    """What a reaction takes and makes, in the direction in which it runs."""
    takes = [one.species for one in reaction.reactants]
    makes = [one.species for one in reaction.products]
    return (takes, makes) if flux > 0 else (makes, takes)


def _nearest(
    running: Sequence[Reaction],
    found: Fluxes,
    goal: frozenset[str],
    split: frozenset[str],
    most: int,
) -> list[Reaction]:
    """From the objective on, always the reaction of the greatest flux that touches those chosen."""
    size = {one.id: abs(found.values[one.id]) for one in running}
    touching = {
        one.id: {part.species for part in (*one.reactants, *one.products)} - split
        for one in running
    }
    first = [one.id for one in running if one.id in goal] or [max(size, key=size.__getitem__)]
    chosen = dict.fromkeys(first[:most])
    reached = {id for one in chosen for id in touching[one]}
    while len(chosen) < most:
        near = [id for id in size if id not in chosen and touching[id] & reached]
        if not near:
            break
        best = max(near, key=size.__getitem__)
        chosen[best] = None
        reached |= touching[best]
    return [one for one in running if one.id in chosen]


def _mapped(shown: Sequence[Reaction], found: Fluxes, split: frozenset[str]) -> _Map:
    order = sorted(shown, key=lambda one: _rank(one, found.values[one.id]))
    sides = {one.id: _sides(one, found.values[one.id]) for one in order}
    degree = Counter(id for both in sides.values() for side in both for id in side)
    kept = [id for id in degree if id not in split and degree[id] > 1]
    place = {id: k for k, id in enumerate(kept)}
    is_linked = {id: any(one in place for one in (*a, *b)) for id, (a, b) in sides.items()}
    linked = [one for one in order if is_linked[one.id]]
    edges: list[tuple[int, int]] = []
    flux: list[float] = []
    for number, one in enumerate(linked, len(kept)):
        takes, makes = sides[one.id]
        edges += [(place[id], number) for id in takes if id in place]
        edges += [(number, place[id]) for id in makes if id in place]
        flux += [abs(found.values[one.id])] * (len(edges) - len(flux))
    beside = {
        id: (_unplaced(takes, place), _unplaced(makes, place))
        for id, (takes, makes) in sides.items()
    }
    alone = tuple(one for one in order if not is_linked[one.id])
    return _Map(tuple(kept), tuple(linked), tuple(edges), tuple(flux), beside, alone)


def _unplaced(ids: Sequence[str], place: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(_short(id) for id in ids if id not in place)


def _rank(reaction: Reaction, flux: float) -> tuple[bool, float]:
    """What takes up stands first, the greatest flux before others."""
    takes, _ = _sides(reaction, flux)
    return bool(takes), -abs(flux)


def _width(flux: float, highest: float) -> float:
    return max(0.7, WIDEST * flux / highest)


def _lines(
    drawn: _Map,
    placed: Layers,
    at: Mapping[int, Point],
    highest: float,
    goal: frozenset[str],
) -> list[Markup]:
    """Smooth lines through the bends, with their direction in the middle."""
    n = len(drawn.metabolites)
    made: list[Markup] = []
    for (begin, end), flux, way in zip(drawn.edges, drawn.flux, placed.ways, strict=True):
        reaction = drawn.reactions[max(begin, end) - n]
        style = "goal" if reaction.id in goal else "flow"
        points = [at[one] for one in way]
        shape = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            half = (y1 + y2) / 2
            shape += f"C{x1:.1f} {half:.1f} {x2:.1f} {half:.1f} {x2:.1f} {y2:.1f}"
        wide = _width(flux, highest)
        made.append(tag("path", {"d": shape, "class": style, "stroke-width": wide}))
        middle = (len(points) - 1) // 2
        made.append(_head(points[middle], points[middle + 1], wide, style))
    return made


def _head(begin: Point, end: Point, wide: float, style: str) -> Markup:
    """The direction of a line, halfway between two of its points."""
    (x1, y1), (x2, y2) = begin, end
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    dx, dy = 2 * (x2 - x1), y2 - y1
    far = math.hypot(dx, dy) or 1.0
    size = 3.0 + 0.5 * wide
    ux, uy = size * dx / far, size * dy / far
    corners = [(x + ux, y + uy), (x - ux - 0.7 * uy, y - uy + 0.7 * ux)]
    corners.append((x - ux + 0.7 * uy, y - uy - 0.7 * ux))
    shape = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in corners) + "Z"
    return path(shape, "c2" if style == "goal" else "c1")


def _nodes(drawn: _Map, at: Mapping[int, Point], found: Fluxes) -> list[Markup]:
    made: list[Markup] = []
    room = ACROSS - 12
    for number, id in enumerate(drawn.metabolites):
        x, y = at[number]
        made.append(circle(x, y, 5.0, "node"))
        made.append(label(x + 8, y + 4, shorten(_short(id), room), style="ink halo"))
    for number, one in enumerate(drawn.reactions, len(drawn.metabolites)):
        if number in at:
            made += _reaction(one, drawn.beside[one.id], at[number], room, found)
    return made


def _reaction(
    one: Reaction,
    beside: tuple[tuple[str, ...], tuple[str, ...]],
    at: Point,
    room: float,
    found: Fluxes,
) -> list[Markup]:
    """A square with its name, and below it what it takes and makes that has no place of its own."""
    x, y = at
    words = " ".join([*beside[0], "→", *beside[1]]) if any(beside) else ""
    told = f"{_short(one.id)} {found.values[one.id]:.4g} {words}".strip()
    made = [
        tag("g", {}, tag("title", {}, told), square(x, y, 4.0, "node")),
        label(x + 8, y + 4, shorten(_short(one.id), room), style="halo"),
    ]
    if words:
        made.append(label(x + 8, y + 15, shorten(words, 1.25 * room), style="tiny halo"))
    return made


def _carriers(drawn: _Map, found: Fluxes, top: float, width: float) -> tuple[list[Markup], float]:
    """Reactions without a line, in rows below all others; and where the drawing ends."""
    if not drawn.alone:
        return [], top + 8
    abreast = max(1, int((width - 24) // ALONE))
    made = [label(12, top + 14, "between carriers and the medium alone", style="ink")]
    for number, one in enumerate(drawn.alone):
        x, y = 18 + ALONE * (number % abreast), top + 36 + 30 * (number // abreast)
        made += _reaction(one, drawn.beside[one.id], (x, y), ALONE - 60, found)
        made.append(label(x + ALONE - 26, y + 4, f"{found.values[one.id]:.3g}", anchor="end"))
    return made, top + 36 + 30 * -(-len(drawn.alone) // abreast)


def _scale(highest: float) -> list[Markup]:
    """Lines of two known fluxes."""
    great = 10.0 ** math.floor(math.log10(highest))
    made: list[Markup] = []
    x = 12.0
    for value in (great, great / 4):
        told = f"flux {value:.4g}"
        shape = f"M{x:.1f} 53H{x + 34:.1f}"
        wide = _width(value, highest)
        made.append(tag("path", {"d": shape, "class": "flow", "stroke-width": wide}))
        made.append(label(x + 42, 57, told))
        x += 42 + CHARACTER * len(told) + 24
    return made
