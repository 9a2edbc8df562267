"""Attractors are those that listing all states finds, for every value of the inputs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Literal

import networkx as nx
import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.expression import Symbol, apply
from cellula.core.logic import Component, LogicNetwork
from cellula.io.bnet import Bnet, parse_rule
from cellula.models.mechanistic.attractors import Attractor, attractors
from cellula.models.mechanistic.logic_form import logic_form

Update = Literal["synchronous", "asynchronous"]


def network(*rules: str) -> LogicNetwork:
    """Components of lines ``a, rule``; one without a rule is an input."""
    components = []
    for line in rules:
        id, _, rule = line.partition(",")
        components.append(Component(id, parse_rule(rule) if rule else None))
    return LogicNetwork("small", tuple(components))


def listed(given: LogicNetwork, update: Update) -> set[frozenset[tuple[int, ...]]]:
    """Bottom strongly connected components of the graph of all states."""
    form = logic_form(given)
    graph = nx.DiGraph()
    for levels in itertools.product(*(range(one.max_level + 1) for one in given.components)):
        steps = []
        for at, level in enumerate(levels):
            bits = {}
            for bit, owner in enumerate(form.owners):
                bits[bit] = levels[owner] >= form.thresholds[bit]
            after = []
            for bit, owner in enumerate(form.owners):
                if owner == at:
                    diagram = form.next[bit]
                    node = len(diagram) - 1
                    while node > 1:
                        node = diagram[node, 1 + bits[int(diagram[node, 0])]]
                    after.append(int(node))
            steps.append(int(np.sign(sum(after) - level)))
        graph.add_node(levels)
        if update == "synchronous":
            moves = [tuple(steps)]
        else:
            moves = [
                tuple(step if at == one else 0 for at in range(len(steps)))
                for one, step in enumerate(steps)
                if step
            ]
        for move in moves:
            graph.add_edge(levels, tuple(np.add(levels, move).tolist()))
    bottom = nx.condensation(graph)
    return {
        frozenset(bottom.nodes[node]["members"]) for node in bottom if bottom.out_degree(node) == 0
    }


def states(found: Attractor) -> frozenset[tuple[int, ...]]:
    return frozenset(tuple(row) for row in found.states().tolist())


SMALL = [
    network("a,!b", "b,!a"),
    network("a,!b", "b,a"),
    network("a,b|i", "b,c&!i", "c,!a", "i"),
    network("a,!c", "b,a", "c,b&j|!j&c", "j"),
    network("a,1", "b,a&!b", "c,0"),
    LogicNetwork(
        "levels",
        (
            Component("x", apply("piecewise", 0, Symbol("y"), 2), 2),
            Component("y", apply("geq", Symbol("x"), Symbol("i")), 1),
            Component("i", None, 2),
        ),
    ),
]


@pytest.mark.requirement("K9", "S3")
@pytest.mark.parametrize("update", ["synchronous", "asynchronous"])
@pytest.mark.parametrize("given", SMALL)
def test_all_are_found(given: LogicNetwork, update: Update) -> None:
    found = attractors(given, update)
    assert {states(one) for one in found} == listed(given, update)
    assert found.n_fixed_points + found.n_complex == len(list(found))


@pytest.mark.parametrize("update", ["synchronous", "asynchronous"])
@pytest.mark.parametrize("seed", range(6))
def test_all_of_a_random_network_are_found(seed: int, update: Update) -> None:
    rng = np.random.default_rng(seed)
    rules = ["i"]
    for at in range(6):
        names = [*"abcdef", "i"]
        x, y, z = (f"{'!' * rng.integers(2)}{names[k]}" for k in rng.choice(7, 3, replace=False))
        rules.append(f"{'abcdef'[at]},{x}{'&|'[rng.integers(2)]}({y}{'&|'[rng.integers(2)]}{z})")
    given = network(*rules)
    assert {states(one) for one in attractors(given, update)} == listed(given, update)


def test_what_is_told_of_an_attractor() -> None:
    found = attractors(network("a,!b", "b,a", "c,i", "i"))
    assert (found.n_fixed_points, found.n_complex, found.n_complex_states) == (0, 2, 8)
    assert found.inputs == ("i",)
    (one,) = found.of({"i": 1})
    assert (one.kind, one.n_states, one.inputs) == ("complex", 4, {"i": 1})
    assert one.levels == {"a": (0, 1), "b": (0, 1), "c": (1,), "i": (1,)}
    assert attractors(network("a,!b", "b,a"), "synchronous").families
    with pytest.raises(DataError, match="'a' is no free input of 'small'; it has i"):
        found.of({"a": 1})
    with pytest.raises(DataError, match="4 states, more than the limit of 3"):
        one.states(3)


def test_a_held_component_and_a_held_input() -> None:
    given = network("a,!b", "b,a", "c,i", "i")
    found = list(attractors(given, held={"a": 1, "i": 0}))
    assert [one.levels for one in found] == [{"a": (1,), "b": (1,), "c": (0,), "i": (0,)}]
    assert found[0].kind == "fixed point"
    with pytest.raises(DataError, match="no component 'x'"):
        attractors(given, held={"x": 1})
    with pytest.raises(DataError, match="levels 0 to 1, not 2"):
        attractors(given, held={"a": 2})


#: Fixed points, other attractors and their states under asynchronous update, by AEON 1.4.2.
PUBLISHED = {
    "mammalian-cell-cycle-2006": (1, 1, 112),
    "trp-biosynthesis": (2, 1, 4),
    "egf-tnf-alpha-signalling-pathway": (3, 3, 18),
    "tgfb-pathway": (16384, 0, 0),
    "wg-pathway-of-drosophila": (13056, 3328, 13728),
}


@pytest.mark.data
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks(name: str, data_dir: Path) -> None:
    found = attractors(Bnet().read(data_dir / "models" / "boolean" / f"{name}.bnet"))
    assert (found.n_fixed_points, found.n_complex, found.n_complex_states) == PUBLISHED[name]


def test_many_components_are_no_obstacle() -> None:
    """A ring of 40 in which each follows the one before: 2 fixed points of 2^40 states."""
    ring = network(*(f"x{at},x{(at - 1) % 40}" for at in range(40)))
    found = attractors(ring)
    assert (found.n_fixed_points, found.n_complex) == (2, 0)
