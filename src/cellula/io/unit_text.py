"""Units as text: ``1e-09 mole * litre^-1``, a product of powers of the kinds of SBML.

One way to write a unit in every format that has units of its own making: a factor is
``[number ]kind``, in parentheses where a number is raised to a power, ``(60.0 second)^-1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["KINDS", "UnitFactor", "conversion", "parsed_unit", "unit_text"]

#: Kind -> (factor to SI, exponents of SI's base kinds), as SBML Level 3 defines them.
KINDS: Mapping[str, tuple[float, Mapping[str, float]]] = {
    "ampere": (1.0, {"ampere": 1}),
    "avogadro": (6.02214179e23, {}),
    "becquerel": (1.0, {"second": -1}),
    "candela": (1.0, {"candela": 1}),
    "Celsius": (1.0, {"kelvin": 1}),
    "celsius": (1.0, {"kelvin": 1}),
    "coulomb": (1.0, {"ampere": 1, "second": 1}),
    "dimensionless": (1.0, {}),
    "farad": (1.0, {"metre": -2, "kilogram": -1, "second": 4, "ampere": 2}),
    "gram": (1e-3, {"kilogram": 1}),
    "gray": (1.0, {"metre": 2, "second": -2}),
    "henry": (1.0, {"metre": 2, "kilogram": 1, "second": -2, "ampere": -2}),
    "hertz": (1.0, {"second": -1}),
    "item": (1.0, {"item": 1}),
    "joule": (1.0, {"metre": 2, "kilogram": 1, "second": -2}),
    "katal": (1.0, {"second": -1, "mole": 1}),
    "kelvin": (1.0, {"kelvin": 1}),
    "kilogram": (1.0, {"kilogram": 1}),
    "litre": (1e-3, {"metre": 3}),
    "lumen": (1.0, {"candela": 1}),
    "lux": (1.0, {"metre": -2, "candela": 1}),
    "metre": (1.0, {"metre": 1}),
    "mole": (1.0, {"mole": 1}),
    "newton": (1.0, {"metre": 1, "kilogram": 1, "second": -2}),
    "ohm": (1.0, {"metre": 2, "kilogram": 1, "second": -3, "ampere": -2}),
    "pascal": (1.0, {"metre": -1, "kilogram": 1, "second": -2}),
    "radian": (1.0, {}),
    "second": (1.0, {"second": 1}),
    "siemens": (1.0, {"metre": -2, "kilogram": -1, "second": 3, "ampere": 2}),
    "sievert": (1.0, {"metre": 2, "second": -2}),
    "steradian": (1.0, {}),
    "tesla": (1.0, {"kilogram": 1, "second": -2, "ampere": -1}),
    "volt": (1.0, {"metre": 2, "kilogram": 1, "second": -3, "ampere": -1}),
    "watt": (1.0, {"metre": 2, "kilogram": 1, "second": -3}),
    "weber": (1.0, {"metre": 2, "kilogram": 1, "second": -2, "ampere": -1}),
}
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
PLAIN = re.compile(rf"(?:(?P<multiplier>{NUMBER}) )?(?P<kind>[A-Za-z]+)")
RAISED = re.compile(
    rf"(?:\((?P<multiplier>{NUMBER}) (?P<inner>[A-Za-z]+)\)|(?P<kind>[A-Za-z]+))"
    rf"\^(?P<exponent>{NUMBER})"
)


@dataclass(frozen=True, slots=True)
class UnitFactor:
    """(multiplier kind)^exponent."""

    kind: str
    multiplier: float = 1.0
    exponent: float = 1.0


def unit_text(factors: Iterable[UnitFactor]) -> str:
    """The text of a product; that of no factor is "dimensionless"."""
    return " * ".join(map(_told, factors)) or "dimensionless"


def parsed_unit(text: str) -> tuple[UnitFactor, ...] | None:
    """The factors of a text that :func:`unit_text` writes; None of any other text."""
    found: list[UnitFactor] = []
    for part in text.split(" * "):
        match = PLAIN.fullmatch(part) or RAISED.fullmatch(part)
        if match is None:
            return None
        named = match.groupdict()
        kind = named["kind"] or named["inner"]
        if kind not in KINDS:
            return None
        multiplier, exponent = named["multiplier"] or 1.0, named.get("exponent") or 1.0
        found.append(UnitFactor(kind, float(multiplier), float(exponent)))
    return tuple(found)


def conversion(of: Iterable[UnitFactor], to: Iterable[UnitFactor]) -> float | None:
    """How many ``to`` one ``of`` is; None where they do not measure the same."""
    (from_factor, from_kinds), (to_factor, to_kinds) = _in_si(of), _in_si(to)
    return from_factor / to_factor if from_kinds == to_kinds else None


def _told(factor: UnitFactor) -> str:
    exponent = repr(factor.exponent).removesuffix(".0")
    if factor.multiplier == 1.0:
        return factor.kind if factor.exponent == 1.0 else f"{factor.kind}^{exponent}"
    told = f"{factor.multiplier!r} {factor.kind}"
    return told if factor.exponent == 1.0 else f"({told})^{exponent}"


def _in_si(factors: Iterable[UnitFactor]) -> tuple[float, dict[str, float]]:
    whole, kinds = 1.0, dict[str, float]()
    for factor in factors:
        to_si, base = KINDS[factor.kind]
        whole *= (factor.multiplier * to_si) ** factor.exponent
        for kind, power in base.items():
            kinds[kind] = kinds.get(kind, 0.0) + power * factor.exponent
    return whole, {kind: power for kind, power in kinds.items() if power}
