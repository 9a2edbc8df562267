"""Axioms of the distances between populations, on whatever numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellula.kernels.divergence import histogram_divergence
from cellula.kernels.energy import energy_distance, energy_to_control
from cellula.kernels.kolmogorov_smirnov import kolmogorov_smirnov_columns
from cellula.kernels.mmd import squared_mmd
from cellula.kernels.sliced_wasserstein import directions, sliced_wasserstein
from cellula.kernels.squared_distance import squared_e_distance
from cellula.kernels.wasserstein import wasserstein_columns

quick = settings(max_examples=40, deadline=None)
#: Numbers far from 0 beside their differences, ties, and constants.
samples = st.builds(
    lambda values, offset: values + offset,
    arrays(
        np.float64,
        st.tuples(st.integers(2, 12), st.just(3)),
        elements=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(-50, 50, width=32)),
    ),
    st.sampled_from([0.0, 0.0, 1000.0]),
)
Distance = Callable[[np.ndarray, np.ndarray], float]


def sliced(x: np.ndarray, y: np.ndarray) -> float:
    return sliced_wasserstein(x, y, directions(3, 16, 1))


SYMMETRIC: dict[str, Distance] = {
    "energy": energy_distance,
    "mmd": lambda x, y: float(squared_mmd(x, y, 1e-3).sum()),
    "wasserstein": lambda x, y: float(wasserstein_columns(x, y).sum()),
    "sliced_wasserstein": sliced,
    "kolmogorov_smirnov": lambda x, y: float(kolmogorov_smirnov_columns(x, y).sum()),
    "squared": lambda x, y: squared_e_distance(x, y),
}
POSITIVE = {name: SYMMETRIC[name] for name in SYMMETRIC if name != "squared"} | {
    "divergence": lambda x, y: float(histogram_divergence(x, y).sum())
}
METRIC: dict[str, Distance] = {
    "root of energy": lambda x, y: max(energy_distance(x, y), 0.0) ** 0.5,
    "root of mmd": lambda x, y: float(max(squared_mmd(x, y, 1e-3)[2], 0.0) ** 0.5),
    "wasserstein": SYMMETRIC["wasserstein"],
    "sliced_wasserstein": sliced,
    "kolmogorov_smirnov": SYMMETRIC["kolmogorov_smirnov"],
}
TOLERANCE = 1e-9


@pytest.mark.requirement("E13", "E4")
@pytest.mark.parametrize("name", POSITIVE)
@quick
@given(samples, samples)
def test_not_negative_and_nothing_for_equal_cells(name: str, x: np.ndarray, y: np.ndarray) -> None:
    distance = POSITIVE[name]
    order = np.random.default_rng(len(x)).permutation(len(x))
    assert distance(x, y) >= -TOLERANCE
    assert distance(x, x[order]) == pytest.approx(0.0, abs=TOLERANCE)


@pytest.mark.parametrize("name", SYMMETRIC)
@quick
@given(samples, samples)
def test_symmetric_whatever_the_order_of_cells(name: str, x: np.ndarray, y: np.ndarray) -> None:
    distance = SYMMETRIC[name]
    order = np.random.default_rng(len(y)).permutation(len(y))
    value = distance(x, y)
    assert distance(y, x) == pytest.approx(value, rel=1e-9, abs=TOLERANCE)
    assert distance(x, y[order]) == pytest.approx(value, rel=1e-9, abs=TOLERANCE)


@pytest.mark.parametrize("name", METRIC)
@quick
@given(samples, samples, samples)
def test_the_triangle(name: str, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    distance = METRIC[name]
    assert distance(x, z) <= distance(x, y) + distance(y, z) + 1e-5


@pytest.mark.parametrize("name", [*POSITIVE, "squared"])
@quick
@given(samples, samples, st.sampled_from([np.nan, np.inf]), st.integers(0, 1))
def test_no_nan_is_lost(name: str, x: np.ndarray, y: np.ndarray, bad: float, side: int) -> None:
    """A cell without a number leaves no finite distance (infinity is a value of order only)."""
    distance = POSITIVE.get(name, squared_e_distance)
    (x, y)[side][0, 1] = np.nan if name == "kolmogorov_smirnov" else bad
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(distance(x, y))


@quick
@given(samples, samples)
def test_float32_keeps_the_distance(x: np.ndarray, y: np.ndarray) -> None:
    """Within 1e-6 of the mean distance, far offsets and ties included."""
    bounds = np.array([0, len(x)])
    (value,) = energy_to_control(x, bounds, y, dtype=np.float32)
    mean = np.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=2)).mean()
    spread = max(np.sqrt(((y - y.mean(axis=0)) ** 2).sum(axis=1)).mean(), mean)
    assert value == pytest.approx(energy_distance(x, y), abs=2e-6 * spread + 1e-12)
