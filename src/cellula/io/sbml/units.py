"""The units of an SBML model as text, and the factor between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import libsbml

from cellula.io.sbml.source import Source, listed
from cellula.io.unit_text import UnitFactor, conversion, unit_text

__all__ = ["BUILT_IN", "MODEL_UNITS", "factor_to", "model_units", "unit_of"]

#: What Levels 1 and 2 say that a model is measured in, unless it defines these ids anew.
BUILT_IN: Mapping[str, tuple[UnitFactor, ...]] = {
    "time": (UnitFactor("second"),),
    "substance": (UnitFactor("mole"),),
    "volume": (UnitFactor("litre"),),
    "area": (UnitFactor("metre", 1.0, 2.0),),
    "length": (UnitFactor("metre"),),
}
#: What a model says of itself -> the attribute of Level 3.
MODEL_UNITS: Mapping[str, str] = {
    "time": "timeUnits",
    "substance": "substanceUnits",
    "volume": "volumeUnits",
    "area": "areaUnits",
    "length": "lengthUnits",
    "extent": "extentUnits",
}


def unit_of(source: Source, unit: str) -> str:
    """The text of a unit by its id in the file; "" of none.

    A unit that is not defined, or whose definition is empty, is told by its name.
    """
    if not unit:
        return ""
    factors = _factors(source, unit)
    if factors:
        return unit_text(factors)
    defined = source.model.getUnitDefinition(unit)
    return str(defined.getName() or unit) if defined is not None else unit


def model_units(source: Source) -> dict[str, str]:
    """What the model says of itself: time, substance, volume, area, length, extent."""
    if source.level < 3:
        return {what: unit_of(source, what) for what in BUILT_IN}
    told = {
        what: getattr(source.model, f"get{name[0].upper()}{name[1:]}")()
        for what, name in MODEL_UNITS.items()
    }
    return {what: unit_of(source, unit) for what, unit in told.items() if unit}


def factor_to(source: Source, element: Any, unit: str, built_in: str) -> float:
    """How many of the model's unit ``built_in`` one ``unit`` of an element is (Levels 1, 2).

    Raises DataError where they do not measure the same.
    """
    if not unit:
        return 1.0
    found = conversion(_factors(source, unit), _factors(source, built_in))
    if found is None:
        raise source.fault(
            element, f"is measured in {unit!r}, which is no unit of {built_in}; give one that is"
        )
    return found


def _factors(source: Source, unit: str) -> tuple[UnitFactor, ...]:
    defined = source.model.getUnitDefinition(unit)
    if defined is not None:
        return tuple(map(_factor, listed(defined.getListOfUnits())))
    if source.level < 3 and unit in BUILT_IN:
        return BUILT_IN[unit]
    kind = libsbml.UnitKind_forName(unit)
    if kind == libsbml.UNIT_KIND_INVALID:
        return ()
    return (UnitFactor(_kind(kind)),)


def _factor(unit: Any) -> UnitFactor:
    multiplier = float(Decimal(repr(float(unit.getMultiplier()))).scaleb(unit.getScale()))
    return UnitFactor(_kind(unit.getKind()), multiplier, float(unit.getExponentAsDouble()))


def _kind(kind: int) -> str:
    name = str(libsbml.UnitKind_toString(kind))
    return {"liter": "litre", "meter": "metre"}.get(name, name)
