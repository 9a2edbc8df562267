"""Populations of logic networks: synchronous, asynchronous and continuous-time updates.

Every cell draws from a counter of its own, so that neither the other cells nor the number of
threads change what happens to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["LogicTables", "advance", "drawn_levels"]

Integers = NDArray[np.int64]
MODES = {"synchronous": 0, "asynchronous": 1, "continuous": 2}


@dataclass(frozen=True, slots=True)
class LogicTables:
    """A logic network as arrays.

    nodes: (nodes, 3) decision diagrams of all bits, one behind the other, children told by their
    place among all; 0 and 1 are false and true. roots: (bits,). owners, thresholds: (bits,) the
    component of a bit and the level from which it is true. first, most: (components,) the first
    bit and the highest level. starts, dependents: CSR, which components' rules name a component.
    rates: (components, 2) up and down. moves: the components that have a rule.
    """

    nodes: NDArray[np.int32]
    roots: Integers
    owners: Integers
    thresholds: Integers
    first: Integers
    most: Integers
    starts: Integers
    dependents: Integers
    rates: NDArray[np.float64]
    moves: Integers


@numba.njit(cache=True, nogil=True)
def _uniform(place):  # type: ignore[no-untyped-def]
    """A number in (0, 1] of a counter: SplitMix64 [steele2014]_."""
    z = place * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (float(z >> np.uint64(11)) + 1.0) * 2.0**-53


@numba.njit(cache=True, nogil=True)
def _is_true(levels, bit, nodes, roots, owners, thresholds):  # type: ignore[no-untyped-def]
    """Whether a bit is true after an update, of the levels of all components."""
    node = roots[bit]
    while node > 1:
        asked = nodes[node, 0]
        node = nodes[node, 2] if levels[owners[asked]] >= thresholds[asked] else nodes[node, 1]
    return node == 1


@numba.njit(cache=True, nogil=True)
def _direction(levels, one, held, tables):  # type: ignore[no-untyped-def]
    """Which way a component moves: 1, -1 or 0."""
    nodes, roots, owners, thresholds, first, most = tables
    if held[one]:
        return 0
    level = levels[one]
    above, below = first[one] + level, first[one] + level - 1
    if level < most[one] and _is_true(levels, above, nodes, roots, owners, thresholds):
        return 1
    if level > 0 and not _is_true(levels, below, nodes, roots, owners, thresholds):
        return -1
    return 0


@numba.njit(cache=True, nogil=True)
def _dose(levels, held, doses, at, until):  # type: ignore[no-untyped-def]
    """Set and hold what is due before or at a time; the number of the next dose."""
    times, components, given = doses
    while at < len(times) and times[at] <= until:
        levels[components[at]] = given[at]
        held[components[at]] = True
        at += 1
    return at


@numba.njit(cache=True, nogil=True)
def _step(levels, held, tables, moves, change, mode, place):  # type: ignore[no-untyped-def]
    """One update of all components (mode 0), or of one that is drawn (mode 1)."""
    if mode == 1:
        if len(moves) > 0:
            drawn = min(int(_uniform(place) * len(moves)), len(moves) - 1)
            levels[moves[drawn]] += _direction(levels, moves[drawn], held, tables)
        return
    for k in range(len(moves)):
        change[k] = _direction(levels, moves[k], held, tables)
    for k in range(len(moves)):
        levels[moves[k]] += change[k]


@numba.njit(cache=True, nogil=True)
def _in_steps(levels, held, tables, moves, doses, times, mode, place, out):  # type: ignore[no-untyped-def]
    change = np.empty(len(moves), np.int64)
    done, at = 0, 0
    for k in range(len(times)):
        while True:
            at = _dose(levels, held, doses, at, times[0] + done)
            if times[0] + done + 1 > times[k]:
                break
            _step(levels, held, tables, moves, change, mode, place)
            place += np.uint64(1)
            done += 1
        out[k, :] = levels


@numba.njit(cache=True, nogil=True)
def _refresh(levels, held, tables, which, rates, speed):  # type: ignore[no-untyped-def]
    """The rate of every component of a list, positive up and negative down."""
    for k in range(len(which)):
        one = which[k]
        way = _direction(levels, one, held, tables)
        speed[one] = rates[one, 0] if way > 0 else (-rates[one, 1] if way < 0 else 0.0)


@numba.njit(cache=True, nogil=True)
def _in_time(levels, held, tables, moves, doses, times, links, rates, place, out):  # type: ignore[no-untyped-def]
    """Exact simulation of the continuous-time Markov process [stoll2012]_."""
    starts, dependents = links
    speed = np.zeros(len(levels))
    now, at, k = times[0], 0, 0
    at = _dose(levels, held, doses, at, now)
    _refresh(levels, held, tables, moves, rates, speed)
    while k < len(times):
        total = np.abs(speed).sum()
        wait = -math.log(_uniform(place)) / total if total > 0.0 else np.inf
        place += np.uint64(1)
        next_dose = doses[0][at] if at < len(doses[0]) else np.inf
        event = min(now + wait, next_dose)
        while k < len(times) and times[k] < event:
            out[k, :] = levels
            k += 1
        if k == len(times):
            break
        now = event
        if event == next_dose:
            at = _dose(levels, held, doses, at, now)
            _refresh(levels, held, tables, moves, rates, speed)
            continue
        goal, one = _uniform(place) * total, -1
        place += np.uint64(1)
        for k2 in range(len(moves)):
            if speed[moves[k2]] != 0.0:
                one = moves[k2]
                goal -= abs(speed[one])
                if goal <= 0.0:
                    break
        levels[one] += 1 if speed[one] > 0.0 else -1
        _refresh(levels, held, tables, dependents[starts[one] : starts[one + 1]], rates, speed)


@numba.njit(cache=True, nogil=True)
def _advance(mode, tables, links, rates, moves, doses, times, initial, key, number, out):  # type: ignore[no-untyped-def]
    held = np.empty(initial.shape[1], np.bool_)
    for cell in range(len(initial)):
        held[:] = False
        levels = initial[cell].copy()
        place = np.uint64(_uniform(key + np.uint64(number + cell)) * 2.0**53) << np.uint64(11)
        if mode == 2:
            _in_time(levels, held, tables, moves, doses, times, links, rates, place, out[cell])
        else:
            _in_steps(levels, held, tables, moves, doses, times, mode, place, out[cell])


def advance(
    mode: Literal["synchronous", "asynchronous", "continuous"],
    tables: LogicTables,
    initial: Integers,
    times: NDArray[np.float64],
    doses: tuple[NDArray[np.float64], Integers, Integers],
    seed: tuple[int, int],
) -> NDArray[np.float64]:
    """The levels of every cell at every time: (cells, times, components).

    initial: (cells, components) levels at the first time. doses: times, components and the levels
    that they are set to and held at from then on, in the order of their times. In steps, the state
    at a time is that after so many whole steps since the first time, and a dose acts before the
    first step at or after its time. seed: a key and the number of the first cell; what a cell
    draws depends on the key and its own number alone.
    """
    out = np.empty((len(initial), len(times), initial.shape[1]))
    six = tables.nodes, tables.roots, tables.owners, tables.thresholds, tables.first, tables.most
    links = tables.starts, tables.dependents
    _advance(
        MODES[mode], six, links, tables.rates, tables.moves, doses, times, initial,
        np.uint64(seed[0]), seed[1], out,
    )  # fmt: skip
    return out


def drawn_levels(most: Integers, n_cells: int, seed: tuple[int, int]) -> Integers:
    """A level from 0 to ``most`` for every cell and component, each as likely: (cells, components).

    seed: as :func:`advance`.
    """
    numbers = np.arange(seed[1], seed[1] + n_cells, dtype=np.uint64)[:, None]
    places = numbers * np.uint64(len(most)) + np.arange(len(most), dtype=np.uint64)[None, :]
    z = (places + np.uint64(seed[0])) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    share = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.floor(share * (most + 1)).astype(np.int64)
