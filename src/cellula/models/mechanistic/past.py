"""What delayed formulas look back at: the course of a cell so far, piece by piece."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.models.mechanistic.delays import DEGREE, HALF, MIDDLE
from cellula.models.mechanistic.system import System
from cellula.models.mechanistic.tape import Tape, evaluate, tape

__all__ = ["Past", "PastFormulas", "Piece", "nodes", "past_formulas", "polynomials"]

Floats = NDArray[np.float64]
#: A jump of a value is a jump of the slope a delay later, and so on: followed so far.
DEEPEST = 4


@lru_cache(maxsize=1)
def nodes() -> Floats:
    """Where polynomials are fixed, within (-1, 1), ascending: Chebyshev's points."""
    count = DEGREE + 1
    return np.asarray(-np.cos(np.pi * (np.arange(count) + 0.5) / count), dtype=np.float64)


@lru_cache(maxsize=1)
def _transform() -> tuple[Floats, Floats]:
    """Values at the nodes -> coefficients of Chebyshev's polynomials, and those of powers."""
    matrix = np.polynomial.chebyshev.chebvander(nodes(), DEGREE)
    chebyshev = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    powers = np.zeros((DEGREE + 1, DEGREE + 1))
    for k in range(DEGREE + 1):
        unit = np.zeros(DEGREE + 1)
        unit[k] = 1.0
        column = np.polynomial.chebyshev.cheb2poly(unit)
        powers[: len(column), k] = column
    return chebyshev, powers


def polynomials(values: Floats) -> tuple[Floats, Floats]:
    """Coefficients of powers, (terms, degree + 1), and how little the last orders matter.

    values: (nodes, terms). The second is (terms,): the last two of Chebyshev's coefficients,
    as far as a polynomial of this degree leaves something out.
    """
    chebyshev, powers = _transform()
    of_order = chebyshev @ values
    return (powers @ of_order).T, np.abs(of_order[-2:]).max(axis=0)


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """The signals between two times as polynomials: (terms, degree + 1)."""

    begin: float
    end: float
    powers: Floats

    def at(self, term: int, times: Floats) -> Floats:
        """One signal at some times."""
        half = 0.5 * (self.end - self.begin)
        place = (times - 0.5 * (self.begin + self.end)) / half
        return np.asarray(np.polynomial.polynomial.polyval(place, self.powers[term]))


@final
@dataclass(frozen=True, slots=True)
class PastFormulas:
    """The delays of a system as tapes, and the columns of their parameters.

    looks: signals, then lags. early: the signals at times up to the start.
    """

    count: int
    looks: Tape
    early: Tape
    middle: int
    half: int
    coefficients: NDArray[np.intp]

    def signals_and_lags(
        self, times: Floats, states: Floats, parameters: Floats
    ) -> tuple[Floats, Floats]:
        """Both at some times: (times, terms) each; states (times, n), parameters (1, m)."""
        values = evaluate(self.looks, times, states, np.repeat(parameters, len(times), axis=0))
        return values[:, : self.count], values[:, self.count :]


def past_formulas(system: System) -> PastFormulas:
    """The delays of a system."""
    columns = {name: k for k, name in enumerate(system.parameters)}
    terms = system.delays
    looks = [*(term.signal for term in terms), *(term.lag for term in terms)]
    return PastFormulas(
        len(terms),
        tape(looks, system.states, system.parameters),
        tape([term.before for term in terms], system.states, system.parameters),
        columns[MIDDLE],
        columns[HALF],
        np.array([[columns[name] for name in term.coefficients] for term in terms], np.intp),
    )


@final
@dataclass(slots=True)
class Past:
    """The past of one cell.

    states, parameters: at the start, (1, n) and (1, m). breaks: (time, depth) at which delayed
    formulas are not smooth. longest: how long the next stretch may be. last: states and
    parameters where the last one ended.
    """

    start: float
    states: Floats
    parameters: Floats
    longest: float
    pieces: list[Piece] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    breaks: list[tuple[float, int]] = field(default_factory=list)
    last: tuple[Floats, Floats] | None = None

    def add(self, piece: Piece) -> None:
        """What happened last."""
        self.pieces.append(piece)
        self.ends.append(piece.end)

    def values(self, formulas: PastFormulas, times: Floats, now: Piece) -> Floats:
        """Every signal at its own times: (nodes, terms); ``now`` holds from its begin on."""
        found = np.empty(times.shape)
        for row, column in np.ndindex(*times.shape):
            time = times[row, column]
            if time <= self.start:
                early = evaluate(formulas.early, time, self.states, self.parameters)
                found[row, column] = early[0, column]
                continue
            piece = now
            if time <= now.begin:
                piece = self.pieces[min(bisect_left(self.ends, time), len(self.ends) - 1)]
            found[row, column] = piece.at(column, time)
        return found

    def next_break(self, time: float, same: float) -> float:
        """The first time after now at which something is not smooth; infinite where none is."""
        return min((at for at, _ in self.breaks if at > time + same), default=np.inf)

    def pass_breaks(self, time: float, lags: Floats, same: float, jumped: bool) -> None:
        """Plan what follows from a jump now, and from the breaks that are reached."""
        depths = [depth for at, depth in self.breaks if at <= time + same]
        self.breaks = [one for one in self.breaks if one[0] > time + same]
        depth = 0 if jumped else min(depths, default=DEEPEST)
        if depth < DEEPEST:
            self.breaks.extend((time + float(lag), depth + 1) for lag in lags if lag > same)
