"""An analysed CellML model to a network: parameters, rate rules and assignment rules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from libcellml import Units

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Number, Symbol, apply
from cellula.core.network import AlgebraicRule, AssignmentRule, Network, Parameter, RateRule, Rule
from cellula.io.cellml.analysis import Analysis
from cellula.io.cellml.formula import expression_of, is_rate
from cellula.io.cellml.resets import reset_events, with_free
from cellula.io.cellml.units import factor_between, unit_of

__all__ = ["network_in"]


def network_in(analysis: Analysis) -> Network:
    """The network of a model; raises DataError, naming the variable, on what it cannot hold.

    States and constants are parameters with a value; what is computed follows a rule, so that a
    changed constant acts on all that is computed from it.
    """
    _check_conversions(analysis)
    found = analysis.found
    parameters, initial = [], {}
    for one, has_value, is_constant in _variables(found):
        variable = one.variable()
        id, unit = analysis.id(variable), unit_of(analysis.model, variable.units().name())
        start = _initial(analysis, one) if has_value else None
        value = start.value if isinstance(start, Number) else None
        if start is not None and value is None:
            initial[id] = start
        parameters.append(Parameter(id, value, is_constant, unit))
    rules = tuple(
        _rule(analysis, found.analyserEquation(at)) for at in range(found.analyserEquationCount())
    )
    units = {}
    if found.voi() is not None:
        units["time"] = unit_of(analysis.model, found.voi().variable().units().name())
    events = reset_events(analysis, parameters, rules)
    try:
        return Network(
            analysis.model.name() or "model",
            parameters=with_free(parameters, events),
            rules=rules,
            events=events,
            initial=initial,
            units=units,
        )
    except DataError as error:
        raise DataError(f"{analysis.file}: {error}") from error


def _variables(found: Any) -> Iterator[tuple[Any, bool, bool]]:
    """Every variable, whether it has a value at the start, whether it is a constant."""
    for at in range(found.stateCount()):
        yield found.state(at), True, False
    for at in range(found.constantCount()):
        yield found.constant(at), True, True
    for at in range(found.computedConstantCount()):
        yield found.computedConstant(at), False, False
    for at in range(found.algebraicVariableCount()):
        one = found.algebraicVariable(at)
        yield one, one.initialisingVariable() is not None, False


def _initial(analysis: Analysis, one: Any) -> Expression:
    """The value at the start in the variable's own unit: a number, or another variable's value."""
    given, variable = one.initialisingVariable(), one.variable()
    factor = factor_between(analysis.model, given.units().name(), variable.units().name())
    if factor is None:
        raise DataError(
            f"{analysis.file}: {analysis.id(variable)!r} starts in {given.units().name()!r}, which "
            f"is no {variable.units().name()!r}; give it in that"
        )
    text = given.initialValue()
    try:
        return Number(float(text) * factor)
    except ValueError:
        other = given.parent().variable(text)
        if other is None:
            raise DataError(
                f"{analysis.file}: {analysis.id(variable)!r} starts at {text!r}, which component "
                f"{given.parent().name()!r} lacks"
            ) from None
    turned = factor_between(
        analysis.model, analysis.variable(other).variable().units().name(), variable.units().name()
    )
    if turned is None:
        raise DataError(f"{analysis.file}: {text!r} and {variable.name()!r} differ in unit")
    symbol = Symbol(analysis.id(other))
    return symbol if turned == 1.0 else apply("times", turned, symbol)


def _rule(analysis: Analysis, equation: Any) -> Rule:
    """The rule of an equation, whose unknown may stand on either side."""
    tree = equation.ast()
    left, right = tree.leftChild(), tree.rightChild()
    kind = equation.typeAsString(equation.type())
    if kind == "ode":
        side, other = (left, right) if is_rate(left) else (right, left)
        if not is_rate(side):
            raise DataError(f"{analysis.file}: an equation of a rate without a rate on a side")
        target = analysis.id(side.rightChild().variable())
        return RateRule(target, expression_of(analysis, other))
    if kind in {"algebraic", "computed_constant", "constant"} and left.variable() is not None:
        return AssignmentRule(analysis.id(left.variable()), expression_of(analysis, right))
    sides = expression_of(analysis, left), expression_of(analysis, right)
    return AlgebraicRule(apply("minus", *sides))


def _check_conversions(analysis: Analysis) -> None:
    """Refuse where the factor by which libcellml converts inside formulas is not ours."""
    pending = [analysis.model.component(at) for at in range(analysis.model.componentCount())]
    while pending:
        one = pending.pop()
        pending.extend(one.component(at) for at in range(one.componentCount()))
        for at in range(one.variableCount()):
            variable = one.variable(at)
            found = analysis.variable(variable)
            if found is None:
                continue
            first = found.variable()
            of, to = variable.units(), first.units()
            if of.name() == to.name():
                continue
            ours = factor_between(analysis.model, of.name(), to.name())
            theirs = 1.0 / Units.scalingFactor(of, to)
            if ours is None or not math.isclose(ours, theirs, rel_tol=1e-12):
                raise DataError(
                    f"{analysis.file}: {one.name()}.{variable.name()} in {of.name()!r} is "
                    f"connected to {analysis.id(first)} in {to.name()!r}, and how many the one "
                    "is of the other is not clear; use one unit"
                )
