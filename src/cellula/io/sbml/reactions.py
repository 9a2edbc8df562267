"""Reactions of an SBML model, their local parameters and their stoichiometries that change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cellula.core.expression import Expression, Number, apply
from cellula.core.network import AssignmentRule, Parameter, Participant, Reaction
from cellula.io.sbml.formula import formula
from cellula.io.sbml.names import Names
from cellula.io.sbml.parts import number
from cellula.io.sbml.source import Source, listed
from cellula.io.sbml.units import factor_to, unit_of

__all__ = ["ReactionParts", "reaction_parts"]


@dataclass(frozen=True, slots=True)
class ReactionParts:
    """A reaction with what it brings to the network: its parameters and rules."""

    reaction: Reaction
    parameters: tuple[Parameter, ...]
    rules: tuple[AssignmentRule, ...]


def reaction_parts(source: Source, names: Names) -> Iterator[ReactionParts]:
    """Every reaction; local parameters are called ``reaction.parameter``."""
    for one in listed(source.model.getListOfReactions()):
        yield _parts(source, one, names)


def _parts(source: Source, one: Any, names: Names) -> ReactionParts:
    law, id = one.getKineticLaw(), source.id(one.getId())
    parameters, rate = tuple[Parameter, ...](), None
    if law is not None:
        own = list(listed(_local(source, law)))
        local = {item.getId(): names.fresh(f"{id}.{item.getId()}") for item in own}
        parameters = tuple(_parameter(source, item, local[item.getId()]) for item in own)
        rate = _rate(replace(source, local=local), law)
    rules: list[AssignmentRule] = []
    sides = [
        tuple(_participant(source, id, item, names, rules) for item in listed(side))
        for side in (one.getListOfReactants(), one.getListOfProducts())
    ]
    reaction = Reaction(
        id=id,
        reactants=sides[0],
        products=sides[1],
        rate=rate,
        modifiers=tuple(source.id(item.getSpecies()) for item in listed(one.getListOfModifiers())),
        is_reversible=one.getReversible(),
        is_fast=one.isSetFast() and one.getFast(),
        name=one.getName() if source.level > 1 else "",
    )
    return ReactionParts(reaction, parameters, tuple(rules))


def _local(source: Source, law: Any) -> Any:
    return law.getListOfLocalParameters() if source.level == 3 else law.getListOfParameters()


def _parameter(source: Source, one: Any, id: str) -> Parameter:
    value = number(one.isSetValue(), one.getValue())
    return Parameter(id, value, unit=unit_of(source, one.getUnits()))


def _rate(source: Source, law: Any) -> Expression | None:
    """The rate in the model's own units, where an early Level gives the law units of its own."""
    rate = formula(source, law)
    if rate is None or source.level == 3:
        return rate
    factor = factor_to(source, law, law.getSubstanceUnits(), "substance")
    factor /= factor_to(source, law, law.getTimeUnits(), "time")
    return rate if factor == 1.0 else apply("times", factor, rate)


def _participant(
    source: Source, reaction: str, one: Any, names: Names, rules: list[AssignmentRule]
) -> Participant:
    species = source.id(one.getSpecies())
    if source.level == 3:
        id = one.getId()
        given = number(one.isSetStoichiometry(), one.getStoichiometry())
        return Participant(species, given, source.id(id) if id else None, one.getConstant())
    if source.level == 2 and one.isSetStoichiometryMath():
        changing = formula(source, one, one.getStoichiometryMath().getMath())
        if isinstance(changing, Number):
            return Participant(species, changing.value)
        if changing is not None:
            id = names.fresh(f"{reaction}.{species}")
            rules.append(AssignmentRule(id, changing))
            return Participant(species, None, id, is_constant=False)
    denominator = one.getDenominator() if source.level == 1 else 1
    return Participant(species, float(one.getStoichiometry()) / denominator)
