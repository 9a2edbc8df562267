"""From a prior network to the hyperedges that training chooses from."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Number, Symbol, apply
from cellula.core.logic import Component, LogicNetwork, SignedGraph

__all__ = ["Hyperedge", "compressed", "expanded", "logic_of"]

#: Source, sign, target.
Edge = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Hyperedge:
    """``target`` is on where all of ``on`` are on and all of ``off`` are off."""

    target: str
    on: tuple[str, ...]
    off: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many components it asks."""
        return len(self.on) + len(self.off)


def compressed(
    graph: SignedGraph, perturbed: Collection[str], measured: Collection[str]
) -> tuple[Edge, ...]:
    """The edges between what can be seen and changed [saezrodriguez2009]_.

    A node that no perturbed one reaches, or that reaches no measured one, is left out. A node that
    is neither perturbed nor measured and has one source, or one target, gives way to edges from its
    sources to its targets, of the product of the signs. Raises DataError where nothing is left, or
    where a perturbed or measured node is none of the graph.
    """
    for id in (*perturbed, *measured):
        if id not in graph.ids:
            raise DataError(f"{id!r} is no node of the prior network {graph.id!r}")
    edges = {(edge.source, edge.sign, edge.target): None for edge in graph.edges}
    forth = _reached(perturbed, [(source, target) for source, _, target in edges])
    back = _reached(measured, [(target, source) for source, _, target in edges])
    kept = forth & back
    edges = {edge: None for edge in edges if edge[0] in kept and edge[2] in kept}
    named = {*perturbed, *measured}
    nodes = [id for id in graph.ids if id in kept and id not in named]
    while (node := _redundant(nodes, edges)) is not None:
        nodes.remove(node)
        edges = _bypassed(node, edges)
    if not edges:
        raise DataError(
            f"no path of the prior network {graph.id!r} leads from what is perturbed to what is "
            "measured"
        )
    return tuple(edges)


def expanded(edges: Iterable[Edge], max_inputs: int) -> tuple[Hyperedge, ...]:
    """Every single edge, and every AND of up to ``max_inputs`` edges from different sources."""
    into: dict[str, list[Edge]] = {}
    for edge in edges:
        into.setdefault(edge[2], []).append(edge)
    found: list[Hyperedge] = []
    for target, those in into.items():
        for n in range(1, max_inputs + 1):
            for some in itertools.combinations(those, n):
                if len({source for source, _, _ in some}) == n:
                    on = tuple(sorted(source for source, sign, _ in some if sign > 0))
                    off = tuple(sorted(source for source, sign, _ in some if sign < 0))
                    found.append(Hyperedge(target, on, off))
    return tuple(found)


def logic_of(
    id: str, chosen: Iterable[Hyperedge], nodes: Iterable[str], inputs: Collection[str]
) -> LogicNetwork:
    """The logic network of hyperedges: a component is on where any of its own is.

    nodes: all components; inputs have no rule, and what no hyperedge leads to is off.
    """
    rules: Mapping[str, list[Expression]] = {node: [] for node in nodes}
    for edge in chosen:
        factors: list[Expression] = [Symbol(one) for one in edge.on]
        factors += [apply("not", Symbol(one)) for one in edge.off]
        rules[edge.target].append(factors[0] if len(factors) == 1 else apply("and", *factors))
    components: list[Component] = []
    for node, parts in rules.items():
        rule = (parts[0] if len(parts) == 1 else apply("or", *parts)) if parts else Number(0.0)
        components.append(Component(node, None if node in inputs else rule, initial=0))
    return LogicNetwork(id, tuple(components))


def _reached(start: Iterable[str], steps: Iterable[tuple[str, str]]) -> set[str]:
    following: dict[str, list[str]] = {}
    for source, target in steps:
        following.setdefault(source, []).append(target)
    seen = set(start)
    pending = list(seen)
    while pending:
        fresh = [id for id in following.get(pending.pop(), ()) if id not in seen]
        seen.update(fresh)
        pending += fresh
    return seen


def _redundant(nodes: Iterable[str], edges: Iterable[Edge]) -> str | None:
    """The first node with one source or one target that does not act on itself."""
    for node in nodes:
        sources = {source for source, _, target in edges if target == node}
        targets = {target for source, _, target in edges if source == node}
        signs = [sign for source, sign, target in edges if node in (source, target)]
        is_plain = len(signs) == len(sources) + len(targets)
        if node not in sources and is_plain and min(len(sources), len(targets)) <= 1:
            return node
    return None


def _bypassed(node: str, edges: Iterable[Edge]) -> dict[Edge, None]:
    """The edges without a node: from its sources to its targets."""
    found = {edge: None for edge in edges if node not in (edge[0], edge[2])}
    into = [(source, sign) for source, sign, target in edges if target == node]
    out = [(target, sign) for source, sign, target in edges if source == node]
    for (source, first), (target, second) in itertools.product(into, out):
        if source != target:
            found[(source, first * second, target)] = None
    return found
