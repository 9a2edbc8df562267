"""Sums over pairs: accuracy far from the origin, equality with SciPy, threads, numbers lost."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cellula.kernels.energy import energy_distance, energy_to_control
from cellula.kernels.mmd import energy_and_mmd_to_control, least_gamma, squared_mmd
from cellula.kernels.pair_sums import COLUMNS, ROWS, cross_sums, within_sums

BOUNDS = np.array([0, 1, 1, 40, 40 + ROWS + 5])


def cells(d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    control = rng.normal(size=(COLUMNS + 30, d))
    x = rng.normal(0.2, 1.0, size=(BOUNDS[-1], d))
    x[5:60] = control[5:60]
    return x, control


def expected(x: np.ndarray, y: np.ndarray, gamma: float) -> np.ndarray:
    squared = cdist(x, y, "sqeuclidean")
    return np.array(
        [np.sqrt(squared).sum(), *(np.exp(-gamma * 2**b * squared).sum() for b in range(5))]
    )


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 5e-7), (np.float64, 1e-13)])
def test_sums_equal_those_of_scipy(dtype: type, bound: float) -> None:
    """Groups of no, one and many cells, equal cells on both sides, uneven blocks."""
    x, control = cells()
    gamma = least_gamma(control)
    parts = [x[a:b] for a, b in pairwise(BOUNDS)]
    cross = cross_sums(x, BOUNDS, control, gamma=gamma, dtype=dtype)
    within = within_sums(x, BOUNDS, gamma=gamma, dtype=dtype)
    np.testing.assert_allclose(cross, [expected(p, control, gamma) for p in parts], rtol=bound)
    np.testing.assert_allclose(within, [expected(p, p, gamma) for p in parts], rtol=bound)
    np.testing.assert_array_equal(within[0], [0, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_do_not_change_a_bit(dtype: type, threads: int) -> None:
    x, control = cells()
    one = energy_and_mmd_to_control(x, BOUNDS, control, 0.1, dtype=dtype)
    many = energy_and_mmd_to_control(x, BOUNDS, control, 0.1, dtype=dtype, threads=threads)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)
    alone = energy_to_control(x[40:], BOUNDS[3:] - 40, control, dtype=dtype, threads=threads)
    np.testing.assert_array_equal(energy_to_control(x, BOUNDS, control, dtype=dtype)[3:], alone)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e8])
@pytest.mark.parametrize("d", [2, 50])
def test_float32_far_from_the_origin(offset: float, d: int) -> None:
    """An offset of all cells is removed before anything is rounded."""
    rng = np.random.default_rng(1)
    control, x = rng.normal(size=(700, d)), rng.normal(0.1, 1.0, size=(90, d))
    bounds = np.array([0, len(x)])
    want = energy_distance(x + offset, control + offset)
    (value,) = energy_to_control(x + offset, bounds, control + offset, dtype=np.float32)
    assert value == pytest.approx(want, abs=1e-6 * np.sqrt(2 * d))


@pytest.mark.parametrize("shift", [10.0, 1e3, 1e6])
def test_a_tight_group_far_from_the_control(shift: float) -> None:
    """Distances within a group of spread 1e-3, ``shift`` away, keep their digits in float32."""
    rng = np.random.default_rng(2)
    control = rng.normal(size=(300, 10))
    x = shift + 1e-3 * rng.normal(size=(50, 10))
    bounds = np.array([0, 50])
    within = within_sums(x, bounds, dtype=np.float32)[0, 0]
    assert within == pytest.approx(cdist(x, x).sum(), rel=1e-6)
    between = cross_sums(x, bounds, control, dtype=np.float32)[0, 0]
    assert between == pytest.approx(cdist(x, control).sum(), rel=1e-6)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_tiny_differences_beside_large_norms(gap: float) -> None:
    """Pairs that almost agree, far from the centre: the product alone would lose them all."""
    rng = np.random.default_rng(3)
    control = 100.0 * rng.normal(size=(200, 8))
    x = control[:60] + gap * rng.normal(size=(60, 8))
    exact = np.linalg.norm(x - control[:60], axis=1)
    for dtype in (np.float32, np.float64):
        sums = [
            cross_sums(x[i : i + 1], np.array([0, 1]), control[i : i + 1], dtype=dtype)[0, 0]
            for i in range(5)
        ]
        np.testing.assert_allclose(sums, exact[:5], rtol=1e-6)
        whole = cross_sums(x, np.array([0, 60]), control, dtype=dtype)[0, 0]
        assert whole == pytest.approx(cdist(x, control).sum(), rel=1e-7)


def test_any_size_of_numbers() -> None:
    """Squares that overflow or vanish in float32 are scaled by a power of two."""
    x, control = cells()
    one = energy_to_control(x, BOUNDS, control)
    for power in (-100, 100):
        scaled = energy_to_control(x * 2.0**power, BOUNDS, control * 2.0**power)
        np.testing.assert_array_equal(scaled, one * 2.0**power)


def test_no_cells_and_no_numbers() -> None:
    x, control = cells()
    x[45, 2] = np.nan
    energy, squared = energy_and_mmd_to_control(x, BOUNDS, control, 0.1)
    np.testing.assert_array_equal(np.isnan(energy), [False, True, False, True])
    np.testing.assert_array_equal(np.isnan(squared).all(axis=1), np.isnan(energy))


def test_mmd_sees_more_cells_as_no_closer() -> None:
    rng = np.random.default_rng(4)
    few, many = [], []
    for _ in range(80):
        x = rng.normal(size=(20, 4))
        gamma = least_gamma(x)
        few.append(squared_mmd(x, rng.normal(size=(20, 4)), gamma, is_sized=True)[2])
        many.append(squared_mmd(x, rng.normal(size=(300, 4)), gamma, is_sized=True)[2])
    assert np.mean(many) == pytest.approx(np.mean(few), rel=0.08)


def test_equal_reference_cells_have_the_kernel_of_equality() -> None:
    x = np.full((5, 3), 0.1)
    y = np.concatenate([x[:3], x[:3] + 1e-3])
    gamma = least_gamma(x)
    np.testing.assert_allclose(squared_mmd(x, x, gamma), 0.0, atol=1e-12)
    np.testing.assert_allclose(squared_mmd(x, y, gamma), 1 + 0.5 - 1.0, atol=1e-12)


#: Prints a digest of sums whose kernels are compiled, or read from the folder of compiled code.
DIGEST = """
import hashlib
import numpy as np
from cellula.kernels.pair_sums import cross_sums, within_sums
rng = np.random.default_rng(0)
found = []
for n, m, d in rng.integers(2, 300, size=(20, 3)):
    x, y = rng.random((n, d)), rng.random((m, d))
    for gamma in (None, 0.1):
        found += [cross_sums(x, np.array([0, n]), y, gamma=gamma)]
        found += [within_sums(x, np.array([0, n]), gamma=gamma)]
print(hashlib.sha256(b"".join(sums.tobytes() for sums in found)).hexdigest())
"""


def test_bits_do_not_depend_on_what_was_compiled_before(tmp_path: Path) -> None:
    """A process that compiles and one that reads what another compiled: the same bits."""
    told = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("2", "2", "1")
    ]
    assert len(set(told)) == 1
