"""Reactions and diffusion one after the other, the error of a step known from two halves of it.

A symmetric step, half of one operator, the other, and half of the first again [strang1968]_, has
an error of the third order in its length h that expands in odd powers alone: with the step S(h)
and the two halves S(h/2) S(h/2), the difference over 3 estimates the error of the halves, and
(4 S(h/2) S(h/2) - S(h)) / 3 is of order 4. No part of it goes back in time, and amounts that both
parts conserve are conserved. Where the combination would be negative the halves are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import NotConverged
from cellula.models.mechanistic.reaction_diffusion.diffusion import Diffusion
from cellula.models.mechanistic.reaction_diffusion.local import Reactions
from cellula.models.mechanistic.reaction_diffusion.options import ReactionDiffusionOptions

__all__ = ["Splitting"]

Floats = NDArray[np.float64]
#: (time, states, step) -> states.
Part: TypeAlias = Callable[[float, Floats, float], Floats]
#: A step is at most so much longer, or shorter, than the one before; and a bit less than it may.
LONGER, SHORTER, SAFETY = 4.0, 0.2, 0.85
#: A step that may be less than so much longer stays as it is: its matrices are there.
WORTH = 1.4
#: A pattern that is fainter, relative to the field, is rounding.
FAINTEST = 1e-12
#: Of what a combination may lack by being cut off at 0, as a share of all there is of a species.
LEAST_CUT = 1e-13


@final
@dataclass(slots=True)
class Splitting:
    """Fields on their way from time to time; ``wanted``, the step that comes next, changes."""

    reactions: Reactions
    diffusion: Diffusion
    options: ReactionDiffusionOptions
    wanted: float = 0.0
    n_steps: int = 0

    def advance(self, time: float, states: Floats, end: float) -> Floats:
        """The states at ``end``, (voxels, states).

        Raises NotConverged where the steps are used up or become too short.
        """
        if not self.diffusion.moving:
            return self.reactions.advance(time, states, end - time)
        if not self.reactions.made.has_reactions:
            return self.diffusion.advance(states, end - time)
        if self.options.step is not None:
            return self._fixed(time, states, end, self.options.step)
        return self._controlled(time, states, end)

    def _fixed(self, start: float, states: Floats, end: float, step: float) -> Floats:
        n = max(1, math.ceil((end - start) / step - 1e-9))
        h = (end - start) / n
        for k in range(n):
            states, _ = self._step(start + k * h, states, h)
        return states

    def _controlled(self, start: float, states: Floats, end: float) -> Floats:
        time, left = start, self.options.max_steps
        h = self.wanted or (end - start) / 64
        while time < end:
            n = math.ceil((end - time) / h - 1e-9)
            h = (end - time) / max(n, 1)
            if left == 0 or time + h / 4 == time:
                raise NotConverged(
                    f"the steps at time {time:.6g} have come to {h:.2g}, {self.options.max_steps} "
                    "are allowed between two times: does the model blow up? Else allow a larger "
                    "error (rtol, atol) or more steps (max_steps)"
                )
            left -= 1
            self.n_steps += 1
            after, error = self._step(time, states, h)
            factor = SAFETY * max(error, 1e-9) ** (-1 / 3)
            if error <= 1:
                time, states = (end if n <= 1 else time + h), after
                self.wanted = h * min(factor, LONGER) if factor > WORTH else h * min(factor, 1.0)
                h = self.wanted
            else:
                h *= max(SHORTER, factor)
        return states

    def _step(self, time: float, states: Floats, h: float) -> tuple[Floats, float]:
        """The states after a step, and its error in units of the tolerance."""
        halves = self._symmetric(time, states, h / 2)
        halves = self._symmetric(time + h / 2, halves, h / 2)
        if self.options.step is not None and not self.options.is_extrapolated:
            return halves, 0.0
        whole = self._symmetric(time, states, h)
        correction = (halves - whole) / 3
        error = self._error(halves, correction)
        if not self.options.is_extrapolated:
            return halves, error
        return _combined(halves, correction), error

    def _error(self, states: Floats, correction: Floats) -> float:
        """The error in units of the tolerance, rtol x the field's greatest value; of what differs
        from the mean also sqrt(rtol) x its range: a pattern that is yet faint grows as it should.
        """
        least = self.options.atol * self.reactions.scales
        size, span = np.abs(states).max(axis=0), np.ptp(states, axis=0)
        mean = correction.mean(axis=0)
        apart = np.abs(correction - mean).max(axis=0)
        rtol = self.options.rtol
        pattern = np.minimum(rtol * size, math.sqrt(rtol) * span) + FAINTEST * size
        of_mean, of_pattern = np.abs(mean) / (least + rtol * size), apart / (least + pattern)
        return float(np.maximum(of_mean, of_pattern).max(initial=0.0))

    def _symmetric(self, time: float, states: Floats, h: float) -> Floats:
        if self.options.outer == "diffusion":
            moved = self.diffusion.advance(states, h / 2)
            return self.diffusion.advance(self.reactions.advance(time, moved, h), h / 2)
        moved = self.diffusion.advance(self.reactions.advance(time, states, h / 2), h)
        return self.reactions.advance(time + h / 2, moved, h / 2)


def _combined(halves: Floats, correction: Floats) -> Floats:
    """Order 4, but the halves where it would turn what is not negative negative."""
    found = np.asarray(halves + correction)
    cut = (found < 0) & (halves >= 0)
    if not cut.any():
        return found
    lost = np.where(cut, np.abs(correction), 0.0).sum(axis=0)
    if (lost <= LEAST_CUT * np.abs(halves).sum(axis=0)).all():
        return np.where(cut, halves, found)
    return halves
