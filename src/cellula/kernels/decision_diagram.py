"""Boolean functions as reduced ordered binary decision diagrams, every one an array of its own.

A diagram is an int32 array (nodes, 3) of variable, node where it is 0, node where it is 1
[bryant1986]_. Children stand before their parents and the root stands last; row 0 is false and row
1 is true, so that the array of false has one row and that of true has two. Two diagrams of one
function are equal arrays. Variables are numbered in the order in which they are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import EngineError

__all__ = [
    "AND",
    "FALSE",
    "OR",
    "TRUE",
    "WITHOUT",
    "XOR",
    "Diagram",
    "assignments",
    "combined",
    "conjunction",
    "count",
    "disjunction",
    "flipped",
    "is_false",
    "literal",
    "negated",
    "one_of",
    "projected",
    "restricted",
]

Diagram = NDArray[np.int32]
#: The variable of the two constants: below all others.
BOTTOM = 2**31 - 1
FALSE: Diagram = np.array([[BOTTOM, 0, 0]], np.int32)
TRUE: Diagram = np.array([[BOTTOM, 0, 0], [BOTTOM, 1, 1]], np.int32)
FALSE.flags.writeable = TRUE.flags.writeable = False
#: Operations as truth tables: bit 2 a + b is the result for a and b.
AND, OR, XOR, WITHOUT = 0b1000, 0b1110, 0b0110, 0b0100
#: A diagram with more nodes is refused: the tables that make it would take some GB of memory.
MOST_NODES = 2**24


@numba.njit(cache=True, nogil=True)
def _mixed(key):  # type: ignore[no-untyped-def]
    """A hash of 64 bits [steele2014]_."""
    z = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return z ^ (z >> np.uint64(27))


@numba.njit(cache=True, nogil=True)
def _grown(keys, values):  # type: ignore[no-untyped-def]
    """A table of twice the size with the same entries; -1 is no key."""
    mask = np.uint64(2 * len(keys) - 1)
    new_keys = np.full(2 * len(keys), -1, np.int64)
    new_values = np.empty(2 * len(keys), np.int32)
    for old in range(len(keys)):
        if keys[old] >= 0:
            at = _mixed(keys[old]) & mask
            while new_keys[at] >= 0:
                at = (at + np.uint64(1)) & mask
            new_keys[at] = keys[old]
            new_values[at] = values[old]
    return new_keys, new_values


@numba.njit(cache=True, nogil=True)
def _find(keys, values, key):  # type: ignore[no-untyped-def]
    """The value of a key, -1 where it is not there."""
    mask = np.uint64(len(keys) - 1)
    at = _mixed(key) & mask
    while keys[at] >= 0:
        if keys[at] == key:
            return values[at]
        at = (at + np.uint64(1)) & mask
    return np.int32(-1)


@numba.njit(cache=True, nogil=True)
def _put(keys, values, key, value):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    at = _mixed(key) & mask
    while keys[at] >= 0:
        at = (at + np.uint64(1)) & mask
    keys[at] = key
    values[at] = value


@numba.njit(cache=True, nogil=True)
def _node(nodes, n, table, variable, low, high):  # type: ignore[no-untyped-def]
    """The number of a node, appended to the first n where there is no such node yet.

    table: heads of the chains in column 0, what follows a node in column 1.
    """
    if low == high:
        return low, n
    mixed = _mixed((np.int64(low) << 32) ^ np.int64(high)) ^ _mixed(np.int64(variable))
    at = np.int64(mixed & np.uint64(len(table) - 1))
    found = table[at, 0]
    while found >= 0:
        is_same = nodes[found, 0] == variable and nodes[found, 1] == low
        if is_same and nodes[found, 2] == high:
            return found, n
        found = table[found, 1]
    nodes[n, 0], nodes[n, 1], nodes[n, 2] = variable, low, high
    table[n, 1] = table[at, 0]
    table[at, 0] = n
    return np.int32(n), n + 1


@numba.njit(cache=True, nogil=True)
def _resized(nodes, n):  # type: ignore[no-untyped-def]
    """Room for twice as many nodes, and the table of those that there are."""
    larger = np.empty((2 * len(nodes), 3), np.int32)
    larger[:n] = nodes[:n]
    table = np.full((2 * len(nodes), 2), -1, np.int32)
    for k in range(2, n):
        key = (np.int64(larger[k, 1]) << 32) ^ np.int64(larger[k, 2])
        mixed = _mixed(key) ^ _mixed(np.int64(larger[k, 0]))
        at = np.int64(mixed & np.uint64(len(table) - 1))
        table[k, 1] = table[at, 0]
        table[at, 0] = k
    return larger, table


@numba.njit(cache=True, nogil=True)
def _known(i, j, width, truth, keys, values):  # type: ignore[no-untyped-def]
    """The result for two nodes where it is a constant or was found before, else -1."""
    if i <= 1:
        low, high = (truth >> (2 * i)) & 1, (truth >> (2 * i + 1)) & 1
        if j <= 1:
            return np.int32(high if j == 1 else low)
        if low == high:
            return np.int32(low)
    elif j <= 1:
        low, high = (truth >> j) & 1, (truth >> (2 + j)) & 1
        if low == high:
            return np.int32(low)
    return _find(keys, values, i * width + j)


@numba.njit(cache=True, nogil=True)
def _combine(a, b, truth):  # type: ignore[no-untyped-def]
    """The diagram of an operation of two functions, its truth table given."""
    width = np.int64(len(b))
    room = 64
    while room < len(a) + len(b):
        room *= 2
    nodes, table = np.empty((room, 3), np.int32), np.full((room, 2), -1, np.int32)
    nodes[0], nodes[1] = np.int32(BOTTOM), np.int32(BOTTOM)
    nodes[0, 1:], nodes[1, 1:] = np.int32(0), np.int32(1)
    n, n_keys = 2, 0
    keys, values = np.full(2 * room, -1, np.int64), np.empty(2 * room, np.int32)
    pending = np.empty(1024, np.int64)
    top = 1
    pending[0] = (np.int64(len(a)) - 1) * width + width - 1
    root = _known(np.int64(len(a)) - 1, width - 1, width, truth, keys, values)
    if root >= 0:
        return nodes[: root + 1].copy()
    while top > 0:
        key = pending[top - 1]
        if _find(keys, values, key) >= 0:
            top -= 1
            continue
        i, j = key // width, key % width
        variable = min(a[i, 0], b[j, 0])
        i_low = np.int64(a[i, 1]) if a[i, 0] == variable else i
        i_high = np.int64(a[i, 2]) if a[i, 0] == variable else i
        j_low = np.int64(b[j, 1]) if b[j, 0] == variable else j
        j_high = np.int64(b[j, 2]) if b[j, 0] == variable else j
        low = _known(i_low, j_low, width, truth, keys, values)
        high = _known(i_high, j_high, width, truth, keys, values)
        if top + 2 > len(pending):
            pending = np.append(pending, np.empty_like(pending))
        if low < 0:
            pending[top] = i_low * width + j_low
            top += 1
        if high < 0:
            pending[top] = i_high * width + j_high
            top += 1
        if low < 0 or high < 0:
            continue
        if n == len(nodes):
            if n >= MOST_NODES:
                return nodes[:0].copy()
            nodes, table = _resized(nodes, n)
        root, n = _node(nodes, n, table, variable, low, high)
        if 2 * n_keys >= len(keys):
            keys, values = _grown(keys, values)
        _put(keys, values, key, root)
        n_keys += 1
        top -= 1
    return nodes[: max(n, 2)].copy() if root > 1 else nodes[: root + 1].copy()


@numba.njit(cache=True, nogil=True)
def _replace(a, variable, value):  # type: ignore[no-untyped-def]
    """The diagram with a variable set to 0 or 1, or turned over (value 2)."""
    room = 64
    while room < len(a) + 2:
        room *= 2
    nodes, table = np.empty((room, 3), np.int32), np.full((room, 2), -1, np.int32)
    nodes[0], nodes[1] = np.int32(BOTTOM), np.int32(BOTTOM)
    nodes[0, 1:], nodes[1, 1:] = np.int32(0), np.int32(1)
    n = 2
    new = np.empty(max(len(a), 2), np.int32)
    new[0], new[1] = 0, 1
    for k in range(2, len(a)):
        low, high = new[a[k, 1]], new[a[k, 2]]
        if a[k, 0] != variable:
            new[k], n = _node(nodes, n, table, a[k, 0], low, high)
        elif value == 2:
            new[k], n = _node(nodes, n, table, a[k, 0], high, low)
        else:
            new[k] = high if value == 1 else low
    root = new[len(a) - 1]
    if root <= 1:
        return nodes[: root + 1].copy()
    used = np.zeros(root + 1, np.bool_)
    used[root] = True
    for k in range(root, 1, -1):
        if used[k]:
            used[nodes[k, 1]] = used[nodes[k, 2]] = True
    kept = 2
    new = np.empty(root + 1, np.int32)
    new[0], new[1] = 0, 1
    for k in range(2, root + 1):
        if used[k]:
            nodes[kept, 0] = nodes[k, 0]
            nodes[kept, 1], nodes[kept, 2] = new[nodes[k, 1]], new[nodes[k, 2]]
            new[k] = kept
            kept += 1
    return nodes[:kept].copy()


def literal(variable: int, value: bool = True) -> Diagram:
    """The function that is true where a variable is 1, or 0."""
    return np.array([*TRUE, [variable, not value, value]], np.int32)


def combined(a: Diagram, b: Diagram, truth: int) -> Diagram:
    """An operation of two functions: AND, OR, XOR, WITHOUT, or any other truth table.

    Raises EngineError where the result has more than 2^24 nodes.
    """
    if len(a) <= 2:
        bits = (truth >> (2 * (len(a) - 1))) & 3
        if bits != 1:
            return {0: FALSE, 2: b, 3: TRUE}[bits]
        a = a.copy()
    if len(b) <= 2:
        b = b.copy()
    found: Diagram = _combine(a, b, truth)
    if len(found) == 0:
        raise EngineError(
            f"a decision diagram has more than {MOST_NODES:,} nodes: the set of states is too "
            "irregular; hold some inputs or components at a level"
        )
    return found


def negated(a: Diagram) -> Diagram:
    """Not a."""
    return combined(TRUE, a, WITHOUT)


def conjunction(parts: Iterable[Diagram]) -> Diagram:
    """All of them; true where there is none."""
    whole = TRUE
    for part in parts:
        whole = combined(whole, part, AND)
    return whole


def disjunction(parts: Iterable[Diagram]) -> Diagram:
    """Any of them; false where there is none."""
    whole = FALSE
    for part in parts:
        whole = combined(whole, part, OR)
    return whole


def is_false(a: Diagram) -> bool:
    """Whether no assignment makes it true."""
    return len(a) == 1


def restricted(a: Diagram, variable: int, value: bool) -> Diagram:
    """The function where a variable has a value."""
    return a if len(a) <= 2 else np.asarray(_replace(a, variable, int(value)), np.int32)


def flipped(a: Diagram, variable: int) -> Diagram:
    """The function that is true of x where ``a`` is true of x with the variable turned over."""
    return a if len(a) <= 2 else np.asarray(_replace(a, variable, 2), np.int32)


def projected(a: Diagram, variables: Iterable[int]) -> Diagram:
    """Whether there are values of the variables for which it is true."""
    for variable in sorted(set(variables) & set(a[:, 0].tolist()), reverse=True):
        a = combined(restricted(a, variable, False), restricted(a, variable, True), OR)
    return a


def one_of(a: Diagram, variables: Sequence[int]) -> Diagram:
    """Of all that differ in ``variables`` only, the first: the variables 0 as far as can be."""
    variables = sorted(variables)
    rests = [a]
    for variable in reversed(variables[1:]):
        rests.append(projected(rests[-1], [variable]))
    for variable, rest in zip(variables, reversed(rests), strict=True):
        is_one = combined(literal(variable), restricted(rest, variable, False), AND)
        a = combined(a, is_one, WITHOUT)
    return a


def count(a: Diagram, variables: Sequence[int]) -> int:
    """How many assignments of the variables make it true; it depends on no other variable."""
    place = {variable: at for at, variable in enumerate(sorted(variables))}
    place[BOTTOM] = len(place)
    below = [0, 1]
    for variable, low, high in a[2:].tolist():
        gaps = (place[int(a[child, 0])] - place[variable] - 1 for child in (low, high))
        below.append(sum(below[child] << gap for child, gap in zip((low, high), gaps, strict=True)))
    return below[len(a) - 1] << place[int(a[-1, 0])]


def assignments(a: Diagram, variables: Sequence[int]) -> Iterator[tuple[bool, ...]]:
    """Every assignment of the variables, in their ascending order, that makes it true.

    It depends on no other variable. They come in the order of counting in binary.
    """
    variables = sorted(variables)
    pending: list[tuple[int, tuple[bool, ...]]] = [(len(a) - 1, ())]
    while pending:
        node, values = pending.pop()
        if node == 0:
            continue
        if len(values) == len(variables):
            yield values
            continue
        is_asked = int(a[node, 0]) == variables[len(values)]
        low, high = (int(a[node, 1]), int(a[node, 2])) if is_asked else (node, node)
        pending += [(high, (*values, True)), (low, (*values, False))]
