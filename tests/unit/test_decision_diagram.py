"""Decision diagrams compute what tables of all assignments compute."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.errors import EngineError
from cellula.kernels import decision_diagram
from cellula.kernels.decision_diagram import (
    AND,
    FALSE,
    OR,
    TRUE,
    WITHOUT,
    XOR,
    Diagram,
    assignments,
    combined,
    conjunction,
    count,
    disjunction,
    flipped,
    is_false,
    literal,
    negated,
    one_of,
    projected,
    restricted,
)

N = 5
ROWS = np.array(list(itertools.product((0, 1), repeat=N)))
PLACES = 2 ** np.arange(N - 1, -1, -1)


def told(a: Diagram) -> NDArray[np.int64]:
    """The value for every assignment, in the order of counting."""
    found = []
    for row in ROWS:
        node = len(a) - 1
        while node > 1:
            node = a[node, 1 + row[a[node, 0]]]
        found.append(node)
    return np.array(found)


def drawn(rng: np.random.Generator) -> Diagram:
    a = literal(int(rng.integers(N)))
    for _ in range(6):
        b = literal(int(rng.integers(N)), bool(rng.integers(2)))
        a = combined(a, b, (AND, OR, XOR, WITHOUT)[rng.integers(4)])
    return a


def changed(variable: int, value: int | None) -> NDArray[np.int64]:
    """The places of the assignments with a variable set, or turned over."""
    rows = ROWS.copy()
    rows[:, variable] = 1 - rows[:, variable] if value is None else value
    return np.asarray(rows @ PLACES)


@pytest.mark.parametrize("seed", range(40))
def test_operations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, v = drawn(rng), drawn(rng), int(rng.integers(N))
    A, B = told(a), told(b)
    for truth, expected in ((AND, A & B), (OR, A | B), (XOR, A ^ B), (WITHOUT, A & ~B & 1)):
        assert np.array_equal(told(combined(a, b, truth)), expected)
    assert np.array_equal(told(negated(a)), 1 - A)
    assert np.array_equal(told(flipped(a, v)), A[changed(v, None)])
    assert np.array_equal(flipped(flipped(a, v), v), a)
    ones, zeros = A[changed(v, 1)], A[changed(v, 0)]
    assert np.array_equal(told(restricted(a, v, True)), ones)
    assert np.array_equal(told(projected(a, [v])), ones | zeros)
    assert count(a, range(N)) == A.sum()
    assert [int(np.array(row) @ PLACES) for row in assignments(a, range(N))] == np.flatnonzero(
        A
    ).tolist()


@pytest.mark.parametrize("seed", range(10))
def test_one_of_all_that_differ_in_some_variables(seed: int) -> None:
    a = drawn(np.random.default_rng(seed))
    A, found = told(a), told(one_of(a, [3, 1, 4]))
    assert (found <= A).all()
    for pair in itertools.product((0, 1), repeat=2):
        same = (ROWS[:, [0, 2]] == pair).all(axis=1)
        assert found[same].sum() == A[same].any()


def test_a_function_has_one_diagram_and_constants_are_short() -> None:
    a, b, c = (literal(at) for at in range(3))
    left = combined(a, combined(b, c, OR), AND)
    right = disjunction([combined(a, b, AND), combined(c, a, AND)])
    assert np.array_equal(left, right)
    assert is_false(combined(left, right, XOR))
    assert np.array_equal(negated(FALSE), TRUE)
    assert np.array_equal(conjunction([]), TRUE)
    assert is_false(combined(a, FALSE, AND))
    assert np.array_equal(combined(a, TRUE, OR), TRUE)
    assert count(TRUE, range(100)) == 2**100


def test_a_set_that_is_too_irregular_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are compiled with the limit; what they return beyond it is empty."""
    monkeypatch.setattr(decision_diagram, "_combine", lambda a, b, truth: a[:0])
    with pytest.raises(EngineError, match="too irregular; hold some inputs"):
        combined(literal(0), literal(1), AND)
