"""The choice of hyperedges as an integer program, solved by HiGHS through SciPy [mitsos2009]_."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from cellula.core.errors import NotConverged
from cellula.core.logic import PerturbationTable
from cellula.models.mechanistic.prior_network import Hyperedge
from cellula.models.mechanistic.steady_levels import clamped_levels, steady_levels

__all__ = ["LogicProgram"]

#: Coefficients by variable, and what their sum is at least.
Row: TypeAlias = tuple[dict[int, float], float]


@final
@dataclass(frozen=True, slots=True)
class LogicProgram:
    """One variable says whether a hyperedge is chosen; one for every condition and node whether it
    is on; one for every condition and hyperedge whether it turns its target on.

    measured: (conditions, readouts), not a number where nothing was measured.
    """

    edges: tuple[Hyperedge, ...]
    nodes: tuple[str, ...]
    table: PerturbationTable
    measured: NDArray[np.float64]
    size_penalty: float
    place: Mapping[str, int] = field(repr=False)
    held: NDArray[np.float64] = field(repr=False)

    @staticmethod
    def of(
        edges: tuple[Hyperedge, ...],
        nodes: tuple[str, ...],
        table: PerturbationTable,
        measured: NDArray[np.float64],
        size_penalty: float,
    ) -> LogicProgram:
        """The program of hyperedges and what was measured."""
        place = {id: at for at, id in enumerate(nodes)}
        held = clamped_levels(nodes, table)
        return LogicProgram(edges, nodes, table, measured, size_penalty, place, held)

    def best(self, time_limit_s: float) -> NDArray[np.bool_]:
        """Which hyperedges are best: (hyperedges,).

        A solution in which nodes hold each other on without a cue, or which is not the state that
        the network settles in, is cut off and the program solved again. Raises NotConverged when
        the time is up.
        """
        rows = list(self._rows())
        end = time.monotonic() + time_limit_s
        while True:
            solution = self._solved(rows, end - time.monotonic())
            chosen = solution[: len(self.edges)] > 0.5
            levels = self._levels(solution)
            some = [edge for edge, is_in in zip(self.edges, chosen, strict=True) if is_in]
            if np.array_equal(levels, steady_levels(some, self.nodes, self.table)):
                return chosen
            cuts = list(self._unfounded(chosen, levels))
            rows += cuts or [self._not_again(chosen)]

    def _levels(self, solution: NDArray[np.float64]) -> NDArray[np.float64]:
        start = len(self.edges)
        count = len(self.table) * len(self.nodes)
        return np.round(solution[start : start + count]).reshape(len(self.table), len(self.nodes))

    def _node(self, condition: int, node: int) -> int:
        return len(self.edges) + condition * len(self.nodes) + node

    def _active(self, condition: int, edge: int) -> int:
        before = len(self.edges) + len(self.table) * len(self.nodes)
        return before + condition * len(self.edges) + edge

    def _rows(self) -> Iterator[Row]:
        """That the levels are a steady state of what is chosen."""
        into: dict[int, list[int]] = {}
        for at, edge in enumerate(self.edges):
            into.setdefault(self.place[edge.target], []).append(at)
        for condition in range(len(self.table)):
            for at, edge in enumerate(self.edges):
                yield from self._edge_rows(condition, at, edge)
            for node in range(len(self.nodes)):
                if not np.isnan(self.held[condition, node]):
                    continue
                on = self._node(condition, node)
                active = [self._active(condition, at) for at in into.get(node, ())]
                yield {on: -1.0, **dict.fromkeys(active, 1.0)}, 0.0
                yield from (({on: 1.0, one: -1.0}, 0.0) for one in active)

    def _edge_rows(self, condition: int, at: int, edge: Hyperedge) -> Iterator[Row]:
        """That a hyperedge is active exactly where it is chosen and all it asks is so."""
        active = self._active(condition, at)
        on = [self._node(condition, self.place[id]) for id in edge.on]
        off = [self._node(condition, self.place[id]) for id in edge.off]
        yield {at: 1.0, active: -1.0}, 0.0
        yield from (({one: 1.0, active: -1.0}, 0.0) for one in on)
        yield from (({one: -1.0, active: -1.0}, -1.0) for one in off)
        asked = {active: 1.0, at: -1.0, **dict.fromkeys(on, -1.0), **dict.fromkeys(off, 1.0)}
        yield asked, -float(len(on))

    def _solved(self, rows: Sequence[Row], time_s: float) -> NDArray[np.float64]:
        n = self._active(len(self.table), 0)
        costs = np.zeros(n)
        total = sum(edge.size for edge in self.edges)
        costs[: len(self.edges)] = [self.size_penalty * e.size / total for e in self.edges]
        weight = 1.0 / np.isfinite(self.measured).sum()
        for condition, readout in zip(*np.nonzero(np.isfinite(self.measured)), strict=True):
            node = self.place[self.table.readouts[readout]]
            change = 1.0 - 2.0 * self.measured[condition, readout]  # (1 - d)^2 - d^2
            costs[self._node(int(condition), node)] += weight * change
        lower, upper = np.zeros(n), np.ones(n)
        count = len(self.edges) + self.held.size
        held = np.flatnonzero(~np.isnan(self.held.ravel()))
        lower[len(self.edges) + held] = upper[len(self.edges) + held] = self.held.ravel()[held]
        found = milp(
            costs,
            integrality=(np.arange(n) < count).astype(np.int64),
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(*_matrix(rows, n)),
            options={"time_limit": max(time_s, 0.01), "mip_rel_gap": 0.0},
        )
        if found.status != 0:
            raise NotConverged(
                f"training of {len(self.edges)} hyperedges under {len(self.table)} "
                f"conditions ended without a proven best choice ({found.message}); raise "
                "time_limit_s, or lower max_inputs"
            )
        return np.asarray(found.x, np.float64)

    def _unfounded(self, chosen: NDArray[np.bool_], levels: NDArray[np.float64]) -> Iterator[Row]:
        """For nodes that hold each other on: one of them is on only if something else turns it on.

        That holds for every condition, so every condition gets the row.
        """
        groups = {
            group
            for condition in range(len(self.table))
            if (group := self._circular(chosen, levels[condition], self.held[condition]))
        }
        for group, condition in itertools.product(
            sorted(groups, key=sorted), range(len(self.table))
        ):
            outside = [
                self._active(condition, at)
                for at, edge in enumerate(self.edges)
                if self.place[edge.target] in group
                and not any(self.place[id] in group for id in edge.on)
            ]
            for node in sorted(group):
                if np.isnan(self.held[condition, node]):
                    yield {self._node(condition, node): -1.0, **dict.fromkeys(outside, 1.0)}, 0.0

    def _circular(
        self, chosen: NDArray[np.bool_], levels: NDArray[np.float64], held: NDArray[np.float64]
    ) -> frozenset[int]:
        """The nodes that are on with no chain of reasons that begins outside of them."""
        founded = set(np.flatnonzero(held == 1.0).tolist())
        while True:
            fresh = {
                self.place[edge.target]
                for edge, is_in in zip(self.edges, chosen, strict=True)
                if is_in
                and np.isnan(held[self.place[edge.target]])
                and all(self.place[id] in founded for id in edge.on)
                and all(levels[self.place[id]] == 0.0 for id in edge.off)
            }
            if fresh <= founded:
                return frozenset(np.flatnonzero(levels == 1.0).tolist()) - founded
            founded |= fresh

    @staticmethod
    def _not_again(chosen: NDArray[np.bool_]) -> Row:
        """That at least one hyperedge is chosen otherwise."""
        signs = {at: -1.0 if is_in else 1.0 for at, is_in in enumerate(chosen)}
        return signs, 1.0 - float(chosen.sum())


def _matrix(
    rows: Sequence[Row], n: int
) -> tuple[sp.csr_matrix, NDArray[np.float64], NDArray[np.float64]]:
    """The rows as a matrix, and the bounds of their sums."""
    starts = np.cumsum([0, *(len(terms) for terms, _ in rows)])
    columns = np.fromiter(_chained(terms.keys() for terms, _ in rows), np.int64)
    values = np.fromiter(_chained(terms.values() for terms, _ in rows), np.float64)
    matrix = sp.csr_matrix((values, columns, starts), (len(rows), n))
    lower = np.array([at_least for _, at_least in rows], np.float64)
    return matrix, lower, np.full(len(rows), np.inf)


def _chained(parts: Iterable[Iterable[float]]) -> Iterator[float]:
    return itertools.chain.from_iterable(parts)
