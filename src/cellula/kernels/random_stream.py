"""Random numbers of one cell: a stream of its own, so no cell depends on the others.

A stream is SplitMix64 [steele2014]_ with a start and a step of its own, two uint64 that stand in
one row of an array; drawing moves the start on. Compiled loops draw, Python makes the streams.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from cellula.kernels.counters import mixed

__all__ = [
    "exponential_draw",
    "normal_draw",
    "poisson_draw",
    "streams",
    "uniform",
    "uniform_at",
    "uniforms",
]

#: Above this mean Poisson numbers come by rejection, below by multiplication.
REJECTED_FROM = 10.0


@numba.njit(cache=True, nogil=True)
def _start(key, first, made):  # type: ignore[no-untyped-def]
    """Start and odd step of the streams first .. first + n of a key."""
    one = np.uint64(1)
    for row in range(len(made)):
        place = (np.uint64(first + row) << one) + mixed(key)
        made[row, 0] = mixed(place)
        step = mixed(place + one) | one
        turns = step ^ (step >> one)
        changes = 0
        while turns > np.uint64(0):
            turns &= turns - one
            changes += 1
        made[row, 1] = step if changes >= 24 else step ^ np.uint64(0xAAAAAAAAAAAAAAAA)


def streams(key: int, first: int, n: int) -> NDArray[np.uint64]:
    """The streams of cells first .. first + n: (n, 2). key: 0 .. 2^64 - 1."""
    made = np.empty((n, 2), np.uint64)
    _start(np.uint64(key), first, made)
    return made


@numba.njit(cache=True, nogil=True)
def uniform_at(place):  # type: ignore[no-untyped-def]
    """The number in (0, 1], a multiple of 2^-53, of a place of a stream."""
    return ((mixed(place) >> np.uint64(11)) + np.uint64(1)) * 1.1102230246251565e-16


@numba.njit(cache=True, nogil=True)
def uniform(stream):  # type: ignore[no-untyped-def]
    """The next number in (0, 1] of a stream."""
    stream[0] += stream[1]
    return uniform_at(stream[0])


@numba.njit(cache=True, nogil=True)
def exponential_draw(stream):  # type: ignore[no-untyped-def]
    """An exponential number with mean 1."""
    return -math.log(uniform(stream))


@numba.njit(cache=True, nogil=True)
def normal_draw(stream):  # type: ignore[no-untyped-def]
    """A standard normal number, by Box and Muller's transform."""
    radius = math.sqrt(-2.0 * math.log(uniform(stream)))
    return radius * math.cos(2.0 * math.pi * uniform(stream))


@numba.njit(cache=True, nogil=True)
def poisson_draw(mean, stream):  # type: ignore[no-untyped-def]
    """A Poisson number; from a mean of 10 by transformed rejection [hormann1993]_ (PTRS)."""
    if mean < REJECTED_FROM:
        limit, product, k = math.exp(-mean), uniform(stream), 0.0
        while product > limit:
            product *= uniform(stream)
            k += 1.0
        return k
    log_mean = math.log(mean)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse = 1.1239 + 1.1328 / (b - 3.4)
    fast = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = uniform(stream) - 0.5, uniform(stream)
        distance = 0.5 - abs(u)
        k = math.floor((2.0 * a / distance + b) * u + mean + 0.43) if distance > 0.0 else -1.0
        if distance >= 0.07 and v <= fast:
            return k
        if k < 0.0 or (distance < 0.013 and v > distance):
            continue
        left = math.log(v) + math.log(inverse) - math.log(a / (distance * distance) + b)
        if left <= k * log_mean - mean - math.lgamma(k + 1.0):
            return k


@numba.njit(cache=True, nogil=True)
def uniforms(stream, rows):  # type: ignore[no-untyped-def]
    """A uniform number in (0, 1] of the streams of some rows: (rows,)."""
    drawn = np.empty(len(rows))
    for place in range(len(rows)):
        drawn[place] = uniform(stream[rows[place]])
    return drawn
