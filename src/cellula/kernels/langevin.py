"""The chemical Langevin equation: counts as real numbers, noise as Gaussian."""

from __future__ import annotations

import math

import numba
import numpy as np

from cellula.kernels.jump import FAILED, FINISHED, RUNNING, tell
from cellula.kernels.leap_step import begin_step, longest_step, middle_of_step
from cellula.kernels.random_stream import normal_draw

__all__ = ["langevin"]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _step(process, r, a, tau, stream):  # type: ignore[no-untyped-def]
    """Extents a tau + sqrt(a tau) N, each cut to what its reactants, or products, allow."""
    jump_from, jumps, by = process[2], process[3], process[4]
    for j in range(len(a)):
        if a[j] == 0.0:
            continue
        extent = a[j] * tau + math.sqrt(a[j] * tau) * normal_draw(stream)
        for place in range(jump_from[j], jump_from[j + 1]):
            if extent * by[place] < 0.0:
                most = r[jumps[place]] / abs(by[place])
                extent = min(max(extent, -most), most)
        for place in range(jump_from[j], jump_from[j + 1]):
            r[jumps[place]] = max(r[jumps[place]] + by[place] * extent, 0.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cell(process, r, c, clock, stop, times, stream, limit, epsilon, room, told):  # type: ignore[no-untyped-def]
    """One cell up to ``stop``, or so many steps; how it ended, the reaction to blame, the steps."""
    a, is_critical, drift, spread, before = room
    for steps in range(limit):
        t = clock[0]
        k = tell(np.nextafter(t, np.inf), times, int(clock[1]), r, told)
        clock[1] = k
        total, bad = begin_step(process, r, c, a)
        if bad >= 0:
            return FAILED, bad, steps
        if total == 0.0:
            clock[0], clock[1] = stop, tell(stop, times, k, r, told)
            return FINISHED, -1, steps
        end = stop
        if k < len(times) and times[k] < stop:
            end = times[k]
        tau = longest_step(process, r, a, is_critical, epsilon, drift, spread)
        bad = middle_of_step(process, r, c, a, drift, min(tau, end - t), before)
        if bad >= 0:
            return FAILED, bad, steps
        _step(process, r, a, min(tau, end - t), stream)
        clock[0] = end if tau >= end - t else t + tau
        if clock[0] >= stop:
            return FINISHED, -1, steps + 1
    return RUNNING, -1, limit


@numba.njit(cache=True, nogil=True, error_model="numpy")
def langevin(  # type: ignore[no-untyped-def]
    epsilon, process, r, c, clock, stops, times, stream, limit, told, ended
):
    """Every cell that has not reached its stop, up to it [gillespie2000]_.

    Euler-Maruyama with the propensities in the middle of a step, where the drift alone leads to;
    arguments as of ``tau_leaping``. An extent never goes further than the
    reactants (backwards: the products) last, so that no count is negative and what the
    reactions conserve is conserved; where counts are few, that cuts the noise.
    """
    m, n = len(process[0]), len(process[10])
    room = (
        np.empty(m), np.zeros(m, np.bool_), np.empty(n), np.empty(n), np.empty(r.shape[1]),
    )  # fmt: skip
    for cell in range(len(r)):
        if clock[cell, 0] >= stops[cell]:
            continue
        status, reaction, steps = _cell(
            process, r[cell], c[cell], clock[cell], stops[cell], times, stream[cell],
            limit, epsilon, room, told[cell],
        )  # fmt: skip
        ended[cell, 0], ended[cell, 1] = status, reaction
        ended[cell, 2] += steps
