"""Sums, products and quotients of expressions with zeros, ones and constants folded."""

from __future__ import annotations

from cellula.core.expression import Apply, Expression, Number

__all__ = ["product", "quotient", "total"]


def total(*terms: Expression | float) -> Expression:
    """The sum: numbers added up, 0 left out."""
    number = 0.0
    rest: list[Expression] = []
    for term in map(_expression, terms):
        if isinstance(term, Number):
            number += term.value
        else:
            rest.append(term)
    if number != 0.0 or not rest:
        rest.append(Number(number))
    return rest[0] if len(rest) == 1 else Apply("plus", tuple(rest))


def product(*factors: Expression | float) -> Expression:
    """The product: numbers multiplied, 1 left out, 0 where any factor is the number 0."""
    number = 1.0
    rest: list[Expression] = []
    for factor in map(_expression, factors):
        if isinstance(factor, Number):
            if factor.value == 0.0:
                return Number(0.0)
            number *= factor.value
        else:
            rest.append(factor)
    if number != 1.0 or not rest:
        rest.insert(0, Number(number))
    return rest[0] if len(rest) == 1 else Apply("times", tuple(rest))


def quotient(numerator: Expression | float, denominator: Expression | float) -> Expression:
    """The quotient: 0 / x is 0, x / 1 is x, numbers are divided but never by 0."""
    above, below = _expression(numerator), _expression(denominator)
    if isinstance(above, Number) and above.value == 0.0:
        return Number(0.0)
    if isinstance(below, Number) and below.value != 0.0:
        if below.value == 1.0:
            return above
        if isinstance(above, Number):
            return Number(above.value / below.value)
    return Apply("divide", (above, below))


def _expression(given: Expression | float) -> Expression:
    return Number(float(given)) if isinstance(given, int | float) else given
