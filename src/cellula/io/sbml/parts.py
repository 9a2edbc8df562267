"""Compartments, species, parameters and functions of an SBML model."""

from __future__ import annotations

import math
from typing import Any

from cellula.core.errors import DataError
from cellula.core.network import Compartment, Function, Parameter, Species
from cellula.io.sbml.formula import expression_of
from cellula.io.sbml.source import Source, listed
from cellula.io.sbml.units import unit_of

__all__ = ["compartments", "functions", "number", "parameters", "species"]


def number(is_set: bool, value: float) -> float | None:
    """A value that is given, or None; all that is not a number is the one of ``math``."""
    if not is_set:
        return None
    return math.nan if math.isnan(value) else float(value)


def compartments(source: Source, ruled: set[str]) -> tuple[Compartment, ...]:
    """The compartments; ruled: ids in the file that a rule changes (Level 1 has no constants)."""
    return tuple(
        Compartment(
            id=source.id(one.getId()),
            size=_size(source, one),
            is_constant=_is_constant(source, one, ruled),
            dimensions=_dimensions(source, one),
            unit=unit_of(source, one.getUnits()),
        )
        for one in listed(source.model.getListOfCompartments())
    )


def species(source: Source) -> tuple[Species, ...]:
    """The species; in a point-like compartment of Level 2 they are amounts."""
    points = {
        one.getId()
        for one in listed(source.model.getListOfCompartments())
        if source.level < 3 and _dimensions(source, one) == 0
    }
    return tuple(
        _species(source, one, one.getCompartment() in points)
        for one in listed(source.model.getListOfSpecies())
    )


def parameters(source: Source, ruled: set[str]) -> tuple[Parameter, ...]:
    """The global parameters."""
    return tuple(
        Parameter(
            id=source.id(one.getId()),
            value=number(one.isSetValue(), one.getValue()),
            is_constant=_is_constant(source, one, ruled),
            unit=unit_of(source, one.getUnits()),
        )
        for one in listed(source.model.getListOfParameters())
    )


def functions(source: Source) -> tuple[Function, ...]:
    """The functions that the model defines; one without a formula is left out, as is its use."""
    return tuple(
        _function(source, one)
        for one in listed(source.model.getListOfFunctionDefinitions())
        if one.getBody() is not None
    )


def _size(source: Source, one: Any) -> float | None:
    if source.level == 1:
        return number(True, one.getSize() if one.isSetSize() else 1.0)
    return number(one.isSetSize(), one.getSize())


def _dimensions(source: Source, one: Any) -> float:
    if source.level == 3 and not one.isSetSpatialDimensions():
        return 3.0
    return float(one.getSpatialDimensionsAsDouble())


def _is_constant(source: Source, one: Any, ruled: set[str]) -> bool:
    if source.level == 1:
        return one.getId() not in ruled
    return bool(one.getConstant())


def _species(source: Source, one: Any, is_in_point: bool) -> Species:
    is_amount = one.isSetInitialAmount()
    initial = one.getInitialAmount() if is_amount else one.getInitialConcentration()
    factor = one.getConversionFactor() if source.level == 3 else ""
    return Species(
        id=source.id(one.getId()),
        compartment=source.id(one.getCompartment()),
        initial=number(is_amount or one.isSetInitialConcentration(), initial),
        initial_is_amount=is_amount,
        is_amount=one.getHasOnlySubstanceUnits() or is_in_point,
        is_boundary=one.getBoundaryCondition(),
        is_constant=one.getConstant() and source.level > 1,
        conversion_factor=source.id(factor) if factor else None,
        unit=unit_of(source, one.getSubstanceUnits()),
    )


def _function(source: Source, one: Any) -> Function:
    arguments = tuple(one.getArgument(at).getName() for at in range(one.getNumArguments()))
    own = {name: name for name in arguments}
    inside = Source(source.document, source.model, source.file, {}, source.functions, own)
    try:
        body = expression_of(inside, one.getBody())
    except DataError as error:
        raise source.fault(one, f"holds what cannot be represented: {error}") from error
    return Function(source.functions[one.getId()], arguments, body)
