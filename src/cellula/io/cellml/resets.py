"""Resets of CellML 2.0 as events, where an event means the same.

A reset is done whenever its test variable equals its test value, from whichever side it comes
[clerx2020]_; an event when a condition becomes true. So the test variable must be the time or a
state, whose course is known to meet the value by crossing it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Expression, Number, Symbol, apply, rewritten
from cellula.core.network import AssignmentRule, Event, Parameter, RateRule, Rule
from cellula.io.cellml.analysis import Analysis
from cellula.io.mathml_in import mathml_expression

__all__ = ["reset_events", "with_free"]


@dataclass(frozen=True, slots=True)
class _Reset:
    """changed is set to ``value`` when test equals ``bound``; test: None for the time."""

    changed: str
    test: str | None
    bound: Expression
    value: Expression
    order: int


def reset_events(
    analysis: Analysis, parameters: Sequence[Parameter], rules: Sequence[Rule]
) -> tuple[Event, ...]:
    """The events of all resets.

    Raises DataError, naming the variable, where order, test variable or start leave open when a
    reset is done.
    """
    resets = tuple(_resets(analysis))
    if not resets:
        return ()
    by_id = {one.id: one for one in parameters}
    targets = {one.target: one for one in rules if isinstance(one, AssignmentRule | RateRule)}
    changed = {one.changed for one in resets}
    values = {
        id: one.value
        for id, one in by_id.items()
        if one.value is not None and id not in targets and id not in changed
    }
    for one in resets:
        if isinstance(targets.get(one.changed), AssignmentRule):
            raise _open(analysis, one, "follows an equation")
        _check_order(analysis, one, resets, values)
    events: list[Event] = []
    for one in resets:
        bound = _number(one.bound, values)
        if one.test is None:
            events += _of_time(analysis, one, bound)
        elif not isinstance(targets.get(one.test), RateRule):
            raise _open(analysis, one, f"is tested by {one.test!r}, which is no state")
        elif one.test in changed:
            events.append(_one_sided(analysis, one, resets, by_id[one.test].value, values))
        else:
            events += _two_sided(analysis, one, by_id[one.test].value, bound)
    return tuple(events)


def with_free(parameters: Sequence[Parameter], events: Sequence[Event]) -> tuple[Parameter, ...]:
    """The parameters, those that events change not constant."""
    changed = {id for one in events for id in one.assignments}
    return tuple(
        replace(one, is_constant=False) if one.id in changed else one for one in parameters
    )


# -- what a file says ------------------------------------------------------------------------------
def _resets(analysis: Analysis) -> Iterator[_Reset]:
    pending = [analysis.model.component(at) for at in range(analysis.model.componentCount())]
    while pending:
        component = pending.pop(0)
        pending.extend(component.component(at) for at in range(component.componentCount()))
        for at in range(component.resetCount()):
            yield _reset(analysis, component, component.reset(at))


def _reset(analysis: Analysis, component: Any, reset: Any) -> _Reset:
    variable, test = reset.variable(), reset.testVariable()
    where = f"{analysis.file}: a reset in component {component.name()!r}"
    if variable is None or test is None or not reset.isOrderSet():
        raise DataError(f"{where} lacks its variable, its test variable or its order; give all")
    changed = _place(analysis, component, variable.name(), where)
    tested = _place(analysis, component, test.name(), where)
    if not isinstance(changed, Symbol):
        raise DataError(f"{where} changes the time; leave it out")
    bound, value = (
        _formula(analysis, component, text, where)
        for text in (reset.testValue(), reset.resetValue())
    )
    test_id = tested.id if isinstance(tested, Symbol) else None
    return _Reset(changed.id, test_id, bound, value, reset.order())


def _formula(analysis: Analysis, component: Any, text: str, where: str) -> Expression:
    if not text.strip():
        raise DataError(f"{where} lacks a formula of its test value or its reset value; give both")
    local = mathml_expression(ElementTree.fromstring(text))  # noqa: S314 -- looked through before

    def told(node: Expression) -> Expression:
        if isinstance(node, Symbol):
            return _place(analysis, component, node.id, where)
        return node

    return rewritten(local, told)


def _place(analysis: Analysis, component: Any, name: str, where: str) -> Expression:
    """What a variable of the component is in the network: the time, or an id of the same unit."""
    variable = component.variable(name)
    found = None if variable is None else analysis.variable(variable)
    if found is None:
        raise DataError(f"{where} names {name!r}, which no equation determines")
    if found.typeAsString(found.type()) == "variable_of_integration":
        same = found.variable().units().name() == variable.units().name()
        place: Expression = TIME
    else:
        same = found.variable().units().name() == variable.units().name()
        place = Symbol(analysis.id(variable))
    if not same:
        raise DataError(f"{where} names {name!r} in another unit than its equation; use one unit")
    return place


# -- what it means ---------------------------------------------------------------------------------
def _number(expression: Expression, values: Mapping[str, float]) -> float | None:
    if isinstance(expression, Number):
        return expression.value
    return values.get(expression.id) if isinstance(expression, Symbol) else None


def _open(analysis: Analysis, one: _Reset, why: str) -> DataError:
    return DataError(
        f"{analysis.file}: the reset of {one.changed!r} of order {one.order} cannot be an event, "
        f"as {one.changed!r} {why}; write it as one in SBML"
    )


def _check_order(
    analysis: Analysis, one: _Reset, resets: Sequence[_Reset], values: Mapping[str, float]
) -> None:
    """Resets of one variable are never due together, so that their order decides nothing."""
    for other in resets:
        if other is one or other.changed != one.changed:
            continue
        bounds = _number(one.bound, values), _number(other.bound, values)
        if other.test != one.test or None in bounds or bounds[0] == bounds[1]:
            raise _open(analysis, one, f"has another, of order {other.order}, due with it")


def _event(one: _Reset, sign: str, *, is_true_before: bool = True) -> Event:
    tested = TIME if one.test is None else Symbol(one.test)
    side = "up" if sign == "geq" else "down"
    return Event(
        f"reset {one.changed} {one.order} {side}",
        apply(sign, tested, one.bound),
        {one.changed: one.value},
        initial_trigger=is_true_before,
    )


def _of_time(analysis: Analysis, one: _Reset, bound: float | None) -> list[Event]:
    if bound is None:
        raise _open(analysis, one, "is reset at a time that is no constant")
    return [_event(one, "geq", is_true_before=False)] if bound >= 0 else []


def _two_sided(
    analysis: Analysis, one: _Reset, start: float | None, bound: float | None
) -> list[Event]:
    """A test variable that no reset changes crosses the value from below and from above."""
    if start is None or bound is None or start == bound:
        raise _open(analysis, one, "is tested by what may begin at its test value")
    return [_event(one, "geq"), _event(one, "leq")]


def _one_sided(
    analysis: Analysis,
    one: _Reset,
    resets: Sequence[_Reset],
    start: float | None,
    values: Mapping[str, float],
) -> Event:
    """A test variable that is reset meets the value from one side, as it always is on that."""
    bound = _number(one.bound, values)
    set_to = [_number(other.value, values) for other in resets if other.changed == one.test]
    levels = [start, *set_to]
    if bound is not None and all(level is not None and level < bound for level in levels):
        return _event(one, "geq")
    if bound is not None and all(level is not None and level > bound for level in levels):
        return _event(one, "leq")
    raise _open(analysis, one, "is tested by what is reset to either side of its test value")
