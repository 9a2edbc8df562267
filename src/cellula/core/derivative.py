"""Derivatives of expressions, exact, with zeros, ones and constants folded.

Expressions may share parts: a part that is one object in many places is differentiated once, and
what comes out shares its parts too. Nothing recurses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply
from cellula.core.simplified import product, quotient, total

__all__ = ["Gradient", "derivative", "gradients", "ordered"]

#: What an expression changes with -> its derivative; None is the time. What is absent is 0.
Gradient: TypeAlias = Mapping[str | None, Expression]
#: The derivative of a function by its only argument.
UNARY: Mapping[str, Callable[[Expression], Expression]] = {
    "exp": lambda x: apply("exp", x),
    "ln": lambda x: quotient(1.0, x),
    "abs": lambda x: apply("piecewise", 1, apply("geq", x, 0), -1),
    "sin": lambda x: apply("cos", x),
    "cos": lambda x: product(-1.0, apply("sin", x)),
    "tan": lambda x: total(1.0, _square(apply("tan", x))),
    "sec": lambda x: product(apply("sec", x), apply("tan", x)),
    "csc": lambda x: product(-1.0, apply("csc", x), apply("cot", x)),
    "cot": lambda x: product(-1.0, total(1.0, _square(apply("cot", x)))),
    "sinh": lambda x: apply("cosh", x),
    "cosh": lambda x: apply("sinh", x),
    "tanh": lambda x: total(1.0, product(-1.0, _square(apply("tanh", x)))),
    "sech": lambda x: product(-1.0, apply("sech", x), apply("tanh", x)),
    "csch": lambda x: product(-1.0, apply("csch", x), apply("coth", x)),
    "coth": lambda x: total(1.0, product(-1.0, _square(apply("coth", x)))),
    "arcsin": lambda x: quotient(1.0, _root(_one_less(x))),
    "arccos": lambda x: quotient(-1.0, _root(_one_less(x))),
    "arctan": lambda x: quotient(1.0, total(1.0, _square(x))),
    "arcsec": lambda x: quotient(1.0, product(apply("abs", x), _root(_less_one(x)))),
    "arccsc": lambda x: quotient(-1.0, product(apply("abs", x), _root(_less_one(x)))),
    "arccot": lambda x: quotient(-1.0, total(1.0, _square(x))),
    "arcsinh": lambda x: quotient(1.0, _root(total(1.0, _square(x)))),
    "arccosh": lambda x: quotient(1.0, _root(_less_one(x))),
    "arctanh": lambda x: quotient(1.0, _one_less(x)),
    "arcsech": lambda x: quotient(-1.0, product(x, _root(_one_less(x)))),
    "arccsch": lambda x: quotient(
        -1.0, product(apply("abs", x), _root(total(1.0, _square(x))))
    ),
    "arccoth": lambda x: quotient(1.0, _one_less(x)),
}  # fmt: skip
#: Constant between jumps: their derivative is 0, as is that of what they are asked of.
STEPS = frozenset(("eq", "neq", "gt", "lt", "geq", "leq", "and", "or", "xor", "not", "implies")) | {
    "floor",
    "ceiling",
    "quotient",
}


def derivative(expression: Expression, id: str | None) -> Expression:
    """The partial derivative of an expression by the symbol ``id``, or by the time where None.

    Piecewise, abs, max and min are differentiated by branch, jumps are ignored: the derivative
    of comparisons, logic, floor, ceiling and quotient is 0. Raises DataError on a function that
    has no derivative (delay, rate_of, factorial) or that is not inlined, where it depends on
    anything that changes.
    """
    return gradients((expression,), (id,))[0].get(id, Number(0.0))


def gradients(expressions: Sequence[Expression], ids: Iterable[str | None]) -> tuple[Gradient, ...]:
    """The derivatives of expressions by each of ``ids`` that they depend on (None: the time).

    Raises DataError as :func:`derivative` does.
    """
    wanted = frozenset(ids)
    found: dict[int, Gradient] = {}
    for node in ordered(expressions):
        found[id(node)] = _gradient(node, found, wanted)
    return tuple(found[id(expression)] for expression in expressions)


def ordered(expressions: Iterable[Expression]) -> list[Expression]:
    """Every node once (by identity), arguments before what they are arguments of."""
    order: list[Expression] = []
    seen: set[int] = set()
    for expression in expressions:
        pending: list[tuple[Expression, bool]] = [(expression, False)]
        while pending:
            node, is_done = pending.pop()
            if is_done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                pending.append((node, True))
                if isinstance(node, Apply):
                    pending.extend((part, False) for part in reversed(node.arguments))
    return order


def _gradient(
    node: Expression, found: Mapping[int, Gradient], wanted: frozenset[str | None]
) -> Gradient:
    if isinstance(node, Number):
        return {}
    if isinstance(node, Symbol):
        return {node.id: Number(1.0)} if node.id in wanted else {}
    if node == TIME:
        return {None: Number(1.0)} if None in wanted else {}
    if node.function in STEPS:
        return {}
    inner = [found[id(argument)] for argument in node.arguments]
    if node.function == "piecewise":
        return _by_branch(node, inner)
    terms: dict[str | None, list[Expression]] = {}
    for place, gradient in enumerate(inner):
        if not gradient:
            continue
        outer = _partial(node, place)
        for key, part in gradient.items():
            terms.setdefault(key, []).append(product(outer, part))
    return {key: total(*parts) for key, parts in terms.items()}


def _by_branch(node: Apply, inner: Sequence[Gradient]) -> Gradient:
    """The branches' derivatives under the same conditions; 0 where no condition holds."""
    gradient: dict[str | None, Expression] = {}
    keys = dict.fromkeys(key for branch in inner[::2] for key in branch)
    for key in keys:
        arguments = list(node.arguments)
        for place in range(0, len(arguments), 2):
            arguments[place] = inner[place].get(key, Number(0.0))
        gradient[key] = Apply("piecewise", tuple(arguments))
    return gradient


def _partial(node: Apply, place: int) -> Expression:
    """The derivative of a function by its argument at ``place``, the others held."""
    given = node.arguments
    match node.function:
        case "plus":
            return Number(1.0)
        case "minus":
            return Number(-1.0 if place == len(given) - 1 else 1.0)
        case "times":
            return product(*given[:place], *given[place + 1 :])
        case "divide":
            return quotient(1.0, given[1]) if place == 0 else product(-1.0, _over(node))
        case "power":
            return _power(node, place)
        case "root":
            return _nth_root(node, place)
        case "log":
            if place == 1:
                return quotient(1.0, product(given[1], apply("ln", given[0])))
            return quotient(product(-1.0, node), product(given[0], apply("ln", given[0])))
        case "rem":
            return Number(1.0) if place == 0 else product(-1.0, apply("quotient", *given))
        case "max" | "min":
            earlier = [part for one in given[:place] for part in (0.0, apply("eq", one, node))]
            return apply("piecewise", *earlier, 1, apply("eq", given[place], node), 0)
        case function if function in UNARY:
            return UNARY[function](given[0])
    raise DataError(
        f"{node.function} has no derivative here; expected a differentiable function of "
        "cellula.core.expression.FUNCTIONS (inline the network's own functions first)"
    )


def _over(node: Apply) -> Expression:
    """The part a / b / b of a quotient: what its derivative by b is, but for the sign."""
    return quotient(node, node.arguments[1])


def _power(node: Apply, place: int) -> Expression:
    base, exponent = node.arguments
    if place == 1:  # 0 at a base of 0, the limit from above, and not 0 times an infinity
        return apply("piecewise", product(node, apply("ln", base)), apply("neq", base, 0), 0)
    if isinstance(exponent, Number):
        lower: Expression | float = exponent.value - 1.0
        if lower == 1.0:
            return product(exponent, base)
        if lower == 0.0:
            return Number(1.0)
    else:
        lower = total(exponent, -1.0)
    return product(exponent, apply("power", base, lower))


def _nth_root(node: Apply, place: int) -> Expression:
    """Of x^(1/n): 1 / (n y^(n-1)) by x, -y ln(x) / n^2 by n; right for a negative x too."""
    degree, base = node.arguments
    if place == 1:
        return quotient(1.0, product(degree, apply("power", node, total(degree, -1.0))))
    return quotient(product(-1.0, node, apply("ln", base)), _square(degree))


def _square(x: Expression) -> Expression:
    return product(x, x)


def _root(x: Expression) -> Expression:
    return (
        Number(math.sqrt(x.value))
        if isinstance(x, Number) and x.value >= 0
        else apply("root", 2, x)
    )


def _one_less(x: Expression) -> Expression:
    return total(1.0, product(-1.0, _square(x)))


def _less_one(x: Expression) -> Expression:
    return total(_square(x), -1.0)
