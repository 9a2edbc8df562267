"""The rate laws of BioNetGen as expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Symbol, apply

__all__ = ["rate_expression"]

#: Laws by their name -> how many constants they take.
LAWS = {"Sat": 2, "MM": 2, "Hill": 3}
REFUSED = ("FunctionProduct", "tfun", "TFUN", "Arrhenius")


def rate_expression(
    law: Sequence[str], reactants: Sequence[str], formula: Callable[[str], Expression]
) -> Expression:
    """Molecules per time of a reaction, as BioNetGen's own simulator takes it [harris2016]_.

    law: words, a formula or a name and constants. A formula k: k times all reactants. Sat k K:
    k S E .. / (K + S), S the first reactant. MM k K: the same with the free substrate
    S = (d + sqrt(d^2 + 4 K S_T)) / 2, d = S_T - K - E_T. Hill k K n: k S^n / (K^n + S^n), times the
    other reactants. Raises DataError on another law, or on one with too few reactants.
    """
    name = law[0]
    if any(name.startswith(one) for one in REFUSED):
        raise DataError(f"the rate law {name!r} cannot be said here; write a function instead")
    symbols = [Symbol(one) for one in reactants]
    if name not in LAWS or len(law) == 1:
        rate = formula(" ".join(law))
        return apply("times", rate, *symbols) if symbols else rate
    constants = [formula(one) for one in law[1:]]
    needed = 2 if name == "MM" else 1
    if len(constants) != LAWS[name] or len(symbols) < needed or (name == "MM" and len(symbols) > 2):
        raise DataError(
            f"{name} with {len(constants)} constant(s) and {len(symbols)} reactant(s); expected "
            f"{LAWS[name]} constants and {'two reactants' if name == 'MM' else 'a reactant'}"
        )
    return {"Sat": _saturated, "MM": _michaelis_menten, "Hill": _hill}[name](constants, symbols)


def _saturated(constants: Sequence[Expression], reactants: Sequence[Symbol]) -> Expression:
    k, half = constants
    return apply("divide", apply("times", k, *reactants), apply("plus", half, reactants[0]))


def _michaelis_menten(constants: Sequence[Expression], reactants: Sequence[Symbol]) -> Expression:
    k, half = constants
    substrate, enzyme = reactants
    d = apply("minus", apply("minus", substrate, half), enzyme)
    root = apply("root", 2, apply("plus", apply("times", d, d), apply("times", 4, half, substrate)))
    free = apply("times", 0.5, apply("plus", d, root))
    return apply("divide", apply("times", k, free, enzyme), apply("plus", half, free))


def _hill(constants: Sequence[Expression], reactants: Sequence[Symbol]) -> Expression:
    k, half, n = constants
    substrate, *others = reactants
    power = apply("power", substrate, n)
    above = apply("times", k, power, *others)
    return apply("divide", above, apply("plus", apply("power", half, n), power))
