"""Attractors under asynchronous update: bottom components of the graph in which one bit turns.

Sets of states are decision diagrams over the bits of a :class:`LogicForm`, inputs among them: a
step never changes an input, so that one search goes through all values of the inputs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

from cellula.kernels.decision_diagram import (
    AND,
    OR,
    WITHOUT,
    XOR,
    Diagram,
    combined,
    flipped,
    is_false,
    literal,
    one_of,
    projected,
)
from cellula.models.mechanistic.logic_form import LogicForm

__all__ = ["AsynchronousGraph"]


@final
@dataclass(frozen=True, slots=True)
class AsynchronousGraph:
    """The states of a form and its steps; bits: those that may turn."""

    form: LogicForm
    bits: tuple[int, ...]

    def steady(self, among: Diagram) -> Diagram:
        """The states that no step leaves."""
        for bit in self.bits:
            among = combined(among, self._turning(bit), WITHOUT)
        return among

    def complex_attractors(self, among: Diagram) -> Iterator[Diagram]:
        """Sets of states, of which each is one attractor for every value of the inputs it has.

        among: states that no step leaves, and from which none reaches a steady state. A state is
        picked; where all that it reaches can reach it, that is an attractor, else the search goes
        on in what cannot; what can reach it is done with, as in [garg2008]_.
        """
        picked: Diagram | None = None
        while not is_false(among):
            picked = one_of(among if picked is None else picked, self.bits)
            basin = self.reaching(picked, among)
            reached, beyond = self._reached(picked, basin)
            if not is_false(reached):
                yield reached
            among = combined(among, basin, WITHOUT)
            picked = None if is_false(beyond) else beyond

    def reaching(self, states: Diagram, among: Diagram) -> Diagram:
        """The states from which steps within ``among`` lead to some, themselves included."""
        return self._grown(states, self._before, among)

    def _reached(self, start: Diagram, basin: Diagram) -> tuple[Diagram, Diagram]:
        """All that a state reaches, for the inputs for which it can come back from there.

        For the other inputs, states from which it cannot.
        """
        beyond = combined(start, start, WITHOUT)
        at = 0
        while at < len(self.bits):
            step = self._after(self.bits[at], start)
            fresh = combined(step, start, WITHOUT)
            outside = combined(fresh, basin, WITHOUT)
            at += 1
            if not is_false(outside):
                beyond = combined(beyond, outside, OR)
                lost = projected(outside, self.bits)
                start = combined(start, lost, WITHOUT)
                fresh = combined(fresh, lost, WITHOUT)
            if not is_false(fresh):
                start = combined(start, fresh, OR)
                at = 0
        return start, beyond

    def _grown(
        self, states: Diagram, step: Callable[[int, Diagram], Diagram], among: Diagram
    ) -> Diagram:
        """States with all that steps lead to; one bit is exhausted before the next [garg2008]_."""
        at = 0
        while at < len(self.bits):
            fresh = combined(combined(step(self.bits[at], states), states, WITHOUT), among, AND)
            at += 1
            if not is_false(fresh):
                states = combined(states, fresh, OR)
                at = 0
        return states

    def _turning(self, bit: int) -> Diagram:
        """The states in which a bit is not what it goes to."""
        return combined(literal(bit), self.form.next[bit], XOR)

    def _before(self, bit: int, states: Diagram) -> Diagram:
        return combined(flipped(states, bit), self._turning(bit), AND)

    def _after(self, bit: int, states: Diagram) -> Diagram:
        return flipped(combined(states, self._turning(bit), AND), bit)
