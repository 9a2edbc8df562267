"""Derivatives against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellula.core.derivative import derivative, gradients
from cellula.core.errors import DataError
from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply
from cellula.io.infix import parse
from cellula.models.mechanistic.tape import evaluate, tape

STEP = 1e-6
X, Y = Symbol("x"), Symbol("y")


def values(expressions: list[Expression], x: float, y: float, time: float) -> list[float]:
    made = tape(expressions, ("x", "y"), ())
    return list(evaluate(made, time, np.array([[x, y]]), np.zeros(0))[0])


def check(expression: Expression, x: float, y: float, time: float = 0.7) -> None:
    exact = values([derivative(expression, id) for id in ("x", "y", None)], x, y, time)
    for place, found in enumerate(exact):
        low, high = [x, y, time], [x, y, time]
        low[place] -= STEP
        high[place] += STEP
        expected = (values([expression], *high)[0] - values([expression], *low)[0]) / (2 * STEP)
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-7), (expression, "xyt"[place])


INSIDE = ("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "sech", "csch", "coth")
ANYWHERE = ("exp", "ln", "abs", "arctan", "arccot", "arcsinh", "arccsch")
BELOW_ONE = ("arcsin", "arccos", "arctanh", "arcsech")
ABOVE_ONE = ("arcsec", "arccsc", "arccosh", "arccoth")


@pytest.mark.parametrize("function", INSIDE + ANYWHERE + BELOW_ONE)
def test_function_of_one(function: str) -> None:
    check(apply(function, apply("times", X, apply("plus", 0.5, Y))), 0.6, 0.4)


@pytest.mark.parametrize("function", ABOVE_ONE)
def test_function_of_one_above_one(function: str) -> None:
    check(apply(function, apply("times", X, apply("plus", 0.5, Y))), 1.7, 0.9)


@pytest.mark.parametrize(
    "formula",
    [
        "x * y - x / y + time * x",
        "-x + (x - y) * 3",
        "x ^ 3 * y ^ 2.5 - x ^ y + 2 ^ x",
        "V * x ^ n / (K ^ n + x ^ n)".replace("V", "1.5").replace("K", "0.3").replace("n", "2"),
        "max(x, y, 0.1) * min(x * y, time)",
        "if(x > 0.5, x ^ 2, y)",
        "if(x < 0.5, x ^ 2, y * time)",
        "sqrt(x) + cbrt(y) + log10(x * y)",
        "rem(3 * x, y)",
        "floor(x) * y + (x > y) * x",
        "exp(-time / y) * sin(time)",
    ],
)
def test_formula(formula: str) -> None:
    check(parse(formula.replace("rem(3 * x, y)", "3 * x % y")), 0.8, 0.35)


def test_root_of_a_varying_degree_and_log_of_a_varying_base() -> None:
    check(Apply("root", (Y, X)), 0.8, 2.5)
    check(Apply("log", (Y, X)), 0.8, 2.5)
    check(Apply("root", (Number(3.0), apply("minus", X))), 0.8, 2.5)


@settings(max_examples=60, deadline=None)
@given(st.recursive(
    st.sampled_from([X, Y, TIME, Number(0.0), Number(1.0), Number(-2.5)]),
    lambda inner: st.one_of(
        st.builds(Apply, st.sampled_from(["sin", "cos", "exp", "arctan"]), st.tuples(inner)),
        st.builds(Apply, st.sampled_from(["plus", "times"]), st.tuples(inner, inner, inner)),
        st.builds(Apply, st.just("minus"), st.tuples(inner, inner)),
        st.builds(Apply, st.just("minus"), st.tuples(inner)),
    ),
    max_leaves=8,
))  # fmt: skip
def test_any_smooth_expression(expression: Expression) -> None:
    if max(abs(one) for one in values([expression], 0.4, 0.3, 0.7)) < 50:
        check(expression, 0.4, 0.3)


def test_zeros_and_ones_are_folded() -> None:
    assert derivative(parse("3 * x + y"), "x") == Number(3.0)
    assert derivative(parse("k * x"), "x") == Symbol("k")
    assert derivative(parse("k * y"), "x") == Number(0.0)
    assert derivative(parse("x ^ 2"), "x") == apply("times", 2, X)


def test_shared_parts_are_differentiated_once() -> None:
    deep: Expression = X
    for _ in range(60):  # 2^60 nodes as a tree
        deep = Apply("plus", (deep, deep))
    found = gradients((deep,), ("x",))[0]["x"]
    assert found == Number(2.0**60)
    assert evaluate(tape((deep,), ("x",), ()), 0.0, np.ones((1, 1)), np.zeros(0)) == 2.0**60


def test_depth_is_not_bounded_by_the_stack() -> None:
    deep: Expression = X
    for _ in range(5000):
        deep = Apply("sin", (deep,))
    found = evaluate(tape((derivative(deep, "x"),), ("x",), ()), 0.0, np.zeros((1, 1)), np.zeros(0))
    assert found[0, 0] == 1.0


@pytest.mark.parametrize("function", ["delay", "rate_of", "factorial", "mine"])
def test_no_derivative(function: str) -> None:
    given = (X, Number(1.0)) if function == "delay" else (X,)
    with pytest.raises(DataError, match=function):
        derivative(Apply(function, given), "x")
    assert derivative(Apply("factorial", (Y,)), "x") == Number(0.0)


def test_max_has_one_derivative_where_two_are_equal() -> None:
    assert values([derivative(parse("max(x, y)"), id) for id in "xy"], 2.0, 2.0, 0.0) == [1.0, 0.0]
    assert math.isfinite(values([derivative(parse("abs(x)"), "x")], 0.0, 0.0, 0.0)[0])
