"""States of logic networks one by one, and their pictures."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.logic import Component, LogicNetwork
from cellula.io.infix import parse
from cellula.models.mechanistic.attractors import attractors
from cellula.models.mechanistic.state_graph import n_states, state_graph
from cellula.report.attractor_grid import attractor_grid
from cellula.report.radial_layout import radial, shelves
from cellula.report.state_transitions import state_transitions


def network(**rules: str | None) -> LogicNetwork:
    parts = [Component(id, None if rule is None else parse(rule)) for id, rule in rules.items()]
    return LogicNetwork("a <net>", tuple(parts))


TOGGLE = network(A="not(B)", B="not(A)", S=None)


def test_synchronous_steps_of_a_toggle() -> None:
    graph = state_graph(TOGGLE, "synchronous")
    assert n_states(TOGGLE) == 8 == len(graph.levels)
    steps = {
        ("".join(map(str, graph.levels[a])), "".join(map(str, graph.levels[b])))
        for a, b in zip(graph.before, graph.after, strict=True)
    }
    assert steps == {("000", "110"), ("110", "000"), ("001", "111"), ("111", "001")}
    assert graph.n_attractors == 6
    assert (graph.n_reached == 1).all()


def test_asynchronous_steps_of_a_toggle() -> None:
    graph = state_graph(TOGGLE)
    assert graph.n_attractors == 4
    undecided = graph.attractor < 0
    assert undecided.sum() == 4
    assert (graph.n_reached[undecided] == 2).all()
    assert (graph.distance[undecided] == 1).all()
    assert (graph.attractor[graph.ahead[undecided]] == graph.basin[undecided]).all()


def test_levels_move_by_one() -> None:
    ladder = LogicNetwork("ladder", (Component("A", parse("2"), 2),))
    graph = state_graph(ladder, "synchronous")
    assert graph.before.tolist() == [0, 1]
    assert graph.after.tolist() == [1, 2]
    assert graph.distance.tolist() == [2, 1, 0]


@pytest.mark.parametrize("update", ["synchronous", "asynchronous"])
def test_it_finds_the_attractors_that_are_found_symbolically(update: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        ids = "ABCDEF"
        rules = {}
        for id in ids:
            a, b, c = rng.choice(list(ids), 3)
            rules[id] = f"{a} and not({b}) or {c}" if rng.random() < 0.5 else f"not({a})"
        one = network(**rules)
        found = attractors(one, update)
        graph = state_graph(one, update)
        assert graph.n_attractors == found.n_fixed_points + found.n_complex
        sizes = np.bincount(graph.attractor[graph.attractor >= 0])
        assert (sizes == 1).sum() == found.n_fixed_points


def test_too_many_states_are_refused() -> None:
    with pytest.raises(DataError, match="8 states, more than 4"):
        state_graph(TOGGLE, limit=4)


@pytest.mark.requirement("S2")
def test_the_picture_says_what_is_in_it() -> None:
    drawn = state_transitions(state_graph(TOGGLE, "synchronous"), TOGGLE.id)
    root = ElementTree.fromstring(drawn)
    told = root.attrib["aria-label"]
    assert told.startswith("a <net>: 8 states, synchronous steps, 6 attractors")
    assert "cycle of 2" in told
    assert drawn.count("<title>") == 8
    assert "prefers-color-scheme:dark" in drawn
    assert drawn == state_transitions(state_graph(TOGGLE, "synchronous"), TOGGLE.id)


def test_attractors_stand_in_rows() -> None:
    drawn = attractor_grid(attractors(TOGGLE), "toggle")
    assert "4 fixed points, 0 others" in drawn
    assert drawn.count('class="c1"') == 4 + 2  # A or B of every row, S of two
    ring = network(A="not(C)", B="A", C="B")
    assert 'class="c2"' in attractor_grid(attractors(ring, "synchronous"), "ring")
    many = network(**{f"I{k}": None for k in range(7)})
    assert "the first 40 of 128" in attractor_grid(attractors(many), "many")


def test_branches_have_sectors_and_boxes_shelves() -> None:
    places = radial([0], {0: [1, 2], 1: [3, 4, 5]})
    far = {one: float(np.hypot(*place)) for one, place in places.items()}
    assert far[0] == 0 < far[1] < far[3]
    assert len({(round(x, 3), round(y, 3)) for x, y in places.values()}) == 6
    deep = radial([0], {one: [one + 1] for one in range(3000)})
    assert len(deep) == 3001
    corners, height = shelves([(60.0, 10.0), (60.0, 30.0), (10.0, 5.0)], 100.0)
    assert [y for _, y in corners] == [0.0, 10.0, 22.5]
    assert height == 40.0
