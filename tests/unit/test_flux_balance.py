"""Flux balance of a toy whose answers are known, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flux_example import reaction, toy

from cellula.core import registry
from cellula.core.errors import DataError, EngineError
from cellula.core.expression import TIME, Number, Symbol, apply
from cellula.core.flux import GeneRule
from cellula.core.flux_solver import FluxSolver
from cellula.core.network import Event, Network, Parameter, Participant, Reaction
from cellula.models.mechanistic.flux_balance import flux_balance, parsimonious
from cellula.models.mechanistic.flux_knock_outs import is_able, knock_outs
from cellula.models.mechanistic.flux_variability import flux_variability


@pytest.mark.requirement("S3", "K9")
def test_the_best_objective_at_a_steady_state() -> None:
    found = flux_balance(toy())
    assert found.objective == pytest.approx(10.0)
    assert found.values["biomass"] == pytest.approx(10.0)
    assert found.values["short"] + found.values["long_1"] == pytest.approx(10.0)


def test_the_smallest_of_equally_good_fluxes() -> None:
    found = parsimonious(toy())
    assert found.values["short"] == pytest.approx(4.0)
    assert found.values["long_1"] == pytest.approx(6.0)
    assert found.objective == pytest.approx(10.0)
    few = parsimonious(toy(), 0.4).values
    assert list(few.values()) == pytest.approx([4.0, 4.0, 0.0, 0.0, 4.0], abs=1e-9)
    assert registry.create("flux_solver", "highs", {"method": "pfba"}).solve(toy()) == found
    assert isinstance(registry.create("flux_solver", "highs"), FluxSolver)


def test_ranges_of_fluxes() -> None:
    found = flux_variability(toy())
    assert found.minimum == pytest.approx([10, 0, 6, 6, 10])
    assert found.maximum == pytest.approx([10, 4, 10, 10, 10])
    loose = flux_variability(toy(), 0.5, ["uptake", "long_1"])
    assert loose.minimum == pytest.approx([5, 1])
    free = flux_variability(toy({"uptake": (0.0, 10.0)}), 0.0, ["long_1"])
    assert free.minimum == pytest.approx([-4])
    unbounded = toy(
        {"long_1": (-np.inf, np.inf), "long_2": (-np.inf, np.inf), "uptake": (0, np.inf)},
        {"short": 1.0},
    )
    open_ended = flux_variability(replace(unbounded), 1.0, ["long_1"])
    assert open_ended.maximum[0] >= 996.0 - 1e-6


def test_without_reactions_and_genes() -> None:
    found = knock_outs(toy())
    assert found.wild_type == pytest.approx(10.0)
    assert found.objective == pytest.approx([0, 10, 4, 4, 0], abs=1e-9)
    genes = knock_outs(toy(), "genes")
    assert genes.objective == pytest.approx([4, 4, 10, 10])
    pairs = knock_outs(toy(), "genes", 2)
    assert len(pairs.knocked) == 6
    assert pairs.of("g4", "g3") == pytest.approx(10.0)
    assert pairs.of("g1", "g2") == pytest.approx(4.0)
    assert knock_outs(toy(), "reactions", 2).of("short", "long_1") == pytest.approx(0.0)


def test_a_knock_out_that_leaves_no_steady_state_says_so() -> None:
    forced = toy({"short": (2.0, 4.0), "long_1": (0.0, 10.0)})
    found = knock_outs(forced, ids=["uptake", "biomass", "long_2"])
    assert found.status == ("infeasible", "infeasible", "optimal")
    assert np.isnan(found.objective[0])
    assert knock_outs(forced, order=2, ids=["uptake", "long_2"]).status == ("infeasible",)


def test_rules_of_genes_of_any_depth() -> None:
    deep: str | GeneRule = "g1"
    for at in range(5000):
        deep = GeneRule("or" if at % 2 else "and", (deep, "g2"))
    assert not is_able(deep, {"g1", "g2"})
    assert is_able(deep, {"g1"})
    assert is_able(GeneRule("and", ()), {"g1"})


@pytest.mark.parametrize(
    ("network", "status"),
    [
        (toy({"uptake": (20.0, 20.0), "biomass": (0.0, 5.0)}), "infeasible"),
        (toy(dict.fromkeys(("uptake", "biomass", "short"), (0.0, np.inf))), "unbounded"),
    ],
)
def test_no_answer_is_said_by_name(network: Network, status: str) -> None:
    for found in (flux_balance(network), parsimonious(network)):
        assert found.status == status
        assert np.isnan(found.objective)
        assert not found.values
    for refused in (flux_variability, knock_outs):
        with pytest.raises(EngineError, match=f"'toy' is {status}"):
            refused(network)


def test_what_is_no_flux_problem_is_refused() -> None:
    network = toy()
    assert network.flux is not None
    odd = Reaction("odd", (Participant("A", None, "n", False),), ())
    for wrong, told in (
        (replace(network, flux=None), "no bounds and no objective"),
        (toy({"short": (4.0, 1.0)}), "'short' has the bounds 4 and 1"),
        (toy({"short": (float("nan"), 1.0)}), "'short' has the bounds nan"),
        (toy({"nothing": (0.0, 1.0)}), "a bound names 'nothing'"),
        (toy(weights={"nothing": 1.0}), "the objective names 'nothing'"),
        (toy(weights={"short": float("inf")}), "no finite number"),
        (
            replace(network, flux=replace(network.flux, active="x")),
            "no objective 'x'; it has 'growth'",
        ),
        (replace(network, reactions=(*network.reactions, odd)), "no fixed number of 'A'"),
        (replace(network, reactions=(), flux=replace(network.flux, bounds={})), "has no reaction"),
    ):
        with pytest.raises(DataError, match=told):
            flux_balance(wrong)
    with pytest.raises(DataError, match="expected 0 to 1"):
        parsimonious(network, 1.5)
    with pytest.raises(DataError, match="'x' is none of the genes"):
        knock_outs(network, "genes", ids=["x"])
    with pytest.raises(DataError, match="'x' is no reaction"):
        flux_variability(network, reactions=["x"])


def test_a_species_on_the_boundary_is_not_balanced() -> None:
    network = toy()
    outside = tuple(replace(one, is_boundary=one.id == "A") for one in network.species)
    free = replace(
        network, species=outside, reactions=(*network.reactions, reaction("r", {"A": 1}))
    )
    assert flux_balance(free).objective == pytest.approx(1000.0)


def test_a_stoichiometry_that_an_expression_gives_or_an_event_changes() -> None:
    network = toy()
    fed = Reaction("fed", (), (Participant("A", 1.0, "n", False),))
    bounds = {**network.flux.bounds, "fed": (0.0, 1.0)} if network.flux else {}
    flux = replace(network.flux, bounds=bounds) if network.flux else None
    changed = replace(
        network,
        reactions=(*network.reactions, fed),
        flux=flux,
        parameters=(Parameter("k", 3.0),),
        initial={"n": apply("times", 2, Symbol("k"))},
    )
    assert flux_balance(changed).objective == pytest.approx(16.0)
    event = Event("e", apply("gt", TIME, 1), {"n": Number(2.0)})
    with pytest.raises(DataError, match="'fed' has no fixed number of 'A'"):
        flux_balance(replace(changed, events=(event,)))
