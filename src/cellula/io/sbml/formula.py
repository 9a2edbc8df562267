"""libsbml's formula trees to expressions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import libsbml

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, TIME, Apply, Expression, Number, Symbol, apply
from cellula.io.sbml.source import Source

__all__ = ["AVOGADRO", "expression_of", "formula"]

#: What SBML Level 3 says the csymbol avogadro is.
AVOGADRO = 6.02214179e23
#: Sums and products of many parts, which libsbml tells as those of two.
CHAINS = {libsbml.AST_PLUS, libsbml.AST_TIMES}

_NAMED = {
    "time": libsbml.AST_NAME_TIME,
    "and": libsbml.AST_LOGICAL_AND,
    "or": libsbml.AST_LOGICAL_OR,
    "xor": libsbml.AST_LOGICAL_XOR,
    "not": libsbml.AST_LOGICAL_NOT,
    "implies": libsbml.AST_LOGICAL_IMPLIES,
    "plus": libsbml.AST_PLUS,
    "minus": libsbml.AST_MINUS,
    "times": libsbml.AST_TIMES,
    "divide": libsbml.AST_DIVIDE,
    "rate_of": libsbml.AST_FUNCTION_RATE_OF,
    **{name: getattr(libsbml, f"AST_RELATIONAL_{name.upper()}") for name in (
        "eq", "neq", "gt", "lt", "geq", "leq")},
}  # fmt: skip
#: libsbml's number of a node -> the function that it stands for.
_FUNCTIONS: Mapping[int, str] = {
    libsbml.AST_POWER: "power",
    **{
        _NAMED[name] if name in _NAMED else getattr(libsbml, f"AST_FUNCTION_{name.upper()}"): name
        for name in FUNCTIONS
        if name != "time"
    },
}
_CONSTANTS: Mapping[int, Expression] = {
    libsbml.AST_NAME_TIME: TIME,
    libsbml.AST_NAME_AVOGADRO: Number(AVOGADRO),
    libsbml.AST_CONSTANT_E: Number(math.e),
    libsbml.AST_CONSTANT_PI: Number(math.pi),
    libsbml.AST_CONSTANT_TRUE: Number(1.0),
    libsbml.AST_CONSTANT_FALSE: Number(0.0),
}


def formula(source: Source, element: Any, node: Any = None) -> Expression | None:
    """The expression of an element's math, None where it has none.

    node: the tree where it is not ``element.getMath()``. Raises DataError, naming the element
    and its line, on what an expression cannot say.
    """
    tree = element.getMath() if node is None else node
    if tree is None:
        return None
    try:
        return expression_of(source, tree)
    except DataError as error:
        raise source.fault(
            element, f"holds a formula that cannot be represented: {error}"
        ) from error


def expression_of(source: Source, tree: Any) -> Expression:
    """The expression of a formula tree, without recursion."""
    results: list[Expression] = []
    pending: list[tuple[Any, int]] = [(tree, -1)]
    while pending:
        node, count = pending.pop()
        if count < 0 and node.getNumChildren():
            children = _children(node)
            pending.append((node, len(children)))
            pending.extend((child, -1) for child in reversed(children))
        else:
            split = len(results) - max(count, 0)
            arguments = results[split:]
            del results[split:]
            results.append(_node(source, node, arguments))
    return results[0]


def _children(node: Any) -> list[Any]:
    """The arguments of a node; (a + b) + c, as libsbml tells a + b + c, has three."""
    kind, last = node.getType(), list[Any]()
    while node.getType() == kind and node.getNumChildren():
        count = node.getNumChildren()
        last += [node.getChild(at) for at in reversed(range(1, count))]
        node = node.getChild(0)
        if kind not in CHAINS:
            break
    return [node, *reversed(last)]


def _node(source: Source, node: Any, arguments: list[Expression]) -> Expression:
    kind = node.getType()
    if kind in _CONSTANTS:
        return _CONSTANTS[kind]
    if kind == libsbml.AST_NAME:
        name = node.getName()
        return Symbol(source.local.get(name) or source.id(name))
    if node.isNumber():
        return Number(_number(node))
    if kind == libsbml.AST_FUNCTION:
        name = node.getName()
        if name not in source.functions:
            raise DataError(f"no function {name!r}")
        return Apply(source.functions[name], tuple(arguments))
    if kind not in _FUNCTIONS:
        raise DataError(
            f"no meaning is known for {node.getName() or libsbml.formulaToL3String(node)!r}"
        )
    return _applied(_FUNCTIONS[kind], arguments)


def _applied(function: str, arguments: list[Expression]) -> Expression:
    if function == "log" and len(arguments) == 1:
        return apply("log", 10, *arguments)
    if function == "root" and len(arguments) == 1:
        return apply("root", 2, *arguments)
    if function == "piecewise" and not arguments:
        return Number(math.nan)
    if function == "minus" and arguments == [Number(math.inf)]:
        return Number(-math.inf)
    return apply(function, *arguments)


def _number(node: Any) -> float:
    if node.getType() == libsbml.AST_REAL_E:
        return float(f"{node.getMantissa()!r}e{node.getExponent()}")
    return float(node.getValue())
