"""Expressions as content MathML, the way SBML writes it; no recursion.

SBML before Level 3 Version 2 keeps numbers and truth apart, an expression does not: what stands
where a truth is expected is written as one, and the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, Apply, Expression, Number, Symbol, apply
from cellula.io.xml_text import number_text

__all__ = ["NAMESPACE", "MathMl"]

NAMESPACE = 'xmlns="http://www.w3.org/1998/Math/MathML"'
SYMBOL = (
    '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/{0}">{0}</csymbol>'
)
#: Functions that are csymbols.
SYMBOLS: Mapping[str, str] = {"delay": "delay", "rate_of": "rateOf"}
#: What MathML has of them since Level 3 Version 2.
NEWER = {"max", "min", "rem", "quotient", "implies", "rate_of"}
COMPARISONS = {"eq", "neq", "gt", "lt", "geq", "leq"}
LOGICAL = {"and", "or", "xor", "not", "implies"}


@dataclass(frozen=True, slots=True)
class MathMl:
    """How formulas are written.

    called: id -> the id in the file, where they differ. is_typed: numbers and truths are kept
    apart (before Level 3 Version 2). is_older: without the functions that Version 2 brought.
    time: what stands for the time; "" for SBML's symbol. number: attributes of every number.
    """

    called: Mapping[str, str]
    is_typed: bool = False
    is_older: bool = False
    time: str = ""
    number: str = ""

    def math(self, expression: Expression, is_truth: bool = False) -> str:
        """The element <math>; is_truth: it stands where a truth is expected."""
        return f"<math {NAMESPACE}>{self.inner(expression, is_truth)}</math>"

    def function(self, arguments: tuple[str, ...], body: Expression) -> str:
        """The element <math> with a <lambda>."""
        bound = "".join(f"<bvar><ci>{escape(one)}</ci></bvar>" for one in arguments)
        return f"<math {NAMESPACE}><lambda>{bound}{self.inner(body, False)}</lambda></math>"

    def inner(self, expression: Expression, is_truth: bool) -> str:
        """What stands inside <math>."""
        told: list[str] = []
        pending: list[str | tuple[Expression, bool]] = [(expression, is_truth)]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                told.append(item)
                continue
            node, wants_truth = item
            if isinstance(node, Apply) and node.function != "time":
                pending.extend(reversed(self._parts(node, wants_truth)))
            else:
                told.append(self._leaf(node, wants_truth))
        return "".join(told)

    def _leaf(self, node: Expression, is_truth: bool) -> str:
        if isinstance(node, Number):
            if is_truth and node.value in {0.0, 1.0}:
                return "<true/>" if node.value else "<false/>"
            told = _number(node.value, self.number)
        elif isinstance(node, Symbol):
            told = f"<ci>{escape(self.called.get(node.id, node.id))}</ci>"
        else:
            told = f"<ci>{escape(self.time)}</ci>" if self.time else SYMBOL.format("time")
        return f"<apply><neq/>{told}<cn>0</cn></apply>" if is_truth and self.is_typed else told

    def _parts(self, node: Apply, wants_truth: bool) -> list[str | tuple[Expression, bool]]:
        is_own = node.function not in FUNCTIONS
        is_truth = node.function in COMPARISONS | LOGICAL
        if self.is_typed and not is_own and is_truth != wants_truth and not _is_free(node):
            other = apply("neq", node, 0) if wants_truth else apply("piecewise", 1, node, 0)
            return self._parts(other, wants_truth)
        if node.function == "rate_of" and self.time:
            head = f"<apply><diff/><bvar><ci>{escape(self.time)}</ci></bvar>"
            return [head, (node.arguments[0], False), "</apply>"]
        if node.function == "piecewise":
            return _piecewise(node, wants_truth)
        if is_own:
            head = f"<ci>{escape(self.called.get(node.function, node.function))}</ci>"
        elif node.function in NEWER and self.is_older:
            raise DataError(
                f"the function {node.function!r} needs SBML Level 3 Version 2; write that version"
            )
        elif node.function in SYMBOLS:
            head = SYMBOL.format(SYMBOLS[node.function])
        else:
            head = f"<{node.function}/>"
        inside = [(one, node.function in LOGICAL) for one in node.arguments]
        if node.function in {"log", "root"}:
            tag = "logbase" if node.function == "log" else "degree"
            return [f"<apply>{head}<{tag}>", inside[0], f"</{tag}>", inside[1], "</apply>"]
        return [f"<apply>{head}", *inside, "</apply>"]


def _is_free(node: Apply) -> bool:
    """Whether a piecewise stands for a truth or a number as its pieces do."""
    return node.function == "piecewise"


def _piecewise(node: Apply, is_truth: bool) -> list[str | tuple[Expression, bool]]:
    parts: list[str | tuple[Expression, bool]] = ["<piecewise>"]
    pieces, rest = divmod(len(node.arguments), 2)
    for at in range(pieces):
        value, condition = node.arguments[2 * at : 2 * at + 2]
        parts += ["<piece>", (value, is_truth), (condition, True), "</piece>"]
    if rest:
        parts += ["<otherwise>", (node.arguments[-1], is_truth), "</otherwise>"]
    return [*parts, "</piecewise>"]


def _number(value: float, attributes: str) -> str:
    if math.isnan(value):
        return "<notanumber/>"
    if math.isinf(value):
        return "<infinity/>" if value > 0 else "<apply><minus/><infinity/></apply>"
    text = number_text(value)
    mantissa, _, exponent = text.partition("e")
    # Readers round the mantissa by itself: some numbers of 17 digits would change.
    if exponent and float(f"{float(mantissa)!r}e{exponent}") == value:
        return f'<cn{attributes} type="e-notation">{mantissa}<sep/>{int(exponent)}</cn>'
    return f"<cn{attributes}>{text}</cn>"
