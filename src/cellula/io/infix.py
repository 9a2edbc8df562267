"""Formulas as people type them: ``k1 * A^2 / (Km + A)``, to and from expressions.

One grammar for all text formats that hold formulas (BioNetGen, .bnet, PEtab, the command line).
From loose to tight: ``or``, ``and``, comparisons, ``+ -``, ``* / %``, unary ``- + !``, ``^``,
which groups from the right and binds tighter than a sign before it: ``-a^2`` is -(a^2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, TIME, Apply, Expression, Number, Symbol, apply

__all__ = ["NAMES", "parse", "written"]

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_.]*)"
    r"|(?P<sign>\*\*|\|\||&&|<=|>=|==|!=|~=|[-+*/%^()<>!~&|,]))"
)
#: What people call a function -> what it is called in expressions.
NAMES: Mapping[str, str] = {
    **{name: name for name in FUNCTIONS if name not in {"time", "log", "root"}},
    "pow": "power",
    "log": "ln",
    "ceil": "ceiling",
    **{f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}
#: Operator -> (how tight it binds, function); all group from the left but the power.
BINARY: Mapping[str, tuple[int, str]] = {
    **dict.fromkeys(("||", "|", "or"), (1, "or")),
    **dict.fromkeys(("&&", "&", "and"), (2, "and")),
    "==": (3, "eq"), "!=": (3, "neq"), "~=": (3, "neq"),
    "<": (3, "lt"), "<=": (3, "leq"), ">": (3, "gt"), ">=": (3, "geq"),
    "+": (4, "plus"), "-": (4, "minus"),
    "*": (5, "times"), "/": (5, "divide"), "%": (5, "rem"),
    "^": (7, "power"), "**": (7, "power"),
}  # fmt: skip
UNARY = {"-": "minus", "!": "not", "~": "not", "not": "not", "+": "plus"}
UNARY_LEVEL = 6
#: What takes any number of arguments: a long sum is one node, not a deep tree.
CHAINS = {"plus", "times", "and", "or"}
DEEPEST = 200
#: Words that are no ids.
CONSTANTS: Mapping[str, Expression] = {
    "time": TIME, "true": Number(1.0), "false": Number(0.0), "True": Number(1.0),
    "False": Number(0.0), "pi": Number(3.141592653589793), "inf": Number(float("inf")),
    "nan": Number(float("nan")),
}  # fmt: skip


def parse(
    text: str,
    names: Mapping[str, str] = NAMES,
    own: Mapping[str, int] | None = None,
    constants: Mapping[str, Expression] = CONSTANTS,
) -> Expression:
    """The expression that a formula says.

    names: what functions are called. ``if(a, b, c)`` is b where a is true, else c; ``log(x)``
    is the natural logarithm; ``log10``, ``log2``, ``sqrt``, ``cbrt`` and ``sign`` are known.
    own: functions that the network defines, with their number of arguments. Raises DataError
    with the formula and the place of what was not understood.
    """
    return _Parser(text, names, own or {}, constants).whole()


def written(expression: Expression) -> str:
    """A formula that :func:`parse` reads back equal in value, every operation in parentheses."""
    match expression:
        case Number(value):
            return f"(-{-value!r})" if value < 0 else repr(value)
        case Symbol(id):
            return id
        case Apply("time", ()):
            return "time"
    infix = {function: sign for sign, (_, function) in reversed(list(BINARY.items()))}
    told = [written(one) for one in expression.arguments]
    match expression.function, len(told):
        case "minus" | "not", 1:
            return f"({'-' if expression.function == 'minus' else '!'}{told[0]})"
        case "root", 2:
            return f"({told[1]} ^ (1.0 / {told[0]}))"
        case "log", 2:
            return f"(ln({told[1]}) / ln({told[0]}))"
        case function, count if function in infix and count >= 2:
            return f"({f' {infix[function]} '.join(told)})"
        case "plus" | "times", 1:
            return told[0]
    return f"{expression.function}({', '.join(told)})"


@final
@dataclass(slots=True)
class _Parser:
    """Precedence climbing over the tokens of one formula."""

    text: str
    names: Mapping[str, str]
    own: Mapping[str, int]
    constants: Mapping[str, Expression]
    tokens: list[tuple[str, str, int]] = field(default_factory=list)
    at: int = 0
    depth: int = 0

    def whole(self) -> Expression:
        self._split()
        found = self._binary(0)
        if self.at < len(self.tokens):
            raise self._error("expected an operator or the end")
        return found

    def _split(self) -> None:
        place, end = 0, len(self.text.rstrip())
        while place < end:
            match = TOKEN.match(self.text, place)
            if match is None:
                odd = len(self.text) - len(self.text[place:].lstrip())
                raise self._error(f"{self.text[odd]!r} is no part of a formula", odd)
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            place = match.end()

    def _binary(self, level: int) -> Expression:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._error(f"more than {DEEPEST} levels of parentheses")
        left = self._unary()
        while (found := BINARY.get(self._peek())) is not None and found[0] > level:
            tightness, function = found
            self.at += 1
            right = self._binary(tightness - (function == "power"))
            is_chain = function in CHAINS and isinstance(left, Apply) and left.function == function
            before = left.arguments if is_chain and isinstance(left, Apply) else (left,)
            left = apply(function, *before, right)
        self.depth -= 1
        return left

    def _unary(self) -> Expression:
        word = self._peek()
        if word in UNARY and not self._is_call():
            self.at += 1
            inner = self._binary(UNARY_LEVEL - 1 if word in {"-", "+"} else UNARY_LEVEL)
            if word == "-" and isinstance(inner, Number):
                return Number(-inner.value)
            return inner if word == "+" else apply(UNARY[word], inner)
        return self._atom()

    def _atom(self) -> Expression:
        if self.at >= len(self.tokens):
            raise self._error("the formula ends too early")
        kind, word, _ = self.tokens[self.at]
        if kind == "number":
            self.at += 1
            return Number(float(word))
        if word == "(":
            self.at += 1
            inner = self._binary(0)
            self._take(")")
            return inner
        if kind == "name" and word not in BINARY:
            is_call = self._is_call()
            self.at += 1
            return self._call(word) if is_call else self.constants.get(word, Symbol(word))
        raise self._error("expected a number, a name or '('")

    def _call(self, word: str) -> Expression:
        self._take("(")
        arguments: list[Expression] = []
        if self._peek() != ")":
            arguments.append(self._binary(0))
            while self._peek() == ",":
                self.at += 1
                arguments.append(self._binary(0))
        self._take(")")
        if word in self.own:
            if self.own[word] != len(arguments):
                raise self._error(f"{word} takes {self.own[word]} argument(s)")
            return Apply(word, tuple(arguments))
        return self._known(word, arguments)

    def _known(self, word: str, arguments: list[Expression]) -> Expression:
        match word, arguments:
            case "if", [condition, yes, no]:
                return apply("piecewise", yes, condition, no)
            case "sqrt", [one]:
                return apply("root", 2, one)
            case "cbrt", [one]:
                return apply("root", 3, one)
            case "log10" | "log2", [one]:
                return apply("log", float(word[3:]), one)
            case "sign", [one]:
                return apply("piecewise", 1, apply("gt", one, 0), -1, apply("lt", one, 0), 0)
            case "time", []:
                return TIME
        if word not in self.names:
            raise self._error(f"no function {word!r}")
        return apply(self.names[word], *arguments)

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _is_call(self) -> bool:
        kind = self.tokens[self.at][0]
        after = self.tokens[self.at + 1][1] if self.at + 1 < len(self.tokens) else ""
        return kind == "name" and after == "(" and self._peek() not in {"not", "and", "or"}

    def _take(self, word: str) -> None:
        if self._peek() != word:
            raise self._error(f"expected {word!r}")
        self.at += 1

    def _error(self, problem: str, place: int | None = None) -> DataError:
        if place is None:
            place = self.tokens[self.at][2] if self.at < len(self.tokens) else len(self.text)
        return DataError(f"formula {self.text!r}, at {place + 1}: {problem}")
