"""Sums over all pairs of cells of their distance and of five kernels, made once for the metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.matrix import dense
from cellula.evaluation.metrics.samples import Sample, distances, is_small, values
from cellula.kernels.mmd import least_gamma
from cellula.kernels.pair_sums import cross_sums, matrix_sums, within_sums

__all__ = ["PairSums", "pair_sums"]

#: Squares of numbers beyond 2^WIDE or below 2^-WIDE come near the end of the range of float64.
WIDE = 300

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairSums:
    """Sums over the pairs of x with y, of x and of y with itself: (6,) each.

    The first number is of Euclidean distances, five are of kernels whose widths come from x, see
    :func:`cellula.kernels.mmd.least_gamma`.
    """

    between: Floats
    within_x: Floats
    within_y: Floats


def pair_sums(x: Sample, y: Sample) -> PairSums:
    """The sums of two samples; each has at least 2 cells, all of them numbers."""
    return PairSums(y.derived(_sums, x, x), x.derived(_sums, x, x), y.derived(_sums, y, x))


def _sums(y: Sample, x: Sample, real: Sample) -> Floats:
    exponent = math.frexp(max(x.derived(_largest), y.derived(_largest)))[1]
    if abs(exponent) > WIDE:  # kernels do not depend on the unit, distances are in it
        scale = math.ldexp(1.0, -exponent)
        near, far, base = (Sample(values(part) * scale) for part in (y, x, real))
        found = _sums(far if x is y else near, far, base)
        found[0] /= scale
        return found
    gamma = real.derived(_gamma)
    if is_small(x, y):
        return matrix_sums(distances(x, y), gamma)
    left, bounds = dense(values(x)), np.array([0, len(x)])
    if x is y:
        return np.asarray(within_sums(left, bounds, gamma=gamma)[0])
    return np.asarray(cross_sums(left, bounds, dense(values(y)), gamma=gamma)[0])


def _gamma(sample: Sample) -> float:
    return least_gamma(values(sample))


def _largest(sample: Sample) -> float:
    """The largest size of a value."""
    cells = values(sample)
    stored = cells.data if sp.issparse(cells) else cells
    return float(max(stored.max(initial=0.0), -stored.min(initial=0.0)))
