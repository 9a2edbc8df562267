"""One cell of a system with delays, a stretch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import EngineError
from cellula.models.mechanistic.past import Past, PastFormulas, Piece, nodes, polynomials
from cellula.models.mechanistic.solver import Advanced, Cells, Problem, SolverOptions, advance

__all__ = ["Reached", "Stretches"]

Floats = NDArray[np.float64]
#: Stretches of a span, at least; and the shortest, as a share of it.
FEWEST, SHORTEST = 20, 1e-10
#: Turns until what a stretch says of itself has settled.
MOST_TURNS = 25


@final
@dataclass(frozen=True, slots=True)
class Reached:
    """Where a stretch ended: states (1, n) there, and (times, n) at the times passed."""

    time: float
    states: Floats
    told: Floats


@final
@dataclass(frozen=True, slots=True)
class Stretch:
    """From the cell's time to ``end``; times: to be told, within it. states: (1, n)."""

    past: Past
    time: float
    end: float
    states: Floats
    parameters: Floats
    times: Floats

    @property
    def at(self) -> Floats:
        """Where polynomials are fixed."""
        return 0.5 * (self.end + self.time) + 0.5 * (self.end - self.time) * nodes()

    def reached(self, found: Advanced, asked: Floats) -> Reached:
        """What the solver found at ``asked``, told at the times."""
        passed = asked[: int(found.cells.following[0])]
        count = 0 if not len(passed) else int(np.searchsorted(self.times, passed[-1], "right"))
        rows = np.searchsorted(asked, self.times[:count])
        return Reached(float(found.cells.time[0]), found.cells.states, found.values[0, rows])


@final
@dataclass(frozen=True, slots=True)
class Stretches:
    """Solves a cell over stretches on which what it asks of the past is a polynomial.

    A stretch is halved until its polynomials leave out no more than the tolerance and, where
    it asks for values of its own, solving it again no longer changes them.
    """

    problem: Problem
    formulas: PastFormulas
    options: SolverOptions
    scales: Floats
    begin: float
    end: float

    @property
    def span(self) -> float:
        """The whole time."""
        return self.end - self.begin

    @property
    def shortest(self) -> float:
        """No stretch is halved below."""
        return SHORTEST * self.span

    def past(self, states: Floats, parameters: Floats) -> Past:
        """The past of a cell that is at the start."""
        return Past(self.begin, states.copy(), parameters.copy(), self.span / FEWEST)

    def advance(
        self, past: Past, time: float, states: Floats, parameters: Floats, times: Floats
    ) -> Reached:
        """Advance by one stretch; ``times``: those still to be told, the last is the end.

        states (1, n); parameters (1, m) get the polynomials of the stretch. Raises EngineError,
        naming the time, where a lag is negative or no stretch is short enough.
        """
        self._pass_breaks(past, time, states, parameters)
        limit = min(float(times[-1]), past.next_break(time, self.shortest))
        end = min(limit, time + past.longest)
        while True:
            trial = Stretch(past, time, end, states, parameters, times[times <= end])
            found, piece = self._tried(trial)
            if found is not None and found.time < end:  # stopped by a root: end there
                if found.time - time <= self.shortest:
                    return found
                end = found.time
            elif found is not None and piece is not None:
                past.add(piece)
                past.longest = min(2.0 * (end - time), self.span / FEWEST)
                past.last = (found.states.copy(), parameters.copy())
                return found
            elif end - time <= self.shortest:
                raise EngineError(f"what delays ask for does not settle at time {time:g}")
            else:
                end = time + 0.5 * (end - time)

    def _tried(self, trial: Stretch) -> tuple[Reached | None, Piece | None]:
        """What a stretch comes to; nothing where it does not settle or is not smooth enough."""
        at, parameters = trial.at, trial.parameters
        asked = np.unique(np.concatenate([at, trial.times, [trial.end]]))
        still = np.repeat(trial.states, len(at), axis=0)
        signals, lags = self.formulas.signals_and_lags(at, still, parameters)
        delayed, reached = np.full(signals.shape, np.nan), None
        for _ in range(MOST_TURNS):
            self._check_lags(lags, trial.time)
            powers, left_out = polynomials(signals)
            piece = Piece(trial.time, trial.end, powers)
            before, delayed = delayed, trial.past.values(self.formulas, at[:, None] - lags, piece)
            powers, also_left_out = polynomials(delayed)
            self._put(parameters, trial.time, trial.end, powers)
            if reached is not None and self._is_same(delayed, before):
                size = np.maximum(np.abs(signals), np.abs(delayed)).max(axis=0)
                allowed = self.options.rtol * size + self.options.atol
                is_smooth = np.all(np.maximum(left_out, also_left_out) <= allowed)
                is_short = trial.end - trial.time <= 2.0 * self.shortest
                return (reached, piece) if is_smooth or is_short else (None, None)
            found = self._solved(trial, asked)
            reached = trial.reached(found, asked)
            if reached.time < trial.end:
                return reached, None
            rows = np.searchsorted(asked, at)
            signals, lags = self.formulas.signals_and_lags(at, found.values[0, rows], parameters)
        return None, None

    def _solved(self, trial: Stretch, asked: Floats) -> Advanced:
        cells = Cells(
            np.array([trial.time]),
            trial.states,
            trial.parameters,
            np.zeros(1, np.int64),
            np.zeros(1),
            self.scales,
        )
        found = advance(self.problem, cells, asked, self.options)
        if found.failed[0]:
            raise EngineError(f"no solution beyond time {found.cells.time[0]:g}: {found.word(0)}")
        return found

    def _is_same(self, new: Floats, old: Floats) -> bool:
        allowed = self.options.atol + 0.1 * self.options.rtol * np.abs(new)
        return bool(np.all(np.abs(new - old) <= allowed))

    def _put(self, parameters: Floats, begin: float, end: float, powers: Floats) -> None:
        """Make the polynomials of a stretch the cell's."""
        parameters[0, self.formulas.middle] = 0.5 * (begin + end)
        parameters[0, self.formulas.half] = 0.5 * (end - begin)
        width = powers.shape[1]
        parameters[0, self.formulas.coefficients[:, :width]] = powers

    def _pass_breaks(self, past: Past, time: float, states: Floats, parameters: Floats) -> None:
        """Plan breaks; a jump is what changed since the last stretch."""
        lags = self.formulas.signals_and_lags(np.array([time]), states, parameters)[1][0]
        jumped = past.last is None or not (
            np.array_equal(past.last[0], states, equal_nan=True)
            and np.array_equal(past.last[1], parameters, equal_nan=True)
        )
        past.pass_breaks(time, lags, self.shortest, jumped=jumped)

    @staticmethod
    def _check_lags(lags: Floats, time: float) -> None:
        wrong = lags[~(lags >= 0)]
        if len(wrong):
            raise EngineError(
                f"a delay is {wrong[0]:g} near time {time:g}; expected 0 or more, a model "
                "cannot look ahead"
            )
