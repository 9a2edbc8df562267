"""Profiles of planted problems: identifiable, saturated, a product, and one without effect."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.errors import DataError, EngineError
from cellula.core.optimisation import Local, Optimiser
from cellula.core.run import RunContext, run_context
from cellula.models.mechanistic.fitting import FitOptions, fit
from cellula.models.mechanistic.identifiability import finding, trade_offs
from cellula.models.mechanistic.profile_likelihood import Profile, ProfileOptions, profiles

pytest.importorskip("fides", reason="needs the extra fitting")

Floats = NDArray[np.float64]
X = np.linspace(0.2, 4, 12)
NOISE = 0.05


def same(value: float) -> float:
    return value


def exponential(p: Floats) -> Floats:
    """exp(a) * exp(-exp(b) * x)."""
    return np.asarray(np.exp(p[0]) * np.exp(-np.exp(p[1]) * X))


def product(p: Floats) -> Floats:
    """Only a + b, on a logarithmic scale the product, and c matter; d does nothing."""
    return np.asarray(np.exp(p[0] + p[1]) * np.exp(-np.exp(p[2]) * X)) + 0.0 * p[3]


def saturated(p: Floats) -> Floats:
    """x is far above the half-saturation, which can be as small as it likes."""
    return np.asarray(np.exp(p[0]) * X / (np.exp(p[1]) + X))


@dataclass(frozen=True)
class Curve:
    """A curve through data with noise that is known; its likelihood with Gauss-Newton."""

    curve: Callable[[Floats], Floats]
    ids: tuple[str, ...]
    truth: Floats
    lower: Floats = field(default_factory=lambda: np.zeros(0))
    upper: Floats = field(default_factory=lambda: np.zeros(0))

    def value(self, at: Floats) -> float:
        return self.local(at).value

    def local(self, at: Floats) -> Local:
        drawn = np.random.default_rng(3).standard_normal(len(X))
        data = self.curve(self.truth) + NOISE * drawn
        residual = (self.curve(at) - data) / NOISE
        step = 1e-6 * np.eye(len(at))
        slopes = np.array(
            [(self.curve(at + one) - self.curve(at - one)) / (2e-6 * NOISE) for one in step]
        )
        return Local(float(residual @ residual / 2), slopes @ residual, slopes @ slopes.T)


def curve(which: Callable[[Floats], Floats], ids: str, *truth: float) -> Curve:
    n = len(truth)
    return Curve(which, tuple(ids), np.array(truth), np.full(n, -8.0), np.full(n, 4.0))


@pytest.fixture
def fides() -> Optimiser:
    made: Optimiser = registry.create("optimiser", "fides", {"atol": 1e-8})
    return made


def profiled(one: Curve, run: RunContext, by: Optimiser) -> tuple[Profile, ...]:
    best = fit(one, by, FitOptions(starts=6), run)
    return profiles(one, best.optimum, by, ProfileOptions(), run)


@pytest.mark.requirement("K9")
def test_identifiable_parameters_have_intervals(run: RunContext, fides: Optimiser) -> None:
    one = curve(exponential, "ab", 0.3, -0.5)
    found = profiled(one, run, fides)
    for profile, truth in zip(found, one.truth, strict=True):
        told = finding(profile, same)
        assert told.kind == "identifiable"
        assert told.words.startswith("identifiable: [")
        assert told.lower < truth < told.upper
        assert profile.threshold == pytest.approx(3.841458820694124 / 2)
        assert (np.diff(profile.at) > 0).all()
    # nearly quadratic, so the interval is that of the curvature
    covariance = np.linalg.inv(one.local(fit(one, fides, FitOptions(), run).optimum).curvature)
    for profile, variance in zip(found, np.diag(covariance), strict=True):
        width = 2 * 1.959964 * math.sqrt(variance)
        assert profile.upper - profile.lower == pytest.approx(width, rel=0.1)
    assert trade_offs(one.ids, one.local(one.truth)) == ()


@pytest.mark.requirement("K9")
def test_a_product_is_structurally_not_identifiable(run: RunContext, fides: Optimiser) -> None:
    one = curve(product, "abcd", 0.2, 0.1, -0.5, 1.0)
    a, b, c, d = (finding(profile, same) for profile in profiled(one, run, fides))
    flat = "structurally not identifiable: the profile is flat"
    assert (d.kind, d.lower, d.upper, d.words) == ("structural", -8.0, 4.0, flat)
    for told in (a, b):
        assert (told.kind, told.upper) == ("structural", 4.0)
        assert told.words == f"{flat} until another parameter meets its bound"
    assert c.kind == "identifiable"
    none, both = trade_offs(one.ids, one.local(one.truth))
    assert none.words == "d has no effect on what was measured"
    assert both.words == "these trade off: a up, b down"


@pytest.mark.requirement("K9")
def test_saturation_is_practically_not_identifiable(run: RunContext, fides: Optimiser) -> None:
    one = curve(saturated, "vk", 0.4, -6.0)
    v, k = (finding(profile, same) for profile in profiled(one, run, fides))
    assert v.kind == "identifiable"
    assert k.kind == "practical"
    assert k.words.startswith("practically not identifiable: open below ")
    assert k.lower == -8.0
    assert -6.0 < k.upper < 0.0


def test_the_interval_covers_as_often_as_it_says(run: RunContext, fides: Optimiser) -> None:
    """A mean of normals: the interval is the textbook's."""

    def line(p: Floats) -> Floats:
        return np.full(len(X), p[0])

    one = curve(line, "m", 1.0)
    (found,) = profiled(one, run, fides)
    half = 1.959964 * NOISE / math.sqrt(len(X))
    assert (found.upper - found.lower) / 2 == pytest.approx(half, rel=0.02)


def test_threads_change_no_number(tmp_path: Path, fides: Optimiser) -> None:
    one = curve(exponential, "ab", 0.3, -0.5)
    first, second = (
        profiles(one, one.truth, fides, ProfileOptions(), run_context(0, tmp_path, threads=n))
        for n in (1, 2)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.values, b.values)


def test_what_ends_early_is_unknown(run: RunContext, fides: Optimiser) -> None:
    one = curve(exponential, "ab", 0.3, -0.5)
    few = profiles(one, one.truth, fides, ProfileOptions(points=4), run, ("a",))[0]
    told = finding(replace(few, upper=math.inf, is_cut=(False, True)), same)
    assert told.kind == "unknown"
    assert told.words == "the profile ends above before bound and threshold"


def test_a_side_without_solutions_is_cut(run: RunContext, fides: Optimiser) -> None:
    def broken(p: Floats) -> Floats:
        if p[1] > -0.49:
            raise EngineError("no solution")
        return exponential(p)

    one = curve(broken, "ab", 0.3, -0.5)
    (found,) = profiles(one, one.truth, fides, ProfileOptions(), run, ("b",))
    assert found.is_cut == (False, True)
    assert finding(found, same).kind == "unknown"


def test_an_unknown_parameter_is_named(run: RunContext, fides: Optimiser) -> None:
    one = curve(exponential, "ab", 0.3, -0.5)
    with pytest.raises(DataError, match="no parameter 'c' is estimated; those are a, b"):
        profiles(one, one.truth, fides, ProfileOptions(), run, ("c",))
