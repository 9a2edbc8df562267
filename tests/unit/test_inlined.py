"""Functions of a network, put in place of their calls."""

from __future__ import annotations

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Number, Symbol, apply
from cellula.core.inlined import inlined, inliner
from cellula.core.network import AssignmentRule, Event, Function, Network, Parameter

X, Y = Symbol("x"), Symbol("y")
TWICE = Function("twice", ("x",), apply("times", 2, X))
SWAPPED = Function("swapped", ("x", "y"), apply("minus", Y, X))
BOTH = Function("both", ("x",), Apply("swapped", (Apply("twice", (X,)), X)))


def test_bodies_call_others_in_any_order() -> None:
    rule = inliner((BOTH, SWAPPED, TWICE))
    found = rule(Apply("both", (Number(3.0),)))
    assert found == apply("minus", 3, apply("times", 2, 3))


def test_arguments_are_put_in_at_once() -> None:
    assert inliner((SWAPPED,))(Apply("swapped", (Y, X))) == apply("minus", X, Y)


def test_loop_is_named() -> None:
    first = Function("f", ("x",), Apply("g", (X,)))
    second = Function("g", ("x",), Apply("f", (X,)))
    with pytest.raises(DataError, match=r"loop: (f -> g -> f|g -> f -> g)"):
        inliner((first, second))


def test_unknown_function_and_wrong_count() -> None:
    with pytest.raises(DataError, match="no function 'thrice'"):
        inliner((TWICE,))(Apply("thrice", (X,)))
    with pytest.raises(DataError, match="'twice' is called with 2"):
        inliner((TWICE,))(Apply("twice", (X, Y)))


def test_network_without_functions() -> None:
    call = Apply("twice", (Symbol("p"),))
    network = Network(
        "n",
        parameters=(Parameter("p", 1.0), Parameter("q", None, is_constant=False)),
        rules=(AssignmentRule("q", call),),
        events=(Event("e", apply("gt", call, 1), {}, delay=call, priority=call),),
        functions=(TWICE,),
        initial={"p": Number(2.0)},
    )
    found = inlined(network)
    assert not found.functions
    assert found.rules[0].expression == apply("times", 2, Symbol("p"))
    assert found.events[0].delay == apply("times", 2, Symbol("p"))
    assert inlined(found) is found
