"""Boolean networks as text: ``.bnet``, one line a component and its rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, Symbol, apply, rewritten, symbols
from cellula.core.logic import Component, LogicNetwork
from cellula.io.atomic import write_atomically
from cellula.io.text_file import decoded, text_bytes

if TYPE_CHECKING:
    from cellula.core.reader import Content

__all__ = ["Bnet", "parse_rule"]

#: A name is all that is no operator, so that ``NF-kB``, ``AKT1/2`` and ``miR-34a:x`` are names.
TOKEN = re.compile(r"\s*(?P<sign>&&?|\|\|?|[!()~])|\s*(?P<name>[^\s!~&|(),#]+)")
ODD = re.compile(r"[\s!~&|(),#]")
HEADER = ("targets", "factors")
CONSTANTS = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}


@final
class Bnet:
    """Reads and writes Boolean networks in the ``.bnet`` text of BoolNet [mussel2010]_.

    A line is ``target, rule``; a rule has names, ``!``, ``&``, ``|``, parentheses, 0 and 1. The
    first line may be ``targets, factors``; a line that begins with ``#`` is a remark. A component
    whose rule is itself, and a name that has no line of its own, is an input.
    """

    name: ClassVar[str] = "bnet"
    suffixes: ClassVar[tuple[str, ...]] = (".bnet",)

    def read(self, path: Path) -> LogicNetwork:
        """The network, its id the name of the file; inputs without a line come last.

        Raises DataError, naming file and line, when the file is absent or not text, a line is no
        target and rule, a rule cannot be understood, or a target stands twice.
        """
        rules: dict[str, Expression] = {}
        first = True
        for number, line in enumerate(decoded(text_bytes(path), path.name).splitlines(), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            is_header = tuple(part.strip().lower() for part in text.split(",")) == HEADER
            if not (first and is_header):
                target, rule = _line(text, f"{path.name}, line {number}")
                if target in rules:
                    raise DataError(
                        f"{path.name}, line {number}: {target!r} has a rule already; give every "
                        "component one line"
                    )
                rules[target] = rule
            first = False
        if not rules:
            raise DataError(f"{path.name} holds no component; expected lines of 'target, rule'")
        named = dict.fromkeys(id for rule in rules.values() for id in symbols(rule))
        components = [
            Component(id, None if rule == Symbol(id) else rule) for id, rule in rules.items()
        ]
        components += [Component(id, None) for id in named if id not in rules]
        return LogicNetwork(path.name.removesuffix(".bnet"), tuple(components))

    def write(self, content: Content, path: Path) -> None:
        """Write a Boolean network; DataError, naming the component, on what .bnet cannot hold.

        It holds no levels above 1, no initial levels, names beside ids, rates, or comparisons.
        """
        if not isinstance(content, LogicNetwork):
            raise DataError(
                f"{path.name}: .bnet holds logic networks, not {type(content).__name__}"
            )
        if content.rates:
            raise DataError(f"{path.name}: .bnet holds no rates; leave those of {content.id!r} out")
        lines = [", ".join(HEADER), *(_written(one, path.name) for one in content.components)]
        write_atomically(path, ("\n".join(lines) + "\n").encode())


def parse_rule(text: str) -> Expression:
    """The expression of a Boolean rule: names, ``!`` or ``~``, ``&``, ``|``, parentheses, 0, 1.

    Raises DataError with the rule and the place of what was not understood.
    """
    return _Parser(text).whole()


def _line(text: str, place: str) -> tuple[str, Expression]:
    target, comma, rule = text.partition(",")
    target = target.strip()
    if not comma or not target or ODD.search(target) or target in CONSTANTS:
        raise DataError(
            f"{place}: {text!r} is no 'target, rule'; expected a name without spaces or operators, "
            "a comma and a rule"
        )
    try:
        return target, parse_rule(rule)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error


@final
@dataclass(slots=True)
class _Level:
    """What stands between two parentheses: alternatives, the factors of the last, signs of not."""

    alternatives: list[Expression] = field(default_factory=list)
    factors: list[Expression] = field(default_factory=list)
    negations: int = 0

    def take(self, value: Expression) -> None:
        for _ in range(self.negations):
            value = apply("not", value)
        self.negations = 0
        self.factors.append(value)

    def next_alternative(self) -> None:
        self.alternatives.append(_joined("and", self.factors))
        self.factors = []

    def value(self) -> Expression:
        self.next_alternative()
        return _joined("or", self.alternatives)


@final
@dataclass(slots=True)
class _Parser:
    """Reads a rule with a stack of its own: its depth is not bounded by Python's."""

    text: str
    levels: list[_Level] = field(default_factory=lambda: [_Level()])
    wants_value: bool = True

    def whole(self) -> Expression:
        place, end = 0, len(self.text.rstrip())
        while place < end:
            match = TOKEN.match(self.text, place)
            if match is None:
                raise self._error("an operator or a name was expected", place)
            kind = str(match.lastgroup)
            self._take(kind, match[kind], match.start(kind))
            place = match.end()
        if self.wants_value:
            raise self._error("the rule ends too early", end)
        if len(self.levels) > 1:
            raise self._error("a parenthesis is not closed", end)
        return self.levels[0].value()

    def _take(self, kind: str, word: str, place: int) -> None:
        level = self.levels[-1]
        if self.wants_value != (kind == "name" or word in {"(", "!", "~"}):
            wanted = "a name, '!' or '('" if self.wants_value else "'&', '|' or ')'"
            raise self._error(f"expected {wanted}, not {word!r}", place)
        if kind == "name":
            constant = CONSTANTS.get(word.lower())
            level.take(Symbol(word) if constant is None else Number(constant))
            self.wants_value = False
        elif word in {"!", "~"}:
            level.negations += 1
        elif word == "(":
            self.levels.append(_Level())
        elif word == ")":
            if len(self.levels) == 1:
                raise self._error("a parenthesis is closed that was not opened", place)
            self.levels.pop()
            self.levels[-1].take(level.value())
        else:
            if word[0] == "|":
                level.next_alternative()
            self.wants_value = True

    def _error(self, problem: str, place: int) -> DataError:
        return DataError(f"rule {self.text.strip()!r}, at {place + 1}: {problem}")


def _joined(function: str, parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else Apply(function, tuple(parts))


def _written(one: Component, file: str) -> str:
    if ODD.search(one.id) or one.id.lower() in CONSTANTS or one.id.lower() == HEADER[0]:
        raise DataError(f"{file}: {one.id!r} cannot be a name in .bnet; rename the component")
    if one.max_level > 1 or one.initial is not None or one.name:
        raise DataError(
            f"{file}: .bnet cannot hold the levels, the initial level or the name of {one.id!r}; "
            "leave them out"
        )
    if one.target == Symbol(one.id):
        raise DataError(f"{file}: {one.id!r} keeps its level, as an input does; give it no rule")
    if one.target is None:
        return f"{one.id}, {one.id}"
    text = rewritten(one.target, _told(one.id, file))
    return f"{one.id}, {text.id if isinstance(text, Symbol) else text}"


def _told(id: str, file: str) -> Callable[[Expression], Expression]:
    """The rule that turns a node, whose arguments are text already, into text."""

    def told(node: Expression) -> Expression:
        if isinstance(node, Number):
            return Symbol(_constant(node, id))
        if isinstance(node, Symbol):
            return node
        words = [one.id for one in node.arguments if isinstance(one, Symbol)]
        match node.function:
            case "not":
                return Symbol(f"!{words[0]}")
            case "and" | "or" if words:
                sign = " & " if node.function == "and" else " | "
                return Symbol(f"({sign.join(words)})" if len(words) > 1 else words[0])
            case "and" | "or":
                return Symbol("1" if node.function == "and" else "0")
        raise DataError(
            f"{file}: the rule of {id!r} has {node.function!r}, which .bnet cannot hold; write it "
            "with and, or and not"
        )

    return told


def _constant(node: Expression, id: str) -> str:
    if not isinstance(node, Number) or node.value not in (0.0, 1.0):
        raise DataError(f"the rule of {id!r} has {node}, where .bnet knows 0 and 1")
    return str(int(node.value))
