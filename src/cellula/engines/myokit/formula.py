"""Expressions as Myokit writes them: numbers and truths are two things there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from cellula.core.errors import EngineError
from cellula.core.expression import Expression, Number, Symbol

__all__ = ["formula_text"]


class _Text(NamedTuple):
    """A part of a formula; is_truth: whether it is a condition, no number."""

    text: str
    is_truth: bool = False

    @property
    def number(self) -> str:
        return f"if({self.text}, 1, 0)" if self.is_truth else self.text

    @property
    def truth(self) -> str:
        return self.text if self.is_truth else f"({self.text} != 0)"


def formula_text(expression: Expression, names: Mapping[str, str], time: str) -> str:
    """The expression in Myokit's words. names: id -> variable; time: the variable of time.

    Raises EngineError, naming it, on what Myokit has no words for.
    """
    done: dict[int, _Text] = {}
    pending: list[tuple[Expression, bool]] = [(expression, False)]
    while pending:
        node, is_ready = pending.pop()
        if id(node) in done:
            continue
        if isinstance(node, Number):
            done[id(node)] = _Text(_number(node.value))
        elif isinstance(node, Symbol):
            done[id(node)] = _Text(names[node.id])
        elif node.function == "time":
            done[id(node)] = _Text(time)
        elif node.function not in WORDS:
            raise EngineError(f"Myokit has no function {node.function!r}; take another engine")
        elif is_ready:
            done[id(node)] = WORDS[node.function]([done[id(one)] for one in node.arguments])
        else:
            pending.append((node, True))
            pending.extend((one, False) for one in node.arguments)
    return done[id(expression)].number


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise EngineError(f"Myokit has no number {value}; take another engine")
    return repr(value) if value >= 0 else f"({value!r})"


def _joined(sign: str, empty: str) -> Callable[[Sequence[_Text]], _Text]:
    def text(given: Sequence[_Text]) -> _Text:
        return _Text("(" + f" {sign} ".join(one.number for one in given) + ")" if given else empty)

    return text


def _minus(given: Sequence[_Text]) -> _Text:
    left, *right = (one.number for one in given)
    return _Text(f"({left} - {right[0]})" if right else f"(-{left})")


def _called(pattern: str) -> Callable[[Sequence[_Text]], _Text]:
    """A pattern of ``{0}`` and ``{1}``, the arguments."""
    return lambda given: _Text("(" + pattern.format(*(f"({one.number})" for one in given)) + ")")


def _compared(sign: str) -> Callable[[Sequence[_Text]], _Text]:
    def text(given: Sequence[_Text]) -> _Text:
        parts = [f"({a.number} {sign} {b.number})" for a, b in pairwise(given)]
        return _Text("(" + " and ".join(parts) + ")", is_truth=True)

    return text


def _logic(pattern: str, empty: str) -> Callable[[Sequence[_Text]], _Text]:
    def text(given: Sequence[_Text]) -> _Text:
        if not given:
            return _Text(empty, is_truth=True)
        made = given[0].truth
        for one in given[1:]:
            made = pattern.format(made, one.truth)
        return _Text(f"({made})", is_truth=True)

    return text


def _not(given: Sequence[_Text]) -> _Text:
    return _Text(f"(not {given[0].truth})", is_truth=True)


def _extreme(sign: str) -> Callable[[Sequence[_Text]], _Text]:
    def text(given: Sequence[_Text]) -> _Text:
        made = given[0].number
        for one in given[1:]:
            made = f"if({made} {sign} {one.number}, {made}, {one.number})"
        return _Text(made)

    return text


def _piecewise(given: Sequence[_Text]) -> _Text:
    if len(given) % 2 == 0:
        raise EngineError(
            "a piecewise formula has no value for all other cases, which Myokit needs; give one"
        )
    made = given[-1].number
    cases = list(zip(given[:-1:2], given[1::2], strict=True))
    for value, condition in reversed(cases):
        made = f"if({condition.truth}, {value.number}, {made})"
    return _Text(made)


TOWARDS_0 = "if({0} / {1} < 0, ceil({0} / {1}), floor({0} / {1}))"
WORDS: Mapping[str, Callable[[Sequence[_Text]], _Text]] = {
    "plus": _joined("+", "0"),
    "times": _joined("*", "1"),
    "minus": _minus,
    "divide": _called("{0} / {1}"),
    "power": _called("{0} ^ {1}"),
    "root": _called("{1} ^ (1 / {0})"),
    "log": _called("log({1}, {0})"),
    "ln": _called("log({0})"),
    "exp": _called("exp({0})"),
    "abs": _called("abs({0})"),
    "ceiling": _called("ceil({0})"),
    "floor": _called("floor({0})"),
    "quotient": _called(TOWARDS_0),
    "rem": _called("{0} - {1} * " + TOWARDS_0),
    **{name: _called(name + "({0})") for name in ("sin", "cos", "tan")},
    **{f"arc{name}": _called(f"a{name}" + "({0})") for name in ("sin", "cos", "tan")},
    "sec": _called("1 / cos({0})"),
    "csc": _called("1 / sin({0})"),
    "cot": _called("1 / tan({0})"),
    "sinh": _called("(exp({0}) - exp(-{0})) / 2"),
    "cosh": _called("(exp({0}) + exp(-{0})) / 2"),
    "tanh": _called("1 - 2 / (exp(2 * {0}) + 1)"),
    "eq": _compared("=="),
    "neq": _compared("!="),
    "gt": _compared(">"),
    "lt": _compared("<"),
    "geq": _compared(">="),
    "leq": _compared("<="),
    "and": _logic("({0} and {1})", "(1 == 1)"),
    "or": _logic("({0} or {1})", "(1 == 0)"),
    "xor": _logic("(({0} and (not {1})) or ((not {0}) and {1}))", "(1 == 0)"),
    "implies": _logic("((not {0}) or {1})", "(1 == 1)"),
    "not": _not,
    "max": _extreme(">"),
    "min": _extreme("<"),
    "piecewise": _piecewise,
}
