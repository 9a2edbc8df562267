"""How slopes jump where a cell stops at a time that moves with its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.models.mechanistic.tape import Tape, evaluate

__all__ = ["Turning"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Turning:
    """The slope of a stop's time t*, and what it does to the slopes of states [galan1999]_.

    With g(t*) = 0: dt* = -(dg/dq) / (dg/dt along the course). Before what happens at the stop the
    slopes become those at the moving time, s + f dt*; after it those at a fixed time again,
    s - f dt*, f as it is then. rates: the tape of f. slopes: (directions, differential) columns
    of the states; times: (directions,) columns of the parameters.
    """

    crossing: Tape
    rates: Tape
    slopes: NDArray[np.intp]
    times: NDArray[np.intp]

    def before(
        self, time: Floats, states: Floats, parameters: Floats, changed: NDArray[np.bool_]
    ) -> None:
        """Slopes at the moving time, in place; changed: (cells, roots) that changed sides."""
        cells = np.flatnonzero(changed.any(axis=1))
        if not len(cells) or not len(self.times):
            return
        found = evaluate(self.crossing, time[cells], states[cells], parameters[cells])
        found = found.reshape(len(cells), changed.shape[1], -1)
        own = found[np.arange(len(cells)), changed[cells].argmax(axis=1)]
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = -own[:, 1:] / own[:, :1]
        parameters[np.ix_(cells, self.times)] = np.where(own[:, 1:] == 0.0, 0.0, moved)
        self._shift(time, states, parameters, cells, 1.0)

    def after(self, time: Floats, states: Floats, parameters: Floats) -> NDArray[np.intp]:
        """Slopes at a fixed time again, in place; the cells whose time had moved."""
        cells = np.flatnonzero(parameters[:, self.times].any(axis=1))
        if len(cells):
            self._shift(time, states, parameters, cells, -1.0)
            parameters[np.ix_(cells, self.times)] = 0.0
        return cells

    def _shift(
        self,
        time: Floats,
        states: Floats,
        parameters: Floats,
        cells: NDArray[np.intp],
        sign: float,
    ) -> None:
        n = self.slopes.shape[1]
        rates = evaluate(self.rates, time[cells], states[cells], parameters[cells])[:, :n]
        moved = sign * parameters[np.ix_(cells, self.times)]
        for columns, by in zip(self.slopes, moved.T, strict=True):
            states[np.ix_(cells, columns)] += rates * by[:, None]
