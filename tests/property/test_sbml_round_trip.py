"""Any network that SBML can say is read back equal, to the last bit of every number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply, substituted
from cellula.core.network import (
    AssignmentRule,
    Compartment,
    Event,
    Network,
    Parameter,
    Participant,
    Reaction,
    Species,
)
from cellula.io.sbml import network_of, sbml_text

NUMBERS = (
    st.floats(allow_nan=False, allow_subnormal=False)
    | st.just(math.nan)
    | st.integers(-9, 9).map(float)
)
IDS = ("A", "B", "k", "p.q", "cell", "2b")
UNITS = st.sampled_from(("", "mole", "1e-09 mole * litre^-1", "(60.0 second)^-1", "furlongs"))


def joined(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """Formulas of formulas; a sum does not begin with a sum, which is the same sum."""

    def made(drawn: tuple[str, Expression, Expression]) -> Expression:
        function, first, second = drawn
        if isinstance(first, Apply) and first.function == function:
            first = apply("exp", first)
        return apply(function, first, second)

    two = st.tuples(
        st.sampled_from(("plus", "times", "minus", "divide", "power", "max", "rem", "root", "log")),
        parts,
        parts,
    ).map(made)
    one = st.tuples(st.sampled_from(("exp", "ln", "tanh", "arccosh", "floor")), parts).map(
        lambda drawn: apply(*drawn)
    )
    pieces = st.tuples(parts, st.sampled_from(("lt", "geq", "neq")), parts, parts).map(
        lambda drawn: apply("piecewise", drawn[0], apply(drawn[1], drawn[2], drawn[3]), drawn[0])
    )
    return two | one | pieces


LEAVES: st.SearchStrategy[Expression] = (
    NUMBERS.map(Number) | st.sampled_from(IDS).map(Symbol) | st.just(TIME)
)
FORMULAS = st.recursive(LEAVES, joined, max_leaves=12)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    flag = st.booleans()
    compartment = Compartment("cell", draw(NUMBERS), True, 3.0, draw(UNITS))
    species = tuple(
        Species(id, "cell", draw(NUMBERS), draw(flag), draw(flag), draw(flag), unit=draw(UNITS))
        for id in ("A", "2b")
    )
    parameters = (
        Parameter("B", None, is_constant=False),
        Parameter("k", draw(NUMBERS), unit=draw(UNITS)),
        Parameter("p.q", draw(NUMBERS), is_constant=False),
    )
    stoichiometry = draw(st.floats(0.1, 10))
    reaction = Reaction(
        "r",
        (Participant("A", stoichiometry),),
        (Participant("2b"),),
        draw(FORMULAS),
        (),
        draw(flag),
    )
    trigger = apply("gt", draw(FORMULAS), draw(FORMULAS))
    event = Event(
        "e", trigger, {"p.q": draw(FORMULAS)}, draw(st.none() | FORMULAS), None, draw(flag)
    )
    acyclic = {"B": Symbol("A"), "k": Symbol("p.q")}
    initial = {"k": substituted(draw(FORMULAS), acyclic)} if draw(flag) else {}
    rules = (AssignmentRule("B", substituted(draw(FORMULAS), acyclic)),)
    return Network(
        "made", (compartment,), species, parameters, (reaction,), rules, (event,), initial=initial
    )


@pytest.mark.requirement("S2")
@given(networks())
@settings(max_examples=60, deadline=None)
def test_round_trip(network: Network) -> None:
    text = sbml_text(network)
    assert network_of(text) == network
