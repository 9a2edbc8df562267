"""Doses and events at given times: when they are due in every cell, and what they assign."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Expression, Number, Symbol, apply, substituted, walk
from cellula.core.network import Event
from cellula.core.simulation import Schedule
from cellula.models.mechanistic.jump_network import JumpNetwork, count_of
from cellula.models.mechanistic.mass_action import depends

__all__ = ["Change", "Timing", "changeable_ids", "dose_changes", "event_changes"]

Floats = NDArray[np.float64]
#: Expressions and times (cells,) -> their values (cells, expressions) at the start of the cells.
Timing = Callable[[Sequence[Expression], Floats], Floats]
RELATIONS = frozenset(("gt", "geq", "lt", "leq"))


@dataclass(frozen=True, slots=True)
class Change:
    """At ``due`` (cells,), infinite for never, the targets take the values of expressions.

    targets: symbols of states. is_early: all values are computed before any change of the same
    time is made. name: for messages.
    """

    name: str
    due: Floats
    targets: tuple[str, ...]
    expressions: tuple[Expression, ...]
    is_early: bool = False


def changeable_ids(described: JumpNetwork, doses: Schedule) -> tuple[str, ...]:
    """The fixed ids that doses and events change."""
    named = [dose.id for dose in doses.doses]
    named += [id for event in described.network.events for id in event.assignments]
    return tuple(id for id in dict.fromkeys(named) if id in set(described.fixed))


def dose_changes(
    described: JumpNetwork, doses: Schedule, start: float, n_cells: int
) -> Iterator[Change]:
    """Every dose as a change. Raises DataError on an id that cannot be dosed, or one too early."""
    resolved = described.resolved()
    for dose in doses.doses:
        if dose.time < start:
            raise DataError(
                f"a dose of {dose.id!r} at {dose.time:g} is before the start at {start:g}"
            )
        symbol = _target(dose.id, described, "a dose")
        now = resolved[dose.id]
        after: Mapping[str, Expression] = {
            "set": Number(dose.value),
            "scale": apply("times", now, dose.value),
            "add": apply("plus", now, dose.value),
        }
        value = _of_state(dose.id, after[dose.how], described)
        yield Change(f"the dose of {dose.id!r}", np.full(n_cells, dose.time), (symbol,), (value,))


def event_changes(
    described: JumpNetwork, changeable: Sequence[str], start: float, timing: Timing, n_cells: int
) -> list[Change]:
    """Every event as changes, in the order in which those of one time are made.

    Raises DataError, naming the event, where its time depends on the counts, or its delay or
    persistence asks for more than a list of times.
    """
    moving = described.moving | set(changeable)
    found: list[tuple[float, Change]] = []
    resolved = described.resolved()
    for event in described.network.events:
        _refuse(event, moving)
        priority = event.priority.value if isinstance(event.priority, Number) else -np.inf
        targets = tuple(_target(id, described, "an event") for id in event.assignments)
        values = tuple(
            _of_state(id, substituted(one, resolved), described)
            for id, one in event.assignments.items()
        )
        for due in _due(event, resolved, start, timing, n_cells):
            change = Change(f"event {event.id!r}", due, targets, values, event.uses_trigger_values)
            found.append((priority, change))
    return [change for _, change in sorted(found, key=lambda one: -one[0])]


def _target(id: str, described: JumpNetwork, by: str) -> str:
    if id in described.counted:
        return count_of(id)
    if id in described.fixed:
        return id
    raise DataError(
        f"{by} changes {id!r}, which is no species, parameter or compartment of network "
        f"{described.network.id!r} that may be changed"
    )


def _of_state(id: str, value: Expression, described: JumpNetwork) -> Expression:
    """The state that a value of an id comes to: a count, or the value itself."""
    scale = described.scales.get(id)
    if scale is None:
        return value
    return apply("times", value, substituted(scale, described.resolved()))


def _refuse(event: Event, moving: frozenset[str]) -> None:
    name = f"event {event.id!r}"
    given = (event.trigger, event.delay, event.priority)
    if any(one is not None and depends(one, moving, on_time=False) for one in given):
        raise DataError(
            f"{name} depends on the state of the network; a stochastic simulation here takes "
            "events at times that are known beforehand"
        )
    if event.priority is not None and not isinstance(event.priority, Number):
        raise DataError(f"the priority of {name} is computed; expected a number")
    if event.delay is None:
        return
    late = event.uses_trigger_values and any(
        depends(one, moving) for one in event.assignments.values()
    )
    if late or not event.is_persistent:
        raise DataError(
            f"{name} has a delay and values of the time of its trigger, or may be called off; a "
            "stochastic simulation here has neither"
        )


def _due(
    event: Event, resolved: Mapping[str, Expression], start: float, timing: Timing, n_cells: int
) -> Iterator[Floats]:
    """When the event is due in every cell; once for every time that its trigger may turn true."""
    trigger = substituted(event.trigger, resolved)
    breaks = [substituted(one, resolved) for one in _breaks(event)]
    first = np.full((n_cells, 1), start)
    times = np.sort(np.hstack([first, timing(breaks, first[:, 0])]), axis=1)
    times = np.where(times < start, start, times)
    after = np.hstack([times[:, 1:], times[:, -1:] + 2.0])
    was_true = np.full(n_cells, event.initial_trigger)
    for k in range(times.shape[1]):
        at, later = times[:, k], 0.5 * (times[:, k] + after[:, k])
        truth = [timing([trigger], when)[:, 0] != 0 for when in (at, later)]
        is_fired = (~was_true & truth[0]) | (~truth[0] & truth[1])
        was_true = truth[1]
        if is_fired.any():
            delay = np.zeros(n_cells)
            if event.delay is not None:
                delay = timing([substituted(event.delay, resolved)], at)[:, 0]
            yield np.where(is_fired, at + delay, np.inf)


def _breaks(event: Event) -> Iterator[Expression]:
    """The times at which a comparison in a trigger turns; DataError where they are not told."""
    pending: list[Expression] = [event.trigger]
    while pending:
        node = pending.pop()
        if isinstance(node, Number | Symbol):
            continue
        if node.function in RELATIONS and len(node.arguments) == 2 and TIME in node.arguments:
            left, right = node.arguments
            other = right if left == TIME else left
            if TIME not in walk(other):
                yield other
                continue
        if node.function not in {"and", "or", "not", "xor", "implies"} and TIME in walk(node):
            raise DataError(
                f"the trigger of event {event.id!r} is no comparison of the time with a number "
                "known beforehand; a stochastic simulation here takes no other"
            )
        pending.extend(node.arguments)
