"""Plain evaluation of expressions, with numbers and with one number a cell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellula.core.errors import DataError
from cellula.core.evaluation import OPERATIONS, evaluate
from cellula.core.expression import FUNCTIONS, TIME, Apply, Symbol, apply
from cellula.io.infix import parse
from cellula.models.mechanistic.tape import evaluate as evaluate_tape
from cellula.models.mechanistic.tape import tape

X = Symbol("x")


def value(formula: str, **values: float) -> float:
    return float(evaluate(parse(formula), values, 2.0))


def test_every_function_is_there() -> None:
    assert set(FUNCTIONS) - set(OPERATIONS) == {"delay", "rate_of", "time"}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("x + 2 * 3", 7.0),
        ("rem(-7, 3)", -1.0),
        ("quotient(-7, 3)", -2.0),
        ("time", 2.0),
        ("piecewise(5, x > 3, 6)", 6.0),
        ("factorial(5)", 120.0),
        ("cbrt(-8)", -2.0),
        ("implies(x > 0, x > 5)", 0.0),
        ("xor(x > 0, x > 0, x > 0)", 1.0),
    ],
)
def test_values(formula: str, expected: float) -> None:
    assert value(formula, x=1.0) == pytest.approx(expected)


def test_empty_chains() -> None:
    assert [float(evaluate(Apply(f), {}, 0.0)) for f in ("and", "or", "plus", "times")] == [
        1.0,
        0.0,
        0.0,
        1.0,
    ]


def test_undefined_is_not_a_number() -> None:
    assert math.isnan(value("ln(0 - 1)"))
    assert math.isnan(value("piecewise(1, x > 3)", x=1.0))


def test_one_value_a_cell() -> None:
    found = evaluate(parse("piecewise(x, x > y, y)"), {"x": np.array([1.0, 5.0]), "y": 2.0}, 0.0)
    assert found.tolist() == [2.0, 5.0]


def test_deep_formula_does_not_recurse() -> None:
    deep = apply("plus", X, 1)
    for _ in range(20_000):
        deep = apply("plus", deep, 1)
    assert float(evaluate(deep, {"x": 0.0}, 0.0)) == 20_001


def test_what_needs_more_than_values() -> None:
    with pytest.raises(DataError, match="no value of 'x'"):
        evaluate(X, {}, 0.0)
    with pytest.raises(DataError, match="'rate_of' has no value by itself"):
        evaluate(Apply("rate_of", (X,)), {"x": 1.0}, 0.0)


@settings(deadline=None)  # the first compiles
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_agrees_with_the_compiled_tape(x: float, y: float) -> None:
    formulas = [
        parse(one)
        for one in (
            "x * y - exp(x) / (1 + y ^ 2)",
            "piecewise(x, x < y, y, x > 1, x * y)",
            "rem(x, y + 4) + quotient(x, y + 4)",
            "sin(x) * arctan(y) + abs(x) - max(x, y, 1)",
        )
    ] + [apply("times", TIME, X)]
    compiled = evaluate_tape(tape(formulas, ("x",), ("y",)), 2.0, np.array([[x]]), np.array([[y]]))
    plain = [float(evaluate(one, {"x": x, "y": y}, 2.0)) for one in formulas]
    assert compiled[0] == pytest.approx(plain, rel=1e-12, abs=1e-12, nan_ok=True)
