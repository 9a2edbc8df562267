"""libcellml's equation trees to expressions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from libcellml import AnalyserEquationAst

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply
from cellula.io.cellml.analysis import Analysis
from cellula.io.cellml.units import factor_between

__all__ = ["expression_of", "is_rate"]

_Type = AnalyserEquationAst.Type
#: Functions that the trees call otherwise.
_CALLED: Mapping[str, str] = {
    "EQUALITY": "eq", "POWER": "power", "DIFF": "rate_of",
    **{f"A{name}": f"arc{name.lower()}" for name in (
        "SIN", "COS", "TAN", "SEC", "CSC", "COT", "SINH", "COSH", "TANH", "SECH", "CSCH", "COTH")},
}  # fmt: skip
_PLAIN = (
    *("AND", "OR", "XOR", "NOT", "EQ", "NEQ", "GT", "LT", "GEQ", "LEQ", "PLUS", "MINUS", "TIMES"),
    *("DIVIDE", "ABS", "CEILING", "EXP", "FLOOR", "LN", "LOG", "ROOT", "MAX", "MIN", "REM"),
    *("PIECEWISE", "SIN", "COS", "TAN", "SEC", "CSC", "COT"),
    *("SINH", "COSH", "TANH", "SECH", "CSCH", "COTH"),
)
_FUNCTIONS: Mapping[int, str] = {
    **{getattr(_Type, name): name.lower() for name in _PLAIN},
    **{getattr(_Type, name): function for name, function in _CALLED.items()},
}
_CONSTANTS: Mapping[int, float] = {
    _Type.TRUE: 1.0, _Type.FALSE: 0.0, _Type.E: math.e, _Type.PI: math.pi, _Type.INF: math.inf,
    _Type.NAN: math.nan,
}  # fmt: skip
#: What only groups its children: they are handed on to the parent.
_GROUPS = {_Type.PIECE, _Type.OTHERWISE, _Type.DEGREE, _Type.LOGBASE}
#: The trees are binary; these take any number of arguments.
_CHAINS = {"plus", "times", "and", "or", "max", "min", "xor"}


def is_rate(node: Any) -> bool:
    """Whether a tree is the rate of change of a variable."""
    return bool(node.type() == _Type.DIFF)


def expression_of(analysis: Analysis, tree: Any) -> Expression:
    """The expression of a tree, without recursion; libcellml has converted units inside it."""
    results: list[tuple[Expression, ...]] = []
    pending: list[tuple[Any, bool]] = [(tree, False)]
    while pending:
        node, is_done = pending.pop()
        children = [] if node.type() == _Type.BVAR else _children(node)
        if is_done or not children:
            split = len(results) - len(children)
            arguments = [part for group in results[split:] for part in group]
            del results[split:]
            results.append(_node(analysis, node, arguments))
        else:
            pending.append((node, True))
            pending.extend((child, False) for child in reversed(children))
    return results[0][0]


def _children(node: Any) -> list[Any]:
    both = (node.leftChild(), node.rightChild())
    return [child for child in both if child is not None]


def _node(analysis: Analysis, node: Any, arguments: list[Expression]) -> tuple[Expression, ...]:
    kind = node.type()
    if kind == _Type.BVAR:
        _check_time(analysis, node.leftChild().variable())
        return ()
    if kind in _GROUPS:
        return tuple(arguments)
    if kind == _Type.CI:
        return (_symbol(analysis, node.variable()),)
    if kind == _Type.CN:
        return (Number(float(node.value())),)
    if kind in _CONSTANTS:
        return (Number(_CONSTANTS[kind]),)
    if kind not in _FUNCTIONS:
        raise DataError(f"{analysis.file}: no meaning is known for {node.typeAsString(kind)!r}")
    if kind == _Type.PIECEWISE and node.parent().type() == _Type.PIECEWISE:
        return tuple(arguments)
    return (_applied(_FUNCTIONS[kind], arguments),)


def _applied(function: str, arguments: list[Expression]) -> Expression:
    if function in {"log", "root"} and len(arguments) == 1:
        return apply(function, 10 if function == "log" else 2, *arguments)
    if function in _CHAINS and arguments:
        last = arguments[-1]
        if isinstance(last, Apply) and last.function == function:
            return Apply(function, (*arguments[:-1], *last.arguments))
    return apply(function, *arguments)


def _symbol(analysis: Analysis, variable: Any) -> Expression:
    found = analysis.variable(variable)
    is_time = found.typeAsString(found.type()) == "variable_of_integration"
    return TIME if is_time else Symbol(analysis.id(variable))


def _check_time(analysis: Analysis, variable: Any) -> None:
    """Refuse a rate in another time: libcellml 0.7 turns its unit the wrong way round."""
    first = analysis.variable(variable).variable()
    factor = factor_between(analysis.model, variable.units().name(), first.units().name())
    if factor != 1.0:
        raise DataError(
            f"{analysis.file}: component {variable.parent().name()!r} uses a rate per "
            f"{variable.units().name()!r} in a formula, and time is in {first.units().name()!r}; "
            "use one unit of time"
        )
