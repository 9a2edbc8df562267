"""Attractors under synchronous update: the cycles of the map of all components at once.

A set of states is a decision diagram over the bits of a :class:`LogicForm`. Its image is taken
over twice as many variables, what a bit was and what it becomes side by side, and every variable is
forgotten as soon as no bit that is still to come depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from cellula.kernels.decision_diagram import (
    AND,
    OR,
    WITHOUT,
    XOR,
    Diagram,
    combined,
    is_false,
    literal,
    negated,
    one_of,
    projected,
)
from cellula.models.mechanistic.logic_form import LogicForm

__all__ = ["SynchronousGraph"]

#: The variable of a constant, which renumbering leaves as it is.
BOTTOM = 2**31 - 1


@final
@dataclass(frozen=True, slots=True)
class SynchronousGraph:
    """The states of a form and their images.

    bits: those that may change. relations: of every such bit, doubled variables, that it becomes
    what it goes to; forgotten: which variables no later relation names.
    """

    bits: tuple[int, ...]
    relations: tuple[Diagram, ...]
    forgotten: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(form: LogicForm, bits: tuple[int, ...]) -> SynchronousGraph:
        """The graph of a form in which some bits may change."""
        relations = tuple(
            negated(combined(literal(2 * bit + 1), _doubled(form.next[bit]), XOR)) for bit in bits
        )
        last: dict[int, int] = {2 * bit: 0 for bit in bits}
        for at, relation in enumerate(relations):
            last.update({v: at for v in relation[:, 0].tolist() if v in last})
        forgotten = tuple(
            tuple(variable for variable, when in last.items() if when == at)
            for at in range(len(bits))
        )
        return SynchronousGraph(bits, relations, forgotten)

    def image(self, states: Diagram) -> Diagram:
        """The states that follow some."""
        both = _doubled(states)
        for relation, done in zip(self.relations, self.forgotten, strict=True):
            both = projected(combined(both, relation, AND), done)
        return _halved(both)

    def recurrent(self, among: Diagram) -> Diagram:
        """The states on cycles, of a set that holds its own image [garg2008]_."""
        while True:
            image = self.image(among)
            if np.array_equal(image, among):
                return among
            among = image

    def cycles(self, recurrent: Diagram) -> Iterator[Diagram]:
        """Sets of states on cycles, of which each is one cycle for every value of the inputs."""
        while not is_false(recurrent):
            fresh = one_of(recurrent, self.bits)
            cycle = fresh
            while not is_false(fresh):
                fresh = combined(self.image(fresh), cycle, WITHOUT)
                cycle = combined(cycle, fresh, OR)
            yield cycle
            recurrent = combined(recurrent, cycle, WITHOUT)


def _doubled(a: Diagram) -> Diagram:
    return _renumbered(a, a[:, 0] * np.int32(2))


def _halved(a: Diagram) -> Diagram:
    return _renumbered(a, a[:, 0] // np.int32(2))


def _renumbered(a: Diagram, variables: np.ndarray) -> Diagram:
    new = a.copy()
    new[:, 0] = np.where(a[:, 0] == BOTTOM, BOTTOM, variables)
    return new
