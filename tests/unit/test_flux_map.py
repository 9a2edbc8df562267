"""Flux maps: what they say, how they are laid out, and what cannot be drawn."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
from flux_example import reaction, toy

from cellula.core.errors import DataError
from cellula.core.flux import FluxBalance, Fluxes, FluxObjective
from cellula.core.network import Compartment, Network, Species
from cellula.models.mechanistic.flux_balance import flux_balance, parsimonious
from cellula.report.flux_map import flux_map
from cellula.report.layered_layout import layered


def chain(n: int) -> Network:
    """Uptake, n steps, and an objective that takes the last and some ATP of each."""
    ids = [f"M{i}" for i in range(n + 1)]
    steps = [reaction(f"R_{a}_{b}", {a: -1, b: 1, "atp_c": 1}) for a, b in itertools.pairwise(ids)]
    ends = [reaction("EX", {ids[0]: 1}), reaction("grow", {ids[-1]: -1, "atp_c": -n})]
    bounds = {one.id: (0.0, 10.0) for one in (*steps, *ends)}
    flux = FluxBalance(bounds, (FluxObjective("o", {"grow": 1.0}),), "o")
    species = tuple(Species(id, "cell") for id in (*ids, "atp_c"))
    return Network("chain", (Compartment("cell"),), species, (), (*steps, *ends), flux=flux)


@pytest.mark.requirement("S2")
def test_it_draws_what_runs() -> None:
    drawn = flux_map(toy(), parsimonious(toy()), "a <toy>")
    root = ElementTree.fromstring(drawn)
    told = root.attrib["aria-label"]
    assert told.startswith("a <toy>: objective 10, 5 reactions of 5 run")
    assert "biomass 10" in told
    assert drawn.count('class="goal"') == 1
    assert "prefers-color-scheme:dark" in drawn
    widths = [float(e.attrib["stroke-width"]) for e in root.iter() if "stroke-width" in e.attrib]
    assert max(widths) == 9.0
    assert drawn == flux_map(toy(), parsimonious(toy()), "a <toy>")


def test_common_carriers_are_split_and_a_large_network_is_cut() -> None:
    network = chain(80)
    drawn = flux_map(network, flux_balance(network), "chain", most=20)
    assert "82 reactions of 82 run; 20 drawn" in drawn
    assert "R_M79_M80" not in drawn
    assert "M79_M80" in drawn
    assert ">atp_c<" not in drawn
    assert "→ atp_c" in drawn


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(DataError, match="is infeasible"):
        flux_map(toy(), Fluxes({}, float("nan"), "infeasible"), "t")
    with pytest.raises(DataError, match="all fluxes of 'toy' are 0"):
        flux_map(toy(), Fluxes(dict.fromkeys(("uptake", "short"), 0.0), 0.0), "t")


def test_layers_go_down_and_items_have_room() -> None:
    edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 1), (4, 3)]
    found = layered(range(5), edges)
    for begin, end in edges:
        if (begin, end) != (3, 1):
            assert found.at[begin][1] < found.at[end][1]
    assert [way[0] for way in found.ways] == [begin for begin, _ in edges]
    long = found.ways[3]
    assert long[0] == 0 and long[-1] == 3 and all(one < 0 for one in long[1:-1])  # noqa: PT018
    rows: dict[int, list[float]] = {}
    for one, (x, layer) in found.at.items():
        if one >= 0:
            rows.setdefault(layer, []).append(x)
    assert all(np.diff(sorted(row)).min(initial=1.0) > 0.99 for row in rows.values())
    deep = layered(range(3000), [(k, k + 1) for k in range(2999)])
    assert deep.n == 3000
    assert layered([], []).n == 0
