"""The SBML package ``qual`` [chaouiya2013]_ to a logic network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import libsbml

from cellula.core.errors import DataError
from cellula.core.expression import (
    Apply,
    Expression,
    Number,
    Symbol,
    apply,
    rewritten,
    substituted,
)
from cellula.core.logic import Component, LogicNetwork
from cellula.io.sbml.formula import formula
from cellula.io.sbml.source import Source, listed

__all__ = ["is_logic", "logic_in"]

#: A comparison of a Boolean component with a level -> whether it says that it is on.
SAYS_ON: Mapping[tuple[str, float], bool] = {
    ("eq", 1.0): True, ("eq", 0.0): False, ("neq", 0.0): True, ("neq", 1.0): False,
    ("geq", 1.0): True, ("gt", 0.0): True, ("lt", 1.0): False, ("leq", 0.0): False,
}  # fmt: skip
MIRRORED = {"eq": "eq", "neq": "neq", "geq": "leq", "leq": "geq", "gt": "lt", "lt": "gt"}


def is_logic(source: Source) -> bool:
    """Whether the model has qualitative species.

    Raises DataError on a model that has reactions as well.
    """
    plugin = source.model.getPlugin("qual")
    if plugin is None or not plugin.getNumQualitativeSpecies():
        return False
    if source.model.getNumReactions():
        raise source.fault(
            source.model, "has both reactions and qualitative species; split it into two models"
        )
    return True


def logic_in(source: Source) -> LogicNetwork:
    """The logic network of a document.

    A component goes to the result of the first function term that holds, else to the default.
    A comparison that says that a Boolean component is on is the component itself. Raises
    DataError, naming the element, on transitions that produce or consume levels and on a
    component with two transitions.
    """
    plugin = source.model.getPlugin("qual")
    own = list(listed(plugin.getListOfQualitativeSpecies()))
    transitions = _by_output(source, plugin)
    maxima = {source.id(one.getId()): _highest(one, transitions.get(one.getId())) for one in own}
    components = tuple(_component(source, one, transitions, maxima) for one in own)
    try:
        return LogicNetwork(source.id(source.model.getId()) or "model", components)
    except DataError as error:
        raise DataError(f"{source.file}: {error}") from error


def _by_output(source: Source, plugin: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in listed(plugin.getListOfTransitions()):
        outputs = list(listed(one.getListOfOutputs()))
        effects = {item.getTransitionEffect() for item in listed(one.getListOfInputs())}
        results = {item.getTransitionEffect() for item in outputs}
        if libsbml.INPUT_TRANSITION_EFFECT_CONSUMPTION in effects or (
            libsbml.OUTPUT_TRANSITION_EFFECT_PRODUCTION in results
        ):
            raise source.fault(
                one, "consumes or produces levels; expected transitions that assign a level"
            )
        for item in outputs:
            if item.getQualitativeSpecies() in found:
                raise source.fault(one, f"is the second of {item.getQualitativeSpecies()!r}")
            found[item.getQualitativeSpecies()] = one
    return found


def _highest(one: Any, transition: Any) -> int:
    """The highest level: as given, else the highest that is named."""
    if one.isSetMaxLevel():
        return int(one.getMaxLevel())
    named = [1, one.getInitialLevel() if one.isSetInitialLevel() else 0]
    if transition is not None:
        named += [term.getResultLevel() for term in listed(transition.getListOfFunctionTerms())]
    return int(max(named))


def _component(
    source: Source, one: Any, transitions: Mapping[str, Any], maxima: Mapping[str, int]
) -> Component:
    id = source.id(one.getId())
    transition = None if one.getConstant() else transitions.get(one.getId())
    return Component(
        id=id,
        target=None if transition is None else _target(source, transition, maxima, maxima[id]),
        max_level=max(maxima[id], 1),
        initial=one.getInitialLevel() if one.isSetInitialLevel() else None,
        name=one.getName(),
    )


def _target(source: Source, one: Any, maxima: Mapping[str, int], highest: int) -> Expression:
    default = one.getDefaultTerm()
    if default is None:
        raise source.fault(one, "has no default term; give it one")
    thresholds: dict[str, Expression] = {
        item.getId(): Number(float(item.getThresholdLevel()))
        for item in listed(one.getListOfInputs())
        if item.getId() and item.isSetThresholdLevel()
    }
    terms: list[tuple[int, Expression]] = []
    for item in listed(one.getListOfFunctionTerms()):
        condition = formula(source, item)
        if condition is None:
            raise source.fault(one, "has a function term without a formula; give it one")
        plain = substituted(condition, thresholds)
        terms.append((item.getResultLevel(), rewritten(plain, lambda node: _on(node, maxima))))
    return _joined(terms, default.getResultLevel(), highest)


def _joined(terms: list[tuple[int, Expression]], default: int, highest: int) -> Expression:
    if not terms:
        return Number(float(default))
    conditions = [condition for _, condition in terms]
    anywhere = conditions[0] if len(terms) == 1 else apply("or", *conditions)
    levels = {level for level, _ in terms}
    if highest == 1 and default == 0 and levels == {1}:
        return anywhere
    if highest == 1 and default == 1 and levels == {0}:
        return apply("not", anywhere)
    pieces = [part for level, condition in terms for part in (float(level), condition)]
    return apply("piecewise", *pieces, float(default))


def _on(node: Expression, maxima: Mapping[str, int]) -> Expression:
    """A comparison of a Boolean component with a level, as the component or its opposite."""
    match node:
        case Apply(function, (Symbol(id), Number(level))) if function in MIRRORED:
            how = function
        case Apply(function, (Number(level), Symbol(id))) if function in MIRRORED:
            how = MIRRORED[function]
        case _:
            return node
    if maxima.get(id) != 1 or (how, level) not in SAYS_ON:
        return node
    return Symbol(id) if SAYS_ON[how, level] else apply("not", Symbol(id))
