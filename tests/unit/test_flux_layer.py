"""Flux balance as a layer: exact, unique, with a gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from flux_example import toy
from flux_front_example import two_nutrients

from cellula.core.errors import NotConverged
from cellula.models.hybrid.flux_layer import FluxLayer, SteadyState, flux_layer
from cellula.models.mechanistic.flux_problem import FluxProblem, flux_problem, solved


def bounds(problem: FluxProblem, n: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Random uptakes, some of which do not pay for what is forced."""
    rng = np.random.default_rng(0)
    lower, upper = np.tile(problem.lower, (n, 1)), np.tile(problem.upper, (n, 1))
    for id in ("EX_g", "EX_a"):
        lower[:, problem.ids.index(id)] = -rng.uniform(0, 5, n) * (rng.random(n) < 0.8)
    return lower, upper


@pytest.mark.requirement("K9")
def test_it_is_flux_balance() -> None:
    problem = flux_problem(two_nutrients())
    lower, upper = bounds(problem)
    fluxes = flux_layer(problem).exact(lower, upper)
    assert np.abs(problem.stoichiometry @ fluxes.T).max() < 1e-12
    n_starved = 0
    for own, low, high in zip(fluxes, lower, upper, strict=True):
        best = solved(replace(problem, lower=low, upper=high))
        n_starved += best.status == "infeasible"
        wanted = best.objective if best.status == "optimal" else 0.0
        assert problem.weights @ own == pytest.approx(wanted, abs=1e-9)
    assert 0 < n_starved < len(fluxes)


def test_of_the_best_fluxes_it_takes_those_of_least_norm() -> None:
    problem = flux_problem(toy({"short": (0.0, 1000.0)}))
    (fluxes,) = flux_layer(problem).exact(problem.lower[None], problem.upper[None])
    told = dict(zip(problem.ids, fluxes, strict=True))
    assert told["biomass"] == pytest.approx(10.0, abs=1e-9)
    assert told["short"] == pytest.approx(20 / 3, abs=1e-4)  # |v|^2 = s^2 + 2 (10 - s)^2
    assert told["long_1"] == pytest.approx(10 / 3, abs=1e-4)


def test_a_minimum_is_found_too() -> None:
    problem = replace(flux_problem(toy({"biomass": (3.0, 1000.0)})), is_maximum=False)
    (fluxes,) = flux_layer(problem).exact(problem.lower[None], problem.upper[None])
    assert problem.weights @ fluxes == pytest.approx(3.0, abs=1e-9)


@pytest.mark.requirement("K9")
def test_its_gradient_is_that_of_differences() -> None:
    problem = flux_problem(two_nutrients())
    layer = flux_layer(problem)
    lower = torch.from_numpy(problem.lower[None].copy())
    lower[0, :2] = torch.tensor([-3.0, -2.0])
    upper = torch.from_numpy(problem.upper[None])
    lower.requires_grad_(True)
    weights = torch.arange(1.0, len(problem.ids) + 1, dtype=torch.float64)
    found = layer.fluxes(lower, upper, layer.start(lower.detach(), upper)).values @ weights
    found.sum().backward()
    assert lower.grad is not None
    for place in (0, 1, 4):
        ends = []
        for step in (1e-4, -1e-4):
            moved = lower.detach().numpy().copy()
            moved[0, place] += step
            ends.append(float(layer.exact(moved, upper.numpy())[0] @ weights.numpy()))
        slope = (ends[0] - ends[1]) / 2e-4
        assert float(lower.grad[0, place]) == pytest.approx(slope, abs=1e-4), place


def test_a_start_that_is_far_away_changes_nothing() -> None:
    problem = flux_problem(two_nutrients())
    layer = flux_layer(problem)
    low, high = (torch.from_numpy(side) for side in bounds(problem))
    start = layer.start(low, high)
    near = layer.fluxes(low, high, start).values
    far = layer.fluxes(low, high, -7.0 * start.flip(0)).values
    assert torch.allclose(near, far, atol=1e-4)


def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A projection that misses every steady state."""

    def missed(self: FluxLayer, found: SteadyState, *bounds: torch.Tensor) -> torch.Tensor:
        return found.values + 1e-6

    monkeypatch.setattr(FluxLayer, "_projected", missed)


def test_where_newton_misses_the_simplex_method_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = flux_problem(two_nutrients())
    lower, upper = bounds(problem, 8)
    layer = flux_layer(problem)
    wanted = layer.exact(lower, upper)
    broken(monkeypatch)
    assert np.allclose(layer.exact(lower, upper), wanted, atol=1e-9)


def test_a_broken_projection_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = flux_problem(two_nutrients())
    broken(monkeypatch)
    monkeypatch.setattr(FluxLayer, "_by_simplex", lambda self, lower, upper: lower + 1e-6)
    with pytest.raises(NotConverged, match="miss a steady state by"):
        flux_layer(problem).exact(*bounds(problem, 8))
