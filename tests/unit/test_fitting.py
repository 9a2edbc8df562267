"""Fits from many starts: planted minima, failures, and the same bytes from the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.errors import DataError, EngineError, NotConverged
from cellula.core.optimisation import Local, Optimiser
from cellula.core.run import RunContext, run_context
from cellula.models.mechanistic.fitting import Fit, FitOptions, fit, latin_hypercube

pytest.importorskip("fides", reason="needs the extra fitting")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TwoValleys:
    """sum((x^2 - 1)^2 + tilt x): minima near -1 and 1 of every axis, the deepest all near -1."""

    n: int = 2
    tilt: float = 0.3
    hole: float = math.inf
    upper_bound: float = 2.0

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"x{k}" for k in range(self.n))

    @property
    def lower(self) -> Floats:
        return np.full(self.n, -2.0)

    @property
    def upper(self) -> Floats:
        return np.full(self.n, self.upper_bound)

    def value(self, at: Floats) -> float:
        return self.local(at).value

    def local(self, at: Floats) -> Local:
        if at[0] > self.hole:
            raise EngineError("no solution")
        value = float(((at**2 - 1) ** 2 + self.tilt * at).sum())
        gradient = 4 * at * (at**2 - 1) + self.tilt
        return Local(value, gradient, np.diag(8 * at**2))


@pytest.fixture
def fides() -> Optimiser:
    made: Optimiser = registry.create("optimiser", "fides", {"atol": 1e-10})
    return made


def found(run: RunContext, fides: Optimiser, objective: TwoValleys, starts: int = 12) -> Fit:
    return fit(objective, fides, FitOptions(starts=starts), run)


@pytest.mark.requirement("K9")
def test_the_deepest_of_many_minima_is_found(run: RunContext, fides: Optimiser) -> None:
    best = found(run, fides, TwoValleys())
    root = np.roots([4, 0, -4, 0.3]).real.min()
    np.testing.assert_allclose(best.optimum, [root, root], atol=1e-5)
    assert 0 < best.agreement < 1
    assert (np.diff(best.waterfall) >= 0).all()
    assert best.waterfall[0] == best.value
    assert best.evaluations > 12
    assert best.failures == 0
    assert isinstance(fides, Optimiser)


def test_a_minimum_at_a_bound(run: RunContext, fides: Optimiser) -> None:
    best = found(run, fides, replace(TwoValleys(), upper_bound=-1.2))
    np.testing.assert_allclose(best.optimum, [-1.2, -1.2], atol=1e-5)


def test_points_without_a_value_are_counted(run: RunContext, fides: Optimiser) -> None:
    best = found(run, fides, replace(TwoValleys(), hole=0.0))
    assert best.optimum[0] < 0
    assert best.failures > 0
    assert sum(one.redrawn for one in best.descents) > 0


def test_starts_that_all_fail_are_named(run: RunContext, fides: Optimiser) -> None:
    with pytest.raises(NotConverged, match="none of 12 starts has a value"):
        found(run, fides, replace(TwoValleys(), hole=-3.0))


def test_some_failed_starts_stay_in_the_waterfall(run: RunContext, fides: Optimiser) -> None:
    best = fit(TwoValleys(hole=0.0), fides, FitOptions(starts=20, redraws=0), run)
    assert math.isinf(best.waterfall[-1])
    assert math.isfinite(best.value)
    assert best.descents[-1].minimum.reason == "no value at the start"


def bytes_of(one: Fit) -> bytes:
    parts = [one.optimum, one.waterfall, *(d.begin for d in one.descents)]
    return b"".join(np.asarray(part).tobytes() for part in parts)


class Elsewhere:
    """A cluster that does the last item first."""

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        done = [function(item) for item in reversed(list(items))]
        return reversed(done)


@pytest.mark.requirement("K9")
def test_the_seed_decides_every_byte(tmp_path: Path, fides: Optimiser) -> None:
    first, again, threads, cluster, other = (
        bytes_of(found(run, fides, TwoValleys(hole=0.5)))
        for run in (
            run_context(1, tmp_path),
            run_context(1, tmp_path),
            run_context(1, tmp_path, threads=2),
            run_context(1, tmp_path, cluster=Elsewhere()),
            run_context(2, tmp_path),
        )
    )
    assert first == again == threads == cluster
    assert first != other


def test_given_starts_come_first(run: RunContext, fides: Optimiser) -> None:
    given = np.array([[0.9, 0.9]])
    best = fit(TwoValleys(), fides, FitOptions(starts=3), run, given)
    begun = {one.number: one.begin for one in best.descents}
    np.testing.assert_array_equal(begun[0], given[0])
    assert len(begun) == 4
    with pytest.raises(DataError, match=r"shape \(1, 3\); expected \(starts, 2\)"):
        fit(TwoValleys(), fides, FitOptions(), run, np.zeros((1, 3)))


def test_bounds_are_checked(run: RunContext, fides: Optimiser) -> None:
    for bound in (-2.0, math.inf, math.nan):
        with pytest.raises(DataError, match="parameter 'x0' is bounded by -2"):
            found(run, fides, replace(TwoValleys(), upper_bound=bound))


def test_a_latin_hypercube_has_one_point_in_every_part(run: RunContext) -> None:
    lower, upper = np.array([-1.0, 10.0]), np.array([1.0, 20.0])
    points = latin_hypercube(8, lower, upper, run.rng)
    parts = np.floor((points - lower) / (upper - lower) * 8).astype(int)
    np.testing.assert_array_equal(np.sort(parts, axis=0), np.tile(np.arange(8)[:, None], (1, 2)))
