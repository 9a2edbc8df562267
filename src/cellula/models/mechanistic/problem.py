"""Equations of a network's states, made ready for the solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from cellula.core.derivative import Gradient, gradients
from cellula.core.errors import DataError
from cellula.core.expression import Expression, Number
from cellula.models.mechanistic.elimination import Elimination, elimination
from cellula.models.mechanistic.tape import Tape, tape

__all__ = ["Problem", "problem"]


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """M y' = f(t, y, p) with M the identity, but 0 for the last ``n_algebraic`` equations.

    rates: the tape of f. local: that of f, then what is not zero in df/dy, then df/dt, where
    the time is in it at all. roots: of the root functions. entries: (row, column) in df/dy.
    """

    states: tuple[str, ...]
    parameters: tuple[str, ...]
    n_algebraic: int
    rates: Tape
    local: Tape
    roots: Tape
    entries: tuple[tuple[int, int], ...]
    elimination: Elimination

    @property
    def n_differential(self) -> int:
        """How many of the states have a derivative; they come first."""
        return len(self.states) - self.n_algebraic

    @property
    def n_roots(self) -> int:
        """How many root functions there are."""
        return len(self.roots.outputs)


def problem(
    states: Sequence[str],
    parameters: Sequence[str],
    derivatives: Sequence[Expression],
    n_algebraic: int = 0,
    roots: Sequence[Expression] = (),
) -> Problem:
    """Equations ready to be solved.

    derivatives: of every state in order; for the last ``n_algebraic`` states what is 0 at all
    times, which must determine them (index 1). roots: functions whose changes of side stop a
    cell; the condition a > b has the function a - b, and a >= b is the opposite of b - a.
    Where a rate jumps on such a condition, make its truth a parameter and set it when the cell
    stops: so no step crosses the jump. Raises DataError as :func:`~cellula.models.mechanistic
    .tape.tape` does, and on algebraic equations that cannot determine the algebraic states.
    """
    if len(derivatives) != len(states):
        raise DataError(f"{len(derivatives)} derivatives of {len(states)} states; expected as many")
    if not 0 <= n_algebraic <= len(states):
        raise DataError(f"{n_algebraic} algebraic equations of {len(states)}; expected at most all")
    place = {id: column for column, id in enumerate(states)}
    found = gradients(derivatives, (*states, None))
    equations, slopes = _matched(derivatives, found, states, n_algebraic)
    entries = [
        (row, place[id]) for row, slope in enumerate(slopes) for id in slope if id is not None
    ]
    values = [slopes[row][states[column]] for row, column in entries]
    drift = [slope.get(None, Number(0.0)) for slope in slopes]
    if all(one == Number(0.0) for one in drift):
        drift = []
    algebraic = range(len(states) - n_algebraic, len(states))
    return Problem(
        tuple(states),
        tuple(parameters),
        n_algebraic,
        tape(equations, states, parameters),
        tape((*equations, *values, *drift), states, parameters),
        tape(roots, states, parameters),
        tuple(entries),
        elimination(len(states), entries, algebraic),
    )


def _matched(
    derivatives: Sequence[Expression],
    slopes: Sequence[Gradient],
    states: Sequence[str],
    n_algebraic: int,
) -> tuple[list[Expression], list[Gradient]]:
    """The equations with the algebraic ones so ordered that each holds its own state.

    A maximum matching by augmenting paths, without recursion.
    """
    first = len(states) - n_algebraic
    owner: dict[str, int] = {}
    for start in range(first, len(states)):
        _augment(start, slopes, set(states[first:]), owner)
    free = [id for id in states[first:] if id not in owner]
    if free:
        raise DataError(
            f"the algebraic equations do not determine {', '.join(map(repr, free))}; expected "
            f"{n_algebraic} independent equations of the algebraic states"
        )
    order = [*range(first), *(owner[id] for id in states[first:])]
    return [derivatives[row] for row in order], [slopes[row] for row in order]


def _augment(
    start: int, slopes: Sequence[Gradient], wanted: set[str], owner: dict[str, int]
) -> None:
    """Give the equation ``start`` a state, moving others to another of theirs where need be."""
    came: dict[str, int] = {}
    pending = [start]
    while pending:
        row = pending.pop()
        for id in slopes[row]:
            if id is None or id not in wanted or id in came:
                continue
            came[id] = row
            if id in owner:
                pending.append(owner[id])
                continue
            _reassign(id, start, came, owner)
            return


def _reassign(id: str, start: int, came: dict[str, int], owner: dict[str, int]) -> None:
    """Walk back from a free state to the equation that asked, exchanging owners."""
    while True:
        row = came[id]
        before = next((one for one, of in owner.items() if of == row), None)
        owner[id] = row
        if row == start or before is None:
            return
        id = before
