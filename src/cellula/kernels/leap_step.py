"""How far a leap may go before propensities change too much."""

from __future__ import annotations

import numba
import numpy as np

from cellula.kernels.jump import propensity, refresh

__all__ = ["begin_step", "longest_step", "middle_of_step"]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def begin_step(process, r, c, a):  # type: ignore[no-untyped-def]
    """Every propensity; their sum, and which is not a number or negative, or -1."""
    slots, offsets, work_from, work, operations = (
        process[0], process[1], process[7], process[8], process[9],
    )  # fmt: skip
    m = len(slots)
    refresh(work, work_from[m], work_from[m + 1], operations, r)
    total = 0.0
    for j in range(m):
        a[j] = propensity(j, slots, offsets, c, r)
        if a[j] < 0.0 <= c[j] and (offsets[j, 0] != 0.0 or offsets[j, 1] != 0.0):
            a[j] = 0.0  # x (x - 1) where x, a real number, is less than 1
        if not 0.0 <= a[j] < np.inf:
            return total, j
        total += a[j]
    return total, -1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weight(order, x):  # type: ignore[no-untyped-def]
    """G of a species: 1, 2 or 3 by its highest order, -2 where two of it react together."""
    if order > 0.0:
        return order
    return 2.0 + 1.0 / max(x - 1.0, 1.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def longest_step(process, r, a, is_critical, epsilon, drift, spread):  # type: ignore[no-untyped-def]
    """The step of Cao, Gillespie and Petzold [cao2006]_ (their equation 33).

    tau = min over i of max(epsilon x_i / g_i, 1) / |mu_i| and max(...)^2 / sigma_i^2, where mu and
    sigma^2 are the mean and the variance of the change of x_i per time, of
    those that a propensity depends on. Reactions marked critical do not count. drift, spread: room.
    """
    jump_from, jumps, by, orders = process[2], process[3], process[4], process[10]
    drift[:] = 0.0
    spread[:] = 0.0
    for j in range(len(a)):
        if is_critical[j] or a[j] == 0.0:
            continue
        for place in range(jump_from[j], jump_from[j + 1]):
            species = jumps[place] - 1
            drift[species] += by[place] * a[j]
            spread[species] += by[place] * by[place] * a[j]
    tau = np.inf
    for species in range(len(orders)):
        if orders[species] == 0.0 or spread[species] == 0.0:
            continue
        x = r[1 + species]
        room = max(epsilon * x / _weight(orders[species], x), 1.0)
        tau = min(tau, room / abs(drift[species]), room * room / spread[species])
    return tau


@numba.njit(cache=True, nogil=True, error_model="numpy")
def middle_of_step(process, r, c, a, drift, step, before):  # type: ignore[no-untyped-def]
    """Propensities where the drift leads to in half a step, into ``a``; which is odd, or -1.

    Without it a leap is wrong by the order of its length, with it by that of its square.
    before: takes the registers, which are as they were after it.
    """
    before[:] = r
    for species in range(len(drift)):
        r[1 + species] = max(r[1 + species] + 0.5 * step * drift[species], 0.0)
    _, bad = begin_step(process, r, c, a)
    r[:] = before
    return bad
