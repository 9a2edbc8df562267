"""Layers from top to bottom: a directed graph whose edges mostly point down and seldom cross."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

__all__ = ["Layers", "layered"]

Edge: TypeAlias = tuple[int, int]
#: Sweeps down and up in which items change places, and in which rows move without changing them.
ORDERS, MOVES = 24, 16
#: How much room a bend of a long edge takes, of that of an item.
BEND = 0.3


@final
@dataclass(frozen=True, slots=True)
class Layers:
    """at: item -> (place across, layer); bends of long edges are items with negative numbers.

    ways: the items that each edge goes through, from its begin to its end; n: how many layers;
    span: the least and the greatest place across.
    """

    at: Mapping[int, tuple[float, int]]
    ways: tuple[tuple[int, ...], ...]
    n: int
    span: tuple[float, float]


def layered(items: Sequence[int], edges: Sequence[Edge]) -> Layers:
    """Items in layers, 1 apart: an edge goes down, but those that close a cycle.

    items: numbers from 0 on, in the order of preference. The order within layers is by
    barycentres, bends of edges over several layers included [sugiyama1981]_.
    """
    depth = _depths(items, _acyclic(items, edges))
    rows: list[list[int]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for one in items:
        rows[depth[one]].append(one)
    fresh = itertools.count(-1, -1)
    ways = tuple(_way(edge, depth, rows, fresh) for edge in edges)
    beside: dict[int, list[int]] = {one: [] for row in rows for one in row}
    for way in ways:
        for begin, end in itertools.pairwise(way):
            beside[begin].append(end)
            beside[end].append(begin)
    _order(rows, beside)
    place = _moved(rows, beside)
    at = {one: (place[one], depth[one]) for one in place}
    span = (min(place.values(), default=0.0), max(place.values(), default=0.0))
    return Layers(at, ways, len(rows), span)


def _way(
    edge: Edge, depth: dict[int, int], rows: list[list[int]], fresh: Iterator[int]
) -> tuple[int, ...]:
    """The edge with a bend, which is a new item, in every layer that it passes."""
    begin, end = edge
    step = 1 if depth[end] > depth[begin] else -1
    bends: list[int] = []
    for layer in range(depth[begin] + step, depth[end], step):
        bend = next(fresh)
        rows[layer].append(bend)
        depth[bend] = layer
        bends.append(bend)
    return (begin, *bends, end)


def _order(rows: Sequence[list[int]], beside: Mapping[int, Sequence[int]]) -> None:
    """Sort every row by the mean place of what its items are linked to."""
    place = {one: k - (len(row) - 1) / 2 for row in rows for k, one in enumerate(row)}
    for sweep in range(ORDERS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {one: _mean(place, beside[one], place[one]) for one in row}
            row.sort(key=lambda one: (wanted[one], place[one]))
            place.update({one: k - (len(row) - 1) / 2 for k, one in enumerate(row)})


def _moved(rows: Sequence[Sequence[int]], beside: Mapping[int, Sequence[int]]) -> dict[int, float]:
    """Places across that are near those of neighbours, in the order of the rows."""
    place = {one: k - (len(row) - 1) / 2 for row in rows for k, one in enumerate(row)}
    for sweep in range(MOVES):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [_mean(place, beside[one], place[one]) for one in row]
            place.update(zip(row, _apart(row, wanted), strict=True))
    return place


def _apart(row: Sequence[int], wanted: Sequence[float]) -> list[float]:
    """The places nearest to those wanted, in squares, that leave every item its room.

    Neighbours that want to overlap become a block at their mean.
    """
    room = [1.0 if one >= 0 else BEND for one in row]
    offset = [0.0]
    for left, right in itertools.pairwise(room):
        offset.append(offset[-1] + (left + right) / 2)
    blocks: list[tuple[float, int]] = []
    for shift, own in zip(offset, wanted, strict=True):
        total, n = own - shift, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / n:
            before = blocks.pop()
            total, n = total + before[0], n + before[1]
        blocks.append((total, n))
    flat = [total / n for total, n in blocks for _ in range(n)]
    return [base + shift for base, shift in zip(flat, offset, strict=True)]


def _mean(place: Mapping[int, float], near: Sequence[int], own: float) -> float:
    return sum(place[one] for one in near) / len(near) if near else own


def _acyclic(items: Sequence[int], edges: Sequence[Edge]) -> Mapping[int, Sequence[int]]:
    """What follows every item, without edges back to an item that is being followed."""
    after: dict[int, list[int]] = {one: [] for one in items}
    for begin, end in edges:
        after[begin].append(end)
    kept: dict[int, list[int]] = {one: [] for one in items}
    state: dict[int, int] = dict.fromkeys(items, 0)
    for root in items:
        pending = [] if state[root] else [(root, 0)]
        state[root] = state[root] or 1
        while pending:
            one, at = pending.pop()
            if at == len(after[one]):
                state[one] = 2
                continue
            pending.append((one, at + 1))
            to = after[one][at]
            if state[to] != 1:
                kept[one].append(to)
            if state[to] == 0:
                state[to] = 1
                pending.append((to, 0))
    return kept


def _depths(items: Sequence[int], after: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """The longest way from a source; a source stands just above what it leads to."""
    left = dict.fromkeys(items, 0)
    for ends in after.values():
        for end in ends:
            left[end] += 1
    sources = [one for one in items if not left[one]]
    depth = dict.fromkeys(items, 0)
    ready = list(sources)
    while ready:
        one = ready.pop()
        for end in after[one]:
            depth[end] = max(depth[end], depth[one] + 1)
            left[end] -= 1
            if not left[end]:
                ready.append(end)
    for one in sources:
        if after[one]:
            depth[one] = min(depth[end] for end in after[one]) - 1
    return depth
