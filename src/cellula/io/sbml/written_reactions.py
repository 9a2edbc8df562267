"""Reactions and events as SBML text."""

from __future__ import annotations

from collections.abc import Mapping

from cellula.core.expression import Expression
from cellula.core.network import AssignmentRule, Event, Network, Participant, Reaction
from cellula.io.sbml.target import Target
from cellula.io.xml_text import Attributes

__all__ = ["write_events", "write_reactions"]


def write_reactions(target: Target, network: Network, fluxes: Mapping[str, Attributes]) -> None:
    """Write listOfReactions; fluxes: reaction -> attributes that flux balance gives it.

    A reaction of ``fluxes`` may bring markup of its own under the name "" .
    """
    ruled = {one.target: one.expression for one in network.rules if isinstance(one, AssignmentRule)}
    with target.xml.listed("listOfReactions"):
        for one in network.reactions:
            _write_reaction(target, one, dict(fluxes.get(one.id, {})), ruled)


def _write_reaction(
    target: Target,
    one: Reaction,
    fluxes: dict[str, str | float | bool | None],
    ruled: Mapping[str, Expression],
) -> None:
    markup = fluxes.pop("", None)
    told: Attributes = {
        "id": target.id(one.id),
        "name": one.name or None,
        "reversible": one.is_reversible,
        "fast": _fast(target, one),
        **fluxes,
    }
    with target.xml.block("reaction", told):
        for tag, side in (("listOfReactants", one.reactants), ("listOfProducts", one.products)):
            with target.xml.listed(tag):
                for item in side:
                    _write_participant(target, item, ruled)
        with target.xml.listed("listOfModifiers"):
            for species in one.modifiers:
                target.xml.leaf("modifierSpeciesReference", {"species": target.id(species)})
        if one.rate is not None:
            target.xml.leaf("kineticLaw", {}, target.math.math(one.rate))
        if isinstance(markup, str):
            target.xml.raw(markup)


def _fast(target: Target, one: Reaction) -> bool | None:
    """Level 3 Version 1 must say it, Version 2 cannot."""
    if target.level == 3 and target.version == 2:
        if one.is_fast:
            raise target.refuse(f"that reaction {one.id!r} is fast (Version 1 can)")
        return None
    return one.is_fast


def _write_participant(target: Target, one: Participant, ruled: Mapping[str, Expression]) -> None:
    if target.level == 3:
        told: Attributes = {
            "id": None if one.id is None else target.id(one.id),
            "species": target.id(one.species),
            "stoichiometry": one.stoichiometry,
            "constant": one.is_constant,
        }
        target.xml.leaf("speciesReference", told)
    elif one.id is not None and one.id in ruled:
        math = f"<stoichiometryMath>{target.math.math(ruled[one.id])}</stoichiometryMath>"
        target.xml.leaf("speciesReference", {"species": target.id(one.species)}, math)
    elif one.id is None or one.is_constant:
        given: Attributes = {"species": target.id(one.species), "stoichiometry": one.stoichiometry}
        target.xml.leaf("speciesReference", given)
    else:
        raise target.refuse(f"that the stoichiometry {one.id!r} changes without an assignment rule")


def write_events(target: Target, network: Network, ids: tuple[str, ...]) -> None:
    """Write listOfEvents; ids: what they are called in the file, in their order."""
    with target.xml.listed("listOfEvents"):
        for one, id in zip(network.events, ids, strict=True):
            _write_event(target, one, id)


def _write_event(target: Target, one: Event, id: str) -> None:
    is_new = target.level == 3
    if not is_new and (one.priority is not None or not one.is_persistent):
        raise target.refuse(f"that event {one.id!r} has a priority or is not persistent")
    if not is_new and not one.initial_trigger:
        raise target.refuse(f"that event {one.id!r} may happen at the start")
    told: Attributes = {"id": id, "useValuesFromTriggerTime": one.uses_trigger_values}
    trigger = {"initialValue": one.initial_trigger, "persistent": one.is_persistent}
    with target.xml.block("event", told):
        when = target.math.math(one.trigger, is_truth=True)
        target.xml.leaf("trigger", trigger if is_new else {}, when)
        if is_new and one.priority is not None:
            target.xml.leaf("priority", {}, target.math.math(one.priority))
        if one.delay is not None:
            target.xml.leaf("delay", {}, target.math.math(one.delay))
        with target.xml.listed("listOfEventAssignments"):
            for variable, expression in one.assignments.items():
                math = target.math.math(expression)
                target.xml.leaf("eventAssignment", {"variable": target.id(variable)}, math)
