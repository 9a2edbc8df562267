"""The field that diffusion alone comes to between sides that hold values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.models.mechanistic.reaction_diffusion.propagator import Line

__all__ = ["steady_field"]

Floats = NDArray[np.float64]


def steady_field(lines: tuple[Line, ...]) -> Floats:
    """The solution of the discrete Laplace equation, (cells...), by the modes of each dimension.

    One side at least must hold a value, or there are many.
    """
    shape = tuple(line.n for line in lines)
    source, rate = np.zeros(shape), np.zeros(shape)
    modes: list[Floats] = []
    for axis, line in enumerate(lines):
        along = np.moveaxis(source, axis, 0)
        along[0] += 2 * (line.low or 0.0) / line.dx**2
        along[-1] += 2 * (line.high or 0.0) / line.dx**2
        values, vectors = np.linalg.eigh(_laplacian(line))
        beside = [1] * len(lines)
        beside[axis] = -1
        rate += values.reshape(beside)
        modes.append(vectors)
    for axis, vectors in enumerate(modes):
        source = np.moveaxis(np.tensordot(vectors.T, source, (1, axis)), 0, axis)
    found = source / -rate
    for axis, vectors in enumerate(modes):
        found = np.moveaxis(np.tensordot(vectors, found, (1, axis)), 0, axis)
    return np.ascontiguousarray(found)


def _laplacian(line: Line) -> Floats:
    n = line.n
    found = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    if line.is_periodic:
        found[0, -1] += 1.0
        found[-1, 0] += 1.0
    else:
        found[0, 0] += 1.0 if line.low is None else -1.0
        found[-1, -1] += 1.0 if line.high is None else -1.0
    return np.asarray(found / line.dx**2, np.float64)
