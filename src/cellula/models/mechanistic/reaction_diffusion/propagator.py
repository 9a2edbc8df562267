"""Diffusion along one line of voxels, exact in time.

du_i/dt = D (u_{i-1} - 2 u_i + u_{i+1}) / dx^2 has the solution u(h) = G u(0). On a line without
ends G_ij = exp(-2 s) I_{i-j}(2 s) with s = D h / dx^2 and I the modified Bessel function; sides
mirror it: evenly where nothing flows, oddly where the value is 0. Nothing in G is negative and its
columns do not sum to more than 1, so that a step of any length keeps fields positive, loses
nothing where nothing flows, and keeps also the smallest values to their last digits: the foot of
a front is not drowned in the rounding of its top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.special import ive

__all__ = ["Line", "Propagator", "propagator"]

Floats = NDArray[np.float64]
#: What is less than this share of the greatest weight is left out.
LEAST_WEIGHT = 1e-60
#: Above this share of weights that count, a full matrix is faster than a sparse one.
DENSE = 0.25
#: Weights that a matrix may have.
MOST_WEIGHTS = 4_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """Voxels in a line: ``n`` of width ``dx``, with what is at the two sides.

    low, high: the value held there, None where nothing flows. is_periodic: it closes on itself.
    """

    n: int
    dx: float
    is_periodic: bool
    low: float | None
    high: float | None

    @property
    def is_driven(self) -> bool:
        """Whether a side holds anything but 0."""
        return bool(self.low or self.high)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Propagator:
    """u -> G u, by the matrix itself or, where it would be too large, by Fourier transforms.

    decay: of every mode of the mirrored line; None where there is a matrix. What transforms round,
    the greatest value times 1e-16, is cut off at 0 where the line was not negative.
    """

    line: Line
    matrix: Any
    decay: Floats | None

    def apply(self, fields: Floats, axis: int) -> Floats:
        """The fields, (cells...), after the step along ``axis``; bits need one BLAS thread."""
        first = np.moveaxis(fields, axis, 0)
        u = np.ascontiguousarray(first).reshape(len(first), -1)
        u = self.matrix @ u if self.decay is None else _transformed(u, self.line, self.decay)
        return np.moveaxis(u.reshape(first.shape), 0, axis)


def propagator(line: Line, diffusion: float, step: float) -> Propagator:
    """The exact step of a line whose held sides hold 0; diffusion: length^2 / time; step: time."""
    s = diffusion * step / line.dx**2
    if line.n * min(line.n, 1 + 2 * _reach(s)) > MOST_WEIGHTS:
        return Propagator(line, None, _decay(line, s))
    return Propagator(line, _matrix(line, s), None)


def _reach(s: float) -> int:
    """How many voxels away a weight still counts."""
    return int(10 + 17 * np.sqrt(2 * s))


def _period(line: Line) -> int:
    """After how many voxels the mirrored line comes back to itself."""
    if line.is_periodic:
        return line.n
    return (2 if (line.low is None) == (line.high is None) else 4) * line.n


def _decay(line: Line, s: float) -> Floats:
    period = _period(line)
    modes = np.arange(period // 2 + 1)
    return np.asarray(np.exp(-2 * s * (1 - np.cos(2 * np.pi * modes / period))), np.float64)


def _transformed(u: Floats, line: Line, decay: Floats) -> Floats:
    around = u
    if not line.is_periodic:
        around = np.concatenate([u, u[::-1] if line.high is None else -u[::-1]])
        if (line.low is None) != (line.high is None):
            around = np.concatenate([around, -around])
    found = irfft(rfft(around, axis=0) * decay[:, None], len(around), axis=0)[: line.n]
    if (u >= 0).all():
        found = np.maximum(found, 0.0)
    return np.asarray(found, np.float64)


def _matrix(line: Line, s: float) -> Any:
    """G as a full or a sparse matrix, (n, n)."""
    n, reach = line.n, _reach(s)
    weights = _weights(line, s)
    if min(2 * reach + 1, n) > DENSE * n:
        i = np.arange(n)
        full = weights[np.abs(i[:, None] - i) % len(weights)]
        if not line.is_periodic:
            mirrored = weights[(i[:, None] + i + 1) % len(weights)]
            full = full + (1.0 if line.low is None else -1.0) * mirrored
        return _balanced(np.maximum(full, 0.0), line)
    i = np.repeat(np.arange(n), 2 * reach + 1)
    beside = i + np.tile(np.arange(-reach, reach + 1), n)
    value = weights[np.abs(beside - i)]
    if line.is_periodic:
        beside %= n
    else:  # the way back from a side, where the weight changes its sign if a value is held there
        past_low, past_high = beside < 0, beside >= n
        beside = np.where(past_low, -1 - beside, np.where(past_high, 2 * n - 1 - beside, beside))
        value = np.where(past_low & (line.low is not None), -value, value)
        value = np.where(past_high & (line.high is not None), -value, value)
    sparse = scipy.sparse.csr_array((value, (i, beside)), shape=(n, n))
    sparse.sum_duplicates()
    sparse.data = np.maximum(sparse.data, 0.0)
    sparse.eliminate_zeros()
    return _balanced(sparse, line)


def _balanced(matrix: Any, line: Line) -> Any:
    """Columns that sum to 1 to the last digit, where nothing can leave."""
    if line.low is not None or line.high is not None:
        return matrix
    sums = np.asarray(matrix.sum(axis=0)).ravel()
    if isinstance(matrix, np.ndarray):
        return matrix / sums
    return scipy.sparse.csr_array(matrix @ scipy.sparse.diags_array(1 / sums))


def _weights(line: Line, s: float) -> Floats:
    """The weight of a voxel k away, k = 0 .. period - 1, all ways around added."""
    n, period = line.n, _period(line)
    if 2 * s < (n / 3) ** 2:  # narrow: few ways around, each with all its digits
        once = np.zeros(2 * period + 1)
        k = np.arange(min(2 * period + 1, _reach(s) + 1))
        once[k] = ive(k, 2 * s)
        once[once < LEAST_WEIGHT * once[0]] = 0.0
        found = once[:period] + once[period:-1]  # to one side, then to the other
        found += once[:period:-1] + once[period:0:-1]
    else:
        found = np.maximum(irfft(_decay(line, s), period), 0.0)
    if period == 4 * n:
        found = found[: 2 * n] - found[2 * n :]
        found = np.concatenate([found, -found])
    return np.asarray(found, np.float64)
