"""Formulas as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply
from cellula.io.infix import parse, written

a, b, c = Symbol("a"), Symbol("b"), Symbol("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a+b*c", apply("plus", a, apply("times", b, c))),
        ("(a+b)*c", apply("times", apply("plus", a, b), c)),
        ("a-b-c", apply("minus", apply("minus", a, b), c)),
        ("a/b/c", apply("divide", apply("divide", a, b), c)),
        ("a^b^c", apply("power", a, apply("power", b, c))),
        ("-a^2", apply("minus", apply("power", a, 2))),
        ("2^-1", apply("power", 2, -1)),
        ("-a*b", apply("times", apply("minus", a), b)),
        ("a+b+c", apply("plus", a, b, c)),
        ("1.5e-3", Number(0.0015)),
        (".5*a", apply("times", 0.5, a)),
        ("a**2", apply("power", a, 2)),
        ("!a & b | c", apply("or", apply("and", apply("not", a), b), c)),
        ("not a and b", apply("and", apply("not", a), b)),
        ("a >= 1 && b != 2", apply("and", apply("geq", a, 1), apply("neq", b, 2))),
        ("if(a > 1, b, c)", apply("piecewise", b, apply("gt", a, 1), c)),
        ("sqrt(a)", apply("root", 2, a)),
        ("log(a)", apply("ln", a)),
        ("log10(a)", apply("log", 10, a)),
        ("time() + time", apply("plus", TIME, TIME)),
        ("max(a, b, c)", apply("max", a, b, c)),
    ],
)
def test_formulas_mean_what_people_mean(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ends too early"),
        ("a +", "ends too early"),
        ("a b", "expected an operator"),
        ("(a", r"expected '\)'"),
        ("a $ b", r"at 3: '\$'"),
        ("frob(a)", "no function 'frob'"),
        ("exp(a, b)", "exp has 2 argument"),
        ("f(a, b)", "f takes 1"),
        ("(" * 999 + "a" + ")" * 999, "levels of parentheses"),
    ],
)
def test_what_is_no_formula_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse(text, own={"f": 1})


def test_functions_of_the_network_are_called() -> None:
    assert parse("f(a) + 1", own={"f": 1}) == apply("plus", Apply("f", (a,)), 1)


def test_a_long_sum_is_one_node() -> None:
    assert len(parse("+".join(["a"] * 5000)).arguments) == 5000  # type: ignore[union-attr]


LEAVES = st.one_of(
    st.sampled_from([a, b, TIME]),
    st.floats(allow_nan=False, allow_infinity=False).map(Number),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda f, x, y: apply(f, x, y),
            st.sampled_from(["plus", "minus", "times", "divide", "power", "and", "lt", "max"]),
            inner,
            inner,
        ),
        st.builds(lambda f, x: apply(f, x), st.sampled_from(["not", "exp", "abs"]), inner),
    ),
    max_leaves=12,
)


@given(TREES)
def test_what_is_written_is_read_back(tree: Expression) -> None:
    once = parse(written(tree))
    assert parse(written(once)) == once
