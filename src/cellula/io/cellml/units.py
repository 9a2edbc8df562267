"""Units of CellML as text, and the check of libcellml's conversions between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellula.core.errors import DataError
from cellula.io.unit_text import KINDS, UnitFactor, conversion, parsed_unit, unit_text

__all__ = ["PREFIXES", "check_units", "factor_between", "merged_unit", "unit_of"]

PREFIXES: Mapping[str, int] = {
    "yotta": 24, "zetta": 21, "exa": 18, "peta": 15, "tera": 12, "giga": 9, "mega": 6, "kilo": 3,
    "hecto": 2, "deca": 1, "deka": 1, "deci": -1, "centi": -2, "milli": -3, "micro": -6,
    "nano": -9, "pico": -12, "femto": -15, "atto": -18, "zepto": -21, "yocto": -24, "": 0,
}  # fmt: skip
SPELLED: Mapping[str, str] = {"liter": "litre", "meter": "metre"}
#: So many units may be defined by one another.
DEEPEST = 50


def check_units(model: Any, file: str) -> None:
    """Every unit is made of units that are there, and none of itself.

    libcellml ends the process on others. Raises DataError naming the unit.
    """
    parts = {}
    for at in range(model.unitsCount()):
        one = model.units(at)
        found = {one.unitAttributes(place)[0] for place in range(one.unitCount())}
        parts[one.name()] = {name for name in found if SPELLED.get(name, name) not in KINDS}
    for name, named in parts.items():
        absent = sorted(named - parts.keys())
        if absent:
            raise DataError(f"{file}: the unit {name!r} is made of {absent[0]!r}, which is no unit")
    while parts:
        ready = [name for name, named in parts.items() if not named & parts.keys()]
        if not ready:
            raise DataError(f"{file}: the unit {min(parts)!r} is made of itself")
        for name in ready:
            del parts[name]


def unit_of(model: Any, name: str) -> str:
    """The text of a unit by its name; a unit of the model's own dimension is told by its name."""
    factors = _factors(model, name)
    return name if factors is None else unit_text(factors)


def factor_between(model: Any, of: str, to: str) -> float | None:
    """How many ``to`` one ``of`` is; None where that is not known."""
    if of == to:
        return 1.0
    first, second = _factors(model, of), _factors(model, to)
    return None if first is None or second is None else conversion(first, second)


def merged_unit(text: str) -> str:
    """The text that a unit is read back with; any other text stays as it is."""
    factors = parsed_unit(text)
    if factors is None:
        return text
    found = []
    for one in factors:
        found.append(UnitFactor(one.kind, 1.0, one.exponent))
        if one.multiplier != 1.0:
            found.append(UnitFactor("dimensionless", one.multiplier, one.exponent))
    return unit_text(_merged(found))


def _factors(model: Any, name: str) -> tuple[UnitFactor, ...] | None:
    """The product of multiplier * (10^prefix unit)^exponent of all parts; no recursion."""
    found: list[UnitFactor] = []
    pending = [(name, 1.0, 0)]
    while pending:
        unit, exponent, depth = pending.pop()
        kind = SPELLED.get(unit, unit)
        if kind in KINDS:
            found.append(UnitFactor(kind, 1.0, exponent))
            continue
        defined = model.units(unit)
        if defined is None or not defined.unitCount() or depth > DEEPEST:
            return None
        parts = [defined.unitAttributes(at) for at in range(defined.unitCount())]
        for reference, prefix, power, multiplier, *_ in reversed(parts):
            scale = _scale(prefix)
            if scale is None:
                return None
            pending.append((reference, exponent * power, depth + 1))
            if scale:
                found.append(UnitFactor("dimensionless", float(f"1e{scale}"), exponent * power))
            if multiplier != 1.0:
                found.append(UnitFactor("dimensionless", multiplier, exponent))
    return _merged(found)


def _scale(prefix: str) -> int | None:
    if prefix in PREFIXES:
        return PREFIXES[prefix]
    return int(prefix) if prefix.lstrip("+-").isdigit() else None


def _merged(found: list[UnitFactor]) -> tuple[UnitFactor, ...]:
    """Numbers joined with the kind that is raised to the same power, as people write units."""
    kinds = [one for one in found if one.kind != "dimensionless"]
    for number in (one for one in found if one.kind == "dimensionless" and one.multiplier != 1.0):
        for at, one in enumerate(kinds):
            if one.exponent == number.exponent:
                kinds[at] = UnitFactor(one.kind, one.multiplier * number.multiplier, one.exponent)
                break
        else:
            kinds.append(number)
    return tuple(kinds) or (UnitFactor("dimensionless"),)
