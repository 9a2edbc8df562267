"""Bounds in, the fluxes of a steady state out, with their gradient: flux balance as a layer.

Fluxes are those of flux balance made unique: of all best ones those with the least norm, which a
strictly convex program gives from a small, finite curvature on [friedlander2007]_.
Its dual is piecewise quadratic and smooth, and Newton's method with a line search ends on it in
a few steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.linalg
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.errors import NotConverged
from cellula.models.mechanistic.flux_problem import FluxProblem, require_optimal, solved

__all__ = ["FluxLayer", "SteadyState", "flux_layer"]

#: The inverse of the curvature; the objective's greatest weight is 1.
STIFFNESS = 1e6
#: What a forced flux is worth before all else, in units of the objective's greatest weight.
FORCED = 10.0
#: How far a steady state may be from one, and from its bounds: told fluxes, fluxes in training.
EXACT, NEAR = 1e-9, 1e-6
STEPS, HALVINGS = 200, 60
#: Added to the diagonal of Newton's matrix, whose entries are of the order of 1.
DAMPING = 1e-9


@final
@dataclass(frozen=True, slots=True)
class SteadyState:
    """values: (conditions, columns) fluxes; potentials: (conditions, rows), from which a near
    problem is solved in a few steps; is_free: (conditions, columns) fluxes between their bounds.
    """

    values: Tensor
    potentials: Tensor
    is_free: Tensor


@final
@dataclass(frozen=True, slots=True)
class FluxLayer:
    """max w v - |v|^2 / (2 STIFFNESS) over S v = 0, lower <= v <= upper.

    rows: (rank, columns) independent rows of S, with one more column for every forced flux (one
    that may not be 0): up to its bound it is worth more than the objective, so that a program
    without a solution has fluxes all the same, which miss that bound alone. balance: all rows.
    """

    ids: tuple[str, ...]
    rows: Tensor
    balance: Tensor
    weights: Tensor
    forced: tuple[int, ...]

    def fluxes(self, lower: Tensor, upper: Tensor, start: Tensor) -> SteadyState:
        """Fluxes within bounds, (conditions, reactions) both, to a tolerance that training bears.

        start: potentials of a solution of nearly the same bounds, or :meth:`start`. The values have
        a gradient with respect to the bounds: fluxes at a bound follow it, and the others those,
        as S v = 0 asks.
        """
        low, high = self._extended(lower, upper)
        found: Any = _Solve.apply(low, high, self, start)  # type: ignore[no-untyped-call]
        values, potentials, is_free = found
        return SteadyState(self._told(values), potentials, is_free)

    def start(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Potentials near a solution, from none; bounds as :meth:`fluxes` takes them."""
        return self._continued(*self._extended(lower, upper))

    def exact(self, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fluxes (conditions, reactions) with |S v| and excess of bounds below 1e-9.

        Where rounding keeps Newton's method from that, the simplex method finds the best fluxes,
        which then need not be those of least norm. Raises NotConverged, naming the condition,
        where neither does.
        """
        low, high = self._extended(torch.from_numpy(lower), torch.from_numpy(upper))
        found = self._newton(low, high, self._continued(low, high), EXACT)
        values = self._projected(found, low, high)
        is_apart = (values @ self.balance.T).abs().amax(dim=1) > EXACT
        for row in torch.nonzero(is_apart)[:, 0].tolist():
            values[row] = self._by_simplex(low[row], high[row])
        self.require_steady(values, low, high)
        return self._told(values).numpy()

    def _by_simplex(self, lower: Tensor, upper: Tensor) -> Tensor:
        """The best fluxes of one condition by HiGHS. Raises EngineError where it finds no end."""
        species = tuple(str(row) for row in range(len(self.balance)))
        columns = (*self.ids, *(f"{self.ids[place]}, forced" for place in self.forced))
        matrix = scipy.sparse.csc_matrix(self.balance.numpy())
        bounds, weights = (lower.numpy(), upper.numpy()), self.weights.numpy()
        problem = FluxProblem("condition", columns, species, matrix, *bounds, weights, True)
        return torch.from_numpy(require_optimal(problem, solved(problem)).values)

    def require_steady(self, values: Tensor, lower: Tensor, upper: Tensor) -> None:
        """Raise NotConverged where fluxes are no steady state or leave their bounds by 1e-9."""
        apart = (values @ self.balance.T).abs().amax(dim=1)
        beyond = torch.maximum(lower - values, values - upper).amax(dim=1)
        worst = torch.maximum(apart, beyond)
        row = int(worst.argmax())
        if not float(worst[row]) <= EXACT:
            raise NotConverged(
                f"the fluxes of condition {row} miss a steady state by {float(apart[row]):.1e} and "
                f"a bound by {float(beyond[row]):.1e}; expected {EXACT:g}: look for bounds or "
                "stoichiometries of very different size"
            )

    def _told(self, values: Tensor) -> Tensor:
        """Fluxes of reactions, forced parts added."""
        n = len(self.ids)
        if not self.forced:
            return values
        return values[:, :n].index_add(1, torch.tensor(self.forced), values[:, n:])

    def _extended(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds of all columns: a forced flux has a part up to its bound, and a rest."""
        if not self.forced:
            return lower, upper
        at = torch.tensor(self.forced)
        least, most = lower[:, at].clamp(min=0.0), upper[:, at].clamp(max=0.0)
        low = torch.cat([lower.index_add(1, at, -least), most], dim=1)
        high = torch.cat([upper.index_add(1, at, -most), least], dim=1)
        return low, high

    def _continued(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Potentials at the full stiffness, from none, by raising it tenfold at a time."""
        potentials = torch.zeros(len(lower), len(self.rows), dtype=torch.float64)
        stiffness = 0.1
        while stiffness < STIFFNESS:
            found = self._newton(lower, upper, potentials, NEAR, stiffness)
            stiffness *= 10.0
            potentials = found.potentials * 10.0
        return potentials

    def _newton(
        self,
        lower: Tensor,
        upper: Tensor,
        start: Tensor,
        tolerance: float,
        stiffness: float = STIFFNESS,
    ) -> SteadyState:
        """Newton's method on the dual, every condition for itself until it has ended."""
        weights = stiffness * self.weights
        potentials = start.clone()
        pending = torch.arange(len(lower))
        for _ in range(STEPS):
            low, high, here = lower[pending], upper[pending], potentials[pending]
            prices = weights + here @ self.rows
            slope = _within(prices, low, high) @ self.rows.T
            is_over = slope.abs().amax(dim=1) <= tolerance
            if bool(is_over.all()):
                break
            go = ~is_over
            pending, low, high, here = pending[go], low[go], high[go], here[go]
            step = self._step(prices[go], low, high, slope[go])
            potentials[pending] = self._searched(weights, low, high, here, step)
        prices = weights + potentials @ self.rows
        is_free = (prices > lower) & (prices < upper)
        return SteadyState(_within(prices, lower, upper), potentials, is_free)

    def _step(self, prices: Tensor, lower: Tensor, upper: Tensor, slope: Tensor) -> Tensor:
        is_free = (prices > lower) & (prices < upper)
        step: Tensor = torch.linalg.solve(_curvature(self.rows, is_free), -slope)
        return step

    def _searched(
        self, weights: Tensor, lower: Tensor, upper: Tensor, here: Tensor, step: Tensor
    ) -> Tensor:
        """Where every condition's step leads, as far as the dual falls, by its slope: the step is
        doubled, then bisected.

        The dual is convex: where its slope along the step is still negative it is lower than at
        the start. Slopes are told to more digits than the dual, a sum of large numbers.
        """
        size = torch.ones(len(here), dtype=torch.float64)
        low, high = torch.zeros_like(size), torch.full_like(size, torch.inf)
        begin = -self._along(weights, lower, upper, here, step)
        pending = torch.arange(len(here))
        for _ in range(HALVINGS):
            to = here[pending] + size[pending, None] * step[pending]
            slope = self._along(weights, lower[pending], upper[pending], to, step[pending])
            is_beyond = slope > 1e-3 * begin[pending]
            is_short = slope < -0.5 * begin[pending]
            high[pending[is_beyond]] = size[pending[is_beyond]]
            low[pending[is_short]] = size[pending[is_short]]
            pending = pending[is_beyond | is_short]
            if not len(pending):
                break
            middle = 0.5 * (low[pending] + high[pending])
            size[pending] = torch.where(middle.isinf(), 2.0 * size[pending], middle)
        return here + size[:, None] * step

    def _along(
        self, weights: Tensor, lower: Tensor, upper: Tensor, potentials: Tensor, step: Tensor
    ) -> Tensor:
        """The slope of the dual along a step."""
        values = _within(weights + potentials @ self.rows, lower, upper)
        slope: Tensor = ((values @ self.rows.T) * step).sum(dim=1)
        return slope

    def _projected(self, found: SteadyState, lower: Tensor, upper: Tensor) -> Tensor:
        """The nearest steady state, by the free fluxes alone, twice against rounding."""
        values = found.values
        for _ in range(2):
            apart = values @ self.rows.T
            matrix = _curvature(self.rows, found.is_free)
            back = torch.linalg.solve(matrix, apart) @ self.rows
            values = _within(values - found.is_free * back, lower, upper)
        return values


class _Solve(torch.autograd.Function):
    """The solution, and the product of its derivative by the bounds with a vector."""

    @staticmethod
    def forward(
        ctx: Any, lower: Tensor, upper: Tensor, layer: FluxLayer, start: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        found = layer._newton(lower, upper, start, NEAR)
        apart = (found.values @ layer.rows.T).abs().amax()
        if not float(apart) <= 1e3 * NEAR:  # the start was too far away
            found = layer._newton(lower, upper, layer._continued(lower, upper), NEAR)
        is_low = found.values <= lower
        ctx.save_for_backward(found.is_free, is_low & ~found.is_free, layer.rows)
        ctx.mark_non_differentiable(found.potentials, found.is_free)
        return found.values, found.potentials, found.is_free

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """dv_F = -S_F^+ S_A db: the bounds of fixed fluxes move the free ones by S v = 0."""
        is_free, is_low, rows = ctx.saved_tensors
        wanted = given[0]
        pushed = torch.linalg.solve(_curvature(rows, is_free), (wanted * is_free) @ rows.T)
        by_bound = wanted - pushed @ rows
        zero = torch.zeros_like(by_bound)
        is_high = ~is_free & ~is_low
        return torch.where(is_low, by_bound, zero), torch.where(is_high, by_bound, zero), None, None


def flux_layer(problem: FluxProblem, forced: Sequence[int] | None = None) -> FluxLayer:
    """The layer of a linear program.

    forced: places of reactions whose flux may be bounded away from 0; None for those that the
    program's own bounds force.
    """
    if forced is None:
        forced = np.flatnonzero((problem.lower > 0) | (problem.upper < 0)).tolist()
    matrix = problem.stoichiometry.toarray()
    weights = problem.weights / max(np.abs(problem.weights).max(), 1e-300)
    weights = weights if problem.is_maximum else -weights
    signs = np.where(problem.lower[list(forced)] > 0, FORCED, -FORCED)
    balance = np.hstack([matrix, matrix[:, list(forced)]])
    return FluxLayer(
        problem.ids,
        torch.from_numpy(_independent(balance)),
        torch.from_numpy(balance),
        torch.from_numpy(np.concatenate([weights, signs])),
        tuple(forced),
    )


def _independent(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of which none is a sum of others, each of norm 1."""
    norms = np.sqrt((matrix**2).sum(axis=1))
    scaled = matrix[norms > 0] / norms[norms > 0][:, None]
    if not len(scaled):
        return np.zeros((0, matrix.shape[1]))
    _, upper, order = scipy.linalg.qr(scaled.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(upper))
    rank = int((diagonal > 1e-9 * diagonal[0]).sum())
    return np.array(scaled[np.sort(order[:rank])], np.float64)


def _curvature(rows: Tensor, is_free: Tensor) -> Tensor:
    """S_F S_F' of every condition, made regular: (conditions, rows, rows)."""
    free = (rows * is_free.unsqueeze(1).to(rows.dtype)) @ rows.T
    return free + DAMPING * torch.eye(len(rows), dtype=rows.dtype)


def _within(values: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(values, lower), upper)
