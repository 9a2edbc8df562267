"""The form of a mechanistic model checks itself."""

from __future__ import annotations

from typing import Any

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Symbol, apply
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Compartment,
    Event,
    Network,
    Parameter,
    Participant,
    RateRule,
    Reaction,
    Species,
)
from cellula.testing.simulator import decay

CELL: dict[str, Any] = {
    "compartments": (Compartment("cell"),),
    "species": (Species("A", "cell"), Species("F", "cell", is_constant=True)),
    "parameters": (Parameter("k", 1.0), Parameter("x", 0.0, is_constant=False)),
}
K = Symbol("k")


def test_every_id_with_a_value_is_told_in_order() -> None:
    named = (Participant("A", id="s"),)
    network = Network("n", **CELL, reactions=(Reaction("r", named, (), K),))
    assert network.ids == ("cell", "A", "F", "k", "x", "r", "s")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"reactions": (Reaction("k", (), (), K),)}, "'k' is used twice.*parameter and reaction"),
        ({"species": (Species("A", "moon"),)}, "'A' is in 'moon'"),
        ({"reactions": (Reaction("r", (Participant("Q"),), (), K),)}, "names 'Q'"),
        ({"reactions": (Reaction("r", (), (), K, ("Q",)),)}, "names 'Q'"),
        ({"reactions": (Reaction("r", (), (), Symbol("v")),)}, "the rate of reaction 'r' names"),
        ({"rules": (AlgebraicRule(Symbol("v")),)}, "algebraic rule names 'v'"),
        ({"rules": (RateRule("x", K), AssignmentRule("x", K))}, "'x' follows two rules"),
        ({"rules": (RateRule("k", K),)}, "'k' is constant"),
        ({"rules": (RateRule("v", K),)}, "a rule changes 'v'"),
        ({"events": (Event("e", K, {"F": K}),)}, "'F' is constant"),
        ({"events": (Event("e", K, {"v": K}),)}, "event 'e' changes 'v'"),
        ({"initial": {"v": K}}, "initial value is given to 'v'"),
    ],
)
def test_what_does_not_hold_together_is_refused(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        Network("n", **{**CELL, **parts})


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(DataError, match="calls 'hill' with 1"):
        Network("n", **CELL, rules=(AssignmentRule("x", Apply("hill", (K,))),))


def test_expressions_are_told_with_their_place() -> None:
    rate = apply("times", Symbol("k"), Symbol("A"))
    assert list(decay().expressions()) == [("the rate of reaction 'decay'", rate)]
