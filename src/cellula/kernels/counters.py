"""Resampling by counters: every draw is a function of a key and its place, not of the past.

So resamples can be made in any order, in any block and on any number of threads.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["coin_flips", "mixed", "resample_counts"]

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True, inline="always")
def mixed(place):  # type: ignore[no-untyped-def]
    """64 random bits of a counter: the output function of SplitMix64 [steele2014]_."""
    z = place * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _counts(key, first, n_units, counts):  # type: ignore[no-untyped-def]
    """Fill counts (resamples, units): two draws of 32 bits from every counter."""
    n = np.uint64(n_units)
    pairs = np.uint64((n_units + 1) // 2)
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    for row in range(len(counts)):
        place = key + np.uint64(first + row) * pairs
        drawn = counts[row]
        for _ in range(n_units // 2):
            bits = mixed(place)
            place += np.uint64(1)
            drawn[((bits & mask) * n) >> half] += 1.0
            drawn[((bits >> half) * n) >> half] += 1.0
        if n_units % 2:
            drawn[((mixed(place) & mask) * n) >> half] += 1.0


def resample_counts(key: int, first: int, n_resamples: int, n_units: int) -> Floats:
    """How often each unit is drawn in resamples first .. first + n: (n_resamples, n_units).

    Every row is multinomial with n_units draws and equal probabilities (to 2^-32 n_units),
    and depends on ``key`` (0 .. 2^64 - 1) and its own number alone.
    """
    counts = np.zeros((n_resamples, n_units))
    _counts(np.uint64(key), first, n_units, counts)
    return counts


@numba.njit(cache=True, nogil=True)
def _flips(key, first, flips):  # type: ignore[no-untyped-def]
    """Fill flips (rows, coins): 64 coins from every counter."""
    n_coins = flips.shape[1]
    words = np.uint64((n_coins + 63) // 64)
    one = np.uint64(1)
    for row in range(len(flips)):
        place = key + np.uint64(first + row) * words
        bits = np.uint64(0)
        for coin in range(n_coins):
            if coin % 64 == 0:
                bits = mixed(place)
                place += one
            flips[row, coin] = np.float64(bits & one)
            bits = bits >> one


def coin_flips(key: int, first: int, n_rows: int, n_coins: int) -> Floats:
    """Zeros and ones with equal probability in rows first .. first + n: (n_rows, n_coins).

    A flip depends on ``key`` (0 .. 2^64 - 1), the number of its row and its place alone.
    """
    flips = np.empty((n_rows, n_coins))
    _flips(np.uint64(key), first, flips)
    return flips
