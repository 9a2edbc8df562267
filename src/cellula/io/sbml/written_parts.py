"""Functions, units, compartments, species, parameters and rules as SBML text."""

from __future__ import annotations

from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Compartment,
    Network,
    Parameter,
    Species,
)
from cellula.io.sbml.target import SID, Target, factors_in
from cellula.io.sbml.units import BUILT_IN
from cellula.io.unit_text import UnitFactor, unit_text
from cellula.io.xml_text import Attributes, text_of

__all__ = [
    "stoichiometries",
    "write_compartments",
    "write_functions",
    "write_parameters",
    "write_rules",
    "write_species",
    "write_units",
]

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def stoichiometries(network: Network) -> set[str]:
    """The ids of stoichiometries."""
    sides = ((*one.reactants, *one.products) for one in network.reactions)
    return {item.id for side in sides for item in side if item.id is not None}


def write_functions(target: Target, network: Network) -> None:
    """Write listOfFunctionDefinitions."""
    with target.xml.listed("listOfFunctionDefinitions"):
        for one in network.functions:
            odd = [name for name in one.arguments if not SID.fullmatch(name)]
            if odd:
                raise target.refuse(f"the argument {odd[0]!r} of function {one.id!r}")
            math = target.math.function(one.arguments, one.body)
            target.xml.leaf("functionDefinition", {"id": target.id(one.id)}, math)


def write_units(target: Target, network: Network) -> None:
    """Write listOfUnitDefinitions; a unit that is only a name has an empty definition."""
    with target.xml.listed("listOfUnitDefinitions"):
        if target.level == 2:
            for what, usual in BUILT_IN.items():
                text = network.units.get(what, "")
                if text and text != unit_text(usual):
                    _define(target, what, text, factors_in(target, text))
        for text, id in target.units.items():
            factors = factors_in(target, text)
            if id != text or not factors:
                _define(target, id, text, factors)


def _define(target: Target, id: str, text: str, factors: tuple[UnitFactor, ...]) -> None:
    name = None if factors else text
    with (
        target.xml.block("unitDefinition", {"id": id, "name": name}),
        target.xml.listed("listOfUnits"),
    ):
        for one in factors:
            told: Attributes = {
                "kind": one.kind,
                "exponent": one.exponent,
                "scale": 0.0,
                "multiplier": one.multiplier,
            }
            target.xml.leaf("unit", told)


def write_compartments(target: Target, network: Network) -> None:
    """Write listOfCompartments."""
    with target.xml.listed("listOfCompartments"):
        for one in network.compartments:
            _write_compartment(target, one)


def _write_compartment(target: Target, one: Compartment) -> None:
    if target.level == 2 and one.dimensions not in {0.0, 1.0, 2.0, 3.0}:
        raise target.refuse(f"that compartment {one.id!r} has {one.dimensions} dimensions")
    told: Attributes = {
        "id": target.id(one.id),
        "spatialDimensions": one.dimensions,
        "size": one.size,
        "units": target.unit(one.unit),
        "constant": one.is_constant,
    }
    target.xml.leaf("compartment", told)


def write_species(target: Target, network: Network) -> None:
    """Write listOfSpecies."""
    with target.xml.listed("listOfSpecies"):
        for one in network.species:
            _write_one_species(target, one)


def _write_one_species(target: Target, one: Species) -> None:
    factor = one.conversion_factor
    if factor is not None and target.level == 2:
        raise target.refuse(f"the conversion factor of species {one.id!r}")
    told: Attributes = {
        "id": target.id(one.id),
        "compartment": target.id(one.compartment),
        "initialAmount": one.initial if one.initial_is_amount else None,
        "initialConcentration": None if one.initial_is_amount else one.initial,
        "substanceUnits": target.unit(one.unit),
        "hasOnlySubstanceUnits": one.is_amount,
        "boundaryCondition": one.is_boundary,
        "constant": one.is_constant,
        "conversionFactor": None if factor is None else target.id(factor),
    }
    target.xml.leaf("species", told)


def write_parameters(target: Target, network: Network, bounds: tuple[Parameter, ...]) -> None:
    """Write listOfParameters, bounds under ids of the file, and listOfInitialAssignments."""
    named = [(target.id(one.id), one) for one in network.parameters]
    with target.xml.listed("listOfParameters"):
        for id, one in [*named, *((bound.id, bound) for bound in bounds)]:
            told: Attributes = {
                "id": id,
                "value": one.value,
                "units": target.unit(one.unit),
                "constant": one.is_constant,
            }
            target.xml.leaf("parameter", told)
    with target.xml.listed("listOfInitialAssignments"):
        for id, expression in network.initial.items():
            math = target.math.math(expression)
            target.xml.leaf("initialAssignment", {"symbol": target.id(id)}, math)


def write_rules(target: Target, network: Network) -> None:
    """Write listOfRules and listOfConstraints.

    Level 2 writes the rule of a stoichiometry where the stoichiometry stands.
    """
    elsewhere = stoichiometries(network) if target.level == 2 else set()
    with target.xml.listed("listOfRules"):
        for rule in network.rules:
            if isinstance(rule, AssignmentRule) and rule.target in elsewhere:
                continue
            math = target.math.math(rule.expression)
            if isinstance(rule, AlgebraicRule):
                target.xml.leaf("algebraicRule", {}, math)
                continue
            tag = "assignmentRule" if isinstance(rule, AssignmentRule) else "rateRule"
            target.xml.leaf(tag, {"variable": target.id(rule.target)}, math)
    with target.xml.listed("listOfConstraints"):
        for one in network.constraints:
            with target.xml.block("constraint"):
                target.xml.raw(target.math.math(one.expression, is_truth=True))
                if one.message:
                    paragraph = f"<p {XHTML}>{text_of(one.message)}</p>"
                    target.xml.leaf("message", {}, paragraph)
