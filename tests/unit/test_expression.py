"""Expressions: built, walked, rewritten."""

from __future__ import annotations

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import (
    TIME,
    Apply,
    Number,
    Symbol,
    apply,
    rewritten,
    substituted,
    symbols,
    walk,
)

A, B = Symbol("A"), Symbol("B")


def test_numbers_are_written_as_numbers() -> None:
    assert apply("plus", 1, A) == Apply("plus", (Number(1.0), A))


def test_not_a_number_equals_itself() -> None:
    assert Number(float("nan")) == Number(float("nan"))
    assert hash(Number(float("nan"))) == hash(Number(float("nan")))


@pytest.mark.parametrize(
    ("function", "count", "told"), [("bogus", 1, "no function"), ("divide", 3, "from 2 to 2")]
)
def test_wrong_functions_are_refused(function: str, count: int, told: str) -> None:
    with pytest.raises(DataError, match=told):
        apply(function, *[A] * count)


def test_walk_goes_from_the_parent_to_its_arguments_in_order() -> None:
    whole = apply("minus", apply("times", A, B), TIME)
    assert list(walk(whole)) == [whole, whole.arguments[0], A, B, TIME]
    assert symbols(apply("plus", B, A, B)) == ("B", "A")


def test_ids_are_replaced_all_at_once() -> None:
    assert substituted(apply("plus", A, B), {"A": B, "B": A}) == apply("plus", B, A)


def test_depth_is_not_bounded_by_the_stack() -> None:
    deep: Apply | Symbol = A
    for _ in range(20_000):
        deep = apply("minus", deep)
    assert symbols(substituted(deep, {"A": B})) == ("B",)


def test_what_does_not_change_is_the_same_object() -> None:
    whole = apply("plus", A, apply("exp", B))
    assert rewritten(whole, lambda node: node) is whole


def test_shared_parts_are_visited_once() -> None:
    whole: Apply | Symbol = A
    for _ in range(60):  # as a tree it would have 2^60 leaves
        whole = apply("plus", whole, whole)
    assert len(list(walk(whole))) == 62
    changed = substituted(whole, {"A": B})
    assert isinstance(changed, Apply)
    assert changed.arguments[0] is changed.arguments[1]
