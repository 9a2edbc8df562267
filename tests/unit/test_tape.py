"""Tapes against a plain evaluation in Python."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, TIME, Apply, Expression, Number, Symbol
from cellula.io.infix import parse
from cellula.models.mechanistic.tape import evaluate, tape

A, B = Symbol("a"), Symbol("b")
PLAIN: dict[str, Callable[..., Any]] = {
    "plus": lambda *x: sum(x),
    "times": lambda *x: math.prod(x),
    "minus": lambda *x: -x[0] if len(x) == 1 else x[0] - x[1],
    "divide": operator.truediv,
    "power": operator.pow,
    "root": lambda n, x: math.copysign(abs(x) ** (1 / n), x),
    "log": lambda base, x: math.log(x) / math.log(base),
    "rem": math.fmod,
    "quotient": lambda x, y: math.trunc(x / y),
    "and": lambda *x: all(x),
    "or": lambda *x: any(x),
    "xor": lambda *x: reduce(operator.xor, map(bool, x), False),
    "not": lambda x: not x,
    "implies": lambda x, y: bool(not x or y),
    "eq": operator.eq, "neq": operator.ne, "lt": operator.lt, "leq": operator.le,
    "gt": operator.gt, "geq": operator.ge,
    "max": max, "min": min, "exp": math.exp, "ln": math.log, "abs": abs,
    "ceiling": math.ceil, "floor": math.floor,
    "factorial": lambda x: math.factorial(math.floor(x)),
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "sec": lambda x: 1 / math.cos(x), "csc": lambda x: 1 / math.sin(x),
    "cot": lambda x: 1 / math.tan(x), "sech": lambda x: 1 / math.cosh(x),
    "csch": lambda x: 1 / math.sinh(x), "coth": lambda x: 1 / math.tanh(x),
    "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan, "arcsinh": math.asinh,
    "arccosh": math.acosh, "arctanh": math.atanh, "arcsec": lambda x: math.acos(1 / x),
    "arccsc": lambda x: math.asin(1 / x), "arccot": lambda x: math.atan(1 / x),
    "arcsech": lambda x: math.acosh(1 / x), "arccsch": lambda x: math.asinh(1 / x),
    "arccoth": lambda x: math.atanh(1 / x),
}  # fmt: skip
ABOVE_ONE = {"arcsec", "arccsc", "arccosh", "arccoth"}


def value(expression: Expression, a: float = 0.6, b: float = 0.35, time: float = 2.0) -> float:
    made = tape((expression,), ("a",), ("b",))
    return float(evaluate(made, time, np.array([[a]]), np.array([b]))[0, 0])


def test_every_function_is_here() -> None:
    assert set(PLAIN) | {"piecewise", "time", "delay", "rate_of"} == set(FUNCTIONS)


@pytest.mark.parametrize("name", PLAIN)
def test_function(name: str) -> None:
    fewest, most = FUNCTIONS[name]
    a = 2.7 if name in ABOVE_ONE else 3.0 if name == "factorial" else 0.6
    arguments = [(A, B)[k % 2] for k in range(max(fewest, 3 if most is None else fewest))]
    if name in {"eq", "lt", "leq", "gt", "geq"}:
        arguments = arguments[:2]
    expected = PLAIN[name](*((a, 0.35)[k % 2] for k in range(len(arguments))))
    assert value(Apply(name, tuple(arguments)), a) == pytest.approx(float(expected), rel=1e-15)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("time * a", 1.2), ("a ^ 3", 0.216), ("a ^ -2", 1 / 0.36), ("a ^ 0", 1.0),
        ("b ^ 0.5", math.sqrt(0.35)), ("if(a > b, 1, 2)", 1.0), ("if(a < b, 1, 2)", 2.0),
        ("if(a < b, ln(-1), 2)", 2.0), ("-(a - b) - -a", 0.35), ("1 / 0", math.inf),
        ("a - a", 0.0), ("(-a) * (-b) / (-1)", -0.21), ("abs(-a)", 0.6),
    ],
)  # fmt: skip
def test_formula(formula: str, expected: float) -> None:
    assert value(parse(formula)) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    "formula", ["ln(-a)", "sqrt(-a)", "arcsin(1 + a)", "(-a) ^ b", "0 / (a - a)"]
)
def test_undefined_is_not_a_number(formula: str) -> None:
    assert math.isnan(value(parse(formula)))


def test_special_values() -> None:
    nan, cube = Number(math.nan), Apply("root", (Number(3.0), Number(-8.0)))
    assert value(cube) == -2.0
    assert math.isnan(value(Apply("piecewise", (A, Apply("lt", (A, B))))))
    assert math.isnan(value(Apply("max", (A, nan))))
    assert math.isnan(value(Apply("factorial", (A,))))
    assert value(Apply("neq", (nan, nan))) == 1.0
    assert value(Apply("eq", (nan, nan))) == 0.0
    assert [value(Apply(one)) for one in ("plus", "times", "and", "or")] == [0, 1, 1, 0]
    assert value(Apply("lt", (Number(0.0), A, Number(1.0)))) == 1.0
    assert value(Apply("lt", (Number(0.0), A, Number(0.5)))) == 0.0
    assert value(Apply("and", (A,))) == 1.0
    assert value(Apply("factorial", (Number(200.0),))) == math.inf


@settings(max_examples=60, deadline=None)
@given(st.recursive(
    st.sampled_from([A, B, TIME, Number(1.0), Number(-2.5)]),
    lambda inner: st.one_of(
        st.builds(Apply, st.sampled_from(["sin", "abs", "floor", "not"]), st.tuples(inner)),
        st.builds(Apply, st.sampled_from(["plus", "times", "max"]), st.tuples(inner, inner, inner)),
        st.builds(Apply, st.sampled_from(["minus", "lt", "eq", "xor"]), st.tuples(inner, inner)),
        st.builds(Apply, st.just("minus"), st.tuples(inner)),
    ),
    max_leaves=20,
))  # fmt: skip
def test_any_expression(expression: Expression) -> None:
    known = {A: 0.6, B: 0.35, TIME: 2.0}

    def plain(node: Expression) -> float:
        if isinstance(node, Number):
            return node.value
        return known[node] if node in known else PLAIN[node.function](*map(plain, node.arguments))

    assert value(expression) == pytest.approx(float(plain(expression)), rel=1e-9, abs=1e-9)


def test_equal_parts_are_shared() -> None:
    made = tape((parse("exp(a * b) + 1"), parse("2 * exp(b * a)")), ("a",), ("b",))
    assert len(made.operations) == 4  # product, exp, sum, product
    assert len(tape((parse("b * b + 3 * 4"),), ("a",), ("b",)).operations) == 2


def test_what_parameters_alone_give_comes_first() -> None:
    made = tape((parse("a * b ^ 2 + exp(b)"),), ("a",), ("b",))
    begin = made.runs[made.n_once, 1]
    registers = {0, 1}  # time and state
    for target, *operands in made.operations:
        if registers.intersection(operands):
            registers.add(target)
    assert registers.isdisjoint(made.operations[:begin, 0])
    assert registers.issuperset(made.operations[begin:, 0])


def test_cells_are_independent() -> None:
    made = tape((parse("a * b + time"), Symbol("b"), Number(4.0)), ("a",), ("b",))
    states, parameters = np.array([[1.0], [2.0]]), np.array([[3.0], [5.0]])
    found = evaluate(made, np.array([0.0, 1.0]), states, parameters)
    assert found.tolist() == [[3.0, 3.0, 4.0], [11.0, 5.0, 4.0]]
    assert evaluate(made, 0.0, states[:0], parameters[:0]).shape == (0, 3)
    assert evaluate(tape((), ("a",), ("b",)), 0.0, states, parameters).shape == (2, 0)


def test_what_a_tape_cannot_hold() -> None:
    with pytest.raises(DataError, match="no value for 'c'"):
        tape((Symbol("c"),), ("a",), ("b",))
    with pytest.raises(DataError, match="'a' given twice"):
        tape((A,), ("a",), ("a",))
    for bad in (Apply("delay", (A, B)), Apply("rate_of", (A,))):
        with pytest.raises(DataError, match="more than a point in time"):
            tape((bad,), ("a",), ("b",))
    with pytest.raises(DataError, match="no function 'mine'"):
        tape((Apply("mine", (A,)),), ("a",), ("b",))
    with pytest.raises(DataError, match="sin has 2 argument"):
        tape((Apply("sin", (A, B)),), ("a",), ("b",))


def test_shapes() -> None:
    made = tape((A,), ("a",), ("b",))
    with pytest.raises(DataError, match="states have shape"):
        evaluate(made, 0.0, np.zeros((2, 3)), np.zeros(1))
    with pytest.raises(DataError, match="parameters have shape"):
        evaluate(made, 0.0, np.zeros((2, 1)), np.zeros(2))
    with pytest.raises(DataError, match="time has shape"):
        evaluate(made, np.zeros(3), np.zeros((2, 1)), np.zeros(1))
