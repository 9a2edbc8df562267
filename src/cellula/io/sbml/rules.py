"""Rules, initial assignments, constraints and events of an SBML model."""

from __future__ import annotations

from typing import Any

from cellula.core.expression import Expression, apply
from cellula.core.network import AlgebraicRule, AssignmentRule, Constraint, Event, RateRule, Rule
from cellula.io.sbml.formula import formula
from cellula.io.sbml.names import Names
from cellula.io.sbml.source import Source, listed
from cellula.io.sbml.units import factor_to

__all__ = ["constraints", "events", "initial_assignments", "rules"]


def rules(source: Source) -> tuple[Rule, ...]:
    """The rules in order; one without a formula says nothing (Level 3 Version 2)."""
    found: list[Rule] = []
    for one in listed(source.model.getListOfRules()):
        expression = formula(source, one)
        if expression is None:
            continue
        if one.isAlgebraic():
            found.append(AlgebraicRule(expression))
        elif one.isRate():
            found.append(RateRule(source.id(one.getVariable()), expression))
        else:
            found.append(AssignmentRule(source.id(one.getVariable()), expression))
    return tuple(found)


def initial_assignments(source: Source) -> dict[str, Expression]:
    """Id -> what it is at the start."""
    found = {}
    for one in listed(source.model.getListOfInitialAssignments()):
        expression = formula(source, one)
        if expression is not None:
            found[source.id(one.getSymbol())] = expression
    return found


def constraints(source: Source) -> tuple[Constraint, ...]:
    """What the model is meant for, with its message as plain text."""
    return tuple(
        Constraint(expression, _message(one))
        for one in listed(source.model.getListOfConstraints())
        if (expression := formula(source, one)) is not None
    )


def events(source: Source, names: Names) -> tuple[Event, ...]:
    """The events; one without a trigger never happens and is left out."""
    found = []
    for one in listed(source.model.getListOfEvents()):
        trigger = one.getTrigger()
        when = None if trigger is None else formula(source, trigger)
        if when is not None:
            found.append(_event(source, one, when, names))
    return tuple(found)


def _event(source: Source, one: Any, when: Expression, names: Names) -> Event:
    trigger, sid = one.getTrigger(), one.getId()
    assigned = {}
    for assignment in listed(one.getListOfEventAssignments()):
        expression = formula(source, assignment)
        if expression is not None:
            assigned[source.id(assignment.getVariable())] = expression
    is_new = source.level == 3
    return Event(
        id=source.id(sid) if sid else names.fresh("event"),
        trigger=when,
        assignments=assigned,
        delay=_delay(source, one),
        priority=formula(source, one.getPriority()) if one.isSetPriority() else None,
        is_persistent=trigger.getPersistent() if is_new else True,
        initial_trigger=trigger.getInitialValue() if is_new else True,
        uses_trigger_values=one.getUseValuesFromTriggerTime(),
    )


def _delay(source: Source, one: Any) -> Expression | None:
    """The delay in the model's unit of time, where an early Level 2 gives the event its own."""
    if not one.isSetDelay():
        return None
    delay = formula(source, one.getDelay())
    if delay is None or source.level == 3:
        return delay
    factor = factor_to(source, one, one.getTimeUnits(), "time")
    return delay if factor == 1.0 else apply("times", factor, delay)


def _message(one: Any) -> str:
    """The text of a message, without its markup, without recursion."""
    words: list[str] = []
    pending = [one.getMessage()] if one.isSetMessage() else []
    while pending:
        node = pending.pop()
        if node.isText():
            words.append(node.getCharacters())
        pending.extend(node.getChild(at) for at in reversed(range(node.getNumChildren())))
    return " ".join("".join(words).split())
