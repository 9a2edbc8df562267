"""Many small nonlinear least-squares problems of one form at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["many_least_squares"]

Floats: TypeAlias = NDArray[np.float64]
#: Parameters (n, p) and which problems (n,) they are of -> residuals (n, m), derivatives (n, m, p).
Residuals: TypeAlias = Callable[[Floats, NDArray[np.int64]], tuple[Floats, Floats]]
#: The damping begins here, falls and rises by these factors, and ends above this.
DAMPING, FALL, RISE, MOST = 1e-2, 0.2, 5.0, 1e10
#: A problem is done when a step gains less than this share of its sum of squares.
GAIN = 1e-6


def many_least_squares(residuals: Residuals, start: Floats, steps: int = 100) -> Floats:
    """The parameters of the least sum of squares of every problem: (problems, parameters).

    start: (problems, parameters). Levenberg's method with Marquardt's scaling [marquardt1963]_,
    each problem with a damping of its own; every sum of squares is at most that of the start. A
    problem that ends after ``steps`` is left where it is. Residuals of a point that a problem does
    not have are 0.
    """
    place = np.array(start, np.float64)
    still = np.arange(len(place))
    damping = np.full(len(place), DAMPING)
    value, slope = residuals(place, still)
    for _ in range(steps):
        tried = place[still] + _step(value, slope, damping)
        new_value, new_slope = residuals(tried, still)
        cost, new_cost = (np.sum(one**2, axis=1) for one in (value, new_value))
        is_better = new_cost < cost
        place[still[is_better]] = tried[is_better]
        value[is_better], slope[is_better] = new_value[is_better], new_slope[is_better]
        damping *= np.where(is_better, FALL, RISE)
        is_done = (is_better & (cost - new_cost <= GAIN * cost)) | (damping > MOST)
        still, damping, value, slope = (one[~is_done] for one in (still, damping, value, slope))
        if not len(still):
            break
    return place


def _step(value: Floats, slope: Floats, damping: Floats) -> Floats:
    """The damped step of every problem."""
    turned = slope.transpose(0, 2, 1)
    square, right = turned @ slope, turned @ value[:, :, None]
    diagonal = np.diagonal(square, axis1=1, axis2=2)
    damped = square + (damping[:, None] * diagonal + 1e-300)[:, :, None] * np.eye(slope.shape[2])
    return np.asarray(-np.linalg.solve(damped, right)[:, :, 0], np.float64)
