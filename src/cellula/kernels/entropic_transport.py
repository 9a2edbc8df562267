"""Entropic optimal transport between two uniform samples, from their costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["entropic_cost"]

#: Scalings beyond these are taken into the potentials, so that nothing overflows.
LARGEST_SCALE = 1e30
#: Iterations between two looks at the marginals.
BETWEEN_LOOKS = 10

Floats = NDArray[np.float64]


def entropic_cost(
    cost: Floats, entropy: float, *, tolerance: float = 1e-3, most: int = 500
) -> float:
    """Least <P, C> + e KL(P | uniform) over couplings P of uniform marginals [cuturi2013]_.

    cost: C, (n, m), finite; entropy: e > 0, in units of the cost. Sinkhorn's iterations, as
    matrix times vector between steps in logarithms, until the mean relative error of the
    marginals is below ``tolerance`` or after ``most`` iterations: the error of the value is of
    second order in it. The value is that of the
    potentials, mean f + mean g: a lower bound, equal at convergence. Swapping the samples
    (the transpose) changes it within the tolerance. For any ratio of cost and entropy: nothing
    overflows.
    """
    scaled = np.ascontiguousarray(cost / entropy, np.float64)
    f, g = np.zeros(scaled.shape[0]), np.zeros(scaled.shape[1])
    done, is_converged = 0, False
    while not is_converged and done < most:
        f = _soft_least(scaled - g[None, :], axis=1)
        g = _soft_least(scaled - f[:, None], axis=0)
        plan = np.exp(f[:, None] + g[None, :] - scaled)
        u, v, made, is_converged = _scaled(plan, tolerance, most - done)
        f, g = f + np.log(u), g + np.log(v)
        done += made
    return float(entropy * (f.mean() + g.mean()))


def _soft_least(values: Floats, axis: int) -> Floats:
    """-log(mean(exp(-values))) along an axis."""
    least = values.min(axis=axis, keepdims=True)
    mean = np.exp(least - values).mean(axis=axis)
    return np.asarray(least.squeeze(axis) - np.log(mean), np.float64)


def _scaled(plan: Floats, tolerance: float, most: int) -> tuple[Floats, Floats, int, bool]:
    """Scalings of rows and columns of a plan whose columns have mean 1; iterations; converged.

    Ends early, with scalings that are safe, where a scale grows too far.
    """
    n, m = plan.shape
    u, v = np.ones(n), np.ones(m)
    for made in range(1, most + 1):
        rows = plan @ v / m
        if made % BETWEEN_LOOKS == 1 and float(np.abs(u * rows - 1.0).mean()) < tolerance:
            return u, v, made, True
        if not rows.min() > 1.0 / LARGEST_SCALE:
            return u, v, made, False
        columns = plan.T @ (1.0 / rows) / n
        if not columns.min() > 1.0 / LARGEST_SCALE:
            return u, v, made, False
        u, v = 1.0 / rows, 1.0 / columns
        if max(u.max(), v.max()) > LARGEST_SCALE:
            return u, v, made, False
    return u, v, most, False
