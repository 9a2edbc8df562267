"""Units as CellML says them: what the text tells, or a base unit of that name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from cellula.io.cellml.units import PREFIXES
from cellula.io.unit_text import UnitFactor, parsed_unit
from cellula.io.xml_text import Attributes, Xml

__all__ = ["unit_names", "write_units"]

#: Kinds of SBML that CellML lacks, and what they are in its own.
ITEM, AVOGADRO = "item", 6.02214179e23
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names that CellML has units under.
BUILT_IN = {
    "ampere", "becquerel", "candela", "coulomb", "dimensionless", "farad", "gram", "gray",
    "henry", "hertz", "joule", "katal", "kelvin", "kilogram", "litre", "lumen", "lux", "metre",
    "mole", "newton", "ohm", "pascal", "radian", "second", "siemens", "sievert", "steradian",
    "tesla", "volt", "watt", "weber",
}  # fmt: skip


def unit_names(texts: Iterable[str]) -> dict[str, str]:
    """Text of a unit -> its name in the file: a kind its own, all others a name of their making."""
    found: dict[str, str] = {}
    taken = set(BUILT_IN)
    for text in dict.fromkeys(texts):
        factors = parsed_unit(text)
        if factors is not None and factors == (UnitFactor(factors[0].kind),):
            kind = factors[0].kind
            name = kind if kind in BUILT_IN else _fresh(kind, taken)
        elif factors is None and NAME.fullmatch(text):
            name = _fresh(text, taken)
        else:
            name = _fresh(f"unit_{len(found) + 1}", taken)
        found[text] = name
        taken.add(name)
    return found


def _fresh(wanted: str, taken: set[str]) -> str:
    while wanted in taken:
        wanted += "_"
    return wanted


def write_units(xml: Xml, names: Mapping[str, str]) -> None:
    """The units of the file, those that they are made of first."""
    for text, name in names.items():
        if name in BUILT_IN:
            continue
        factors = parsed_unit(text)
        if factors is None or any(one.kind not in BUILT_IN for one in factors):
            xml.leaf("units", {"name": name})
            continue
        parts: list[Attributes] = []
        for at, one in enumerate(factors):
            scaled = f"{name}_part_{at + 1}"
            parts.append(_part(xml, one, scaled))
        with xml.block("units", {"name": name}):
            for part in parts:
                xml.leaf("unit", part)


def _part(xml: Xml, one: UnitFactor, scaled: str) -> Attributes:
    """A factor; what is multiplied before it is raised is a unit of its own."""
    exponent = None if one.exponent == 1.0 else one.exponent
    if one.multiplier == 1.0:
        return {"units": one.kind, "exponent": exponent}
    power = math.log10(one.multiplier) if one.multiplier > 0 else math.nan
    if float(f"1e{round(power) if math.isfinite(power) else 0}") == one.multiplier:
        named = {scale: name for name, scale in PREFIXES.items() if name}
        prefix = named.get(round(power), str(round(power)))
        return {"prefix": prefix, "units": one.kind, "exponent": exponent}
    if exponent is None:
        return {"multiplier": one.multiplier, "units": one.kind}
    with xml.block("units", {"name": scaled}):
        xml.leaf("unit", {"multiplier": one.multiplier, "units": one.kind})
    return {"units": scaled, "exponent": exponent}
