"""The compiled update of soft memberships is the formula, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.kernels.soft_clusters import update_memberships

Array = NDArray[np.float64]


def plain(
    memberships: Array, affinity: Array, levels: Any, order: Any, blocks: int, share: Array
) -> tuple[Array, Array]:
    """The same with theta 2, every block from sums made anew."""
    result = memberships.copy()
    is_of = np.zeros((len(result), len(share)))
    for column in levels.T:
        is_of[np.arange(len(result)), column] = 1
    for rows in np.array_split(order, blocks):
        rest = np.delete(np.arange(len(result)), rows)
        observed = is_of[rest].T @ result[rest]
        expected = np.outer(share, result[rest].sum(axis=0))
        log_factor = 2 * np.log((expected + 1) / (observed + 1))
        weight = affinity[rows] * np.exp(is_of[rows] @ log_factor)
        result[rows] = weight / weight.sum(axis=1, keepdims=True)
    return result, is_of.T @ result


def example(n: int = 97, k: int = 5) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    memberships = rng.dirichlet(np.ones(k), n)
    affinity = rng.uniform(0.1, 1, (n, k))
    levels = np.column_stack([rng.integers(0, 3, n), 3 + rng.integers(0, 2, n)])
    share = np.bincount(levels.ravel()) / n
    return memberships, affinity, levels, rng.permutation(n), 20, share


def test_is_the_formula() -> None:
    arguments = example()
    kept = [np.array(part) for part in arguments]
    found, observed = update_memberships(*arguments, 2.0)
    wanted, sums = plain(*arguments)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(observed, sums, rtol=0, atol=1e-10)
    for before, after in zip(kept, arguments, strict=True):
        np.testing.assert_array_equal(before, after)


def test_without_penalty_it_is_the_affinity() -> None:
    memberships, affinity, levels, order, blocks, share = example()
    found, _ = update_memberships(memberships, affinity, levels, order, blocks, share, 0.0)
    wanted = affinity / affinity.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_penalties_of_two_variables_multiply() -> None:
    memberships, affinity, levels, order, blocks, share = example()
    one = levels[:, :1]
    twice = np.column_stack([one, one + 3])
    shares = np.concatenate([share[:3], share[:3]])
    double, _ = update_memberships(memberships, affinity, twice, order, blocks, shares, 1.0)
    single, _ = update_memberships(memberships, affinity, one, order, blocks, share[:3], 2.0)
    np.testing.assert_allclose(double, single, rtol=0, atol=1e-12)
