"""Content MathML to expressions, from elements of XML; no recursion.

The functions are those that SBML, CellML and SED-ML share; a <ci> is the id that it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, TIME, Apply, Expression, Number, Symbol, apply

__all__ = ["MATHML", "mathml_expression"]

MATHML = "http://www.w3.org/1998/Math/MathML"
TIME_SYMBOL = "http://www.sbml.org/sbml/symbols/time"
#: Elements that stand for a number.
CONSTANTS: Mapping[str, float] = {
    "true": 1.0, "false": 0.0, "pi": math.pi, "exponentiale": math.e, "infinity": math.inf,
    "notanumber": math.nan,
}  # fmt: skip
#: What only groups what is inside.
GROUPS = {"piece", "otherwise", "degree", "logbase", "math"}
#: Functions that have another meaning in MathML, or none.
FOREIGN = {"time", "piecewise", "delay", "rate_of"}


def mathml_expression(math_element: Element) -> Expression:
    """The expression inside a <math>. Raises DataError on what an expression cannot say."""
    results: list[list[Expression]] = []
    pending: list[tuple[Element, bool]] = [(math_element, False)]
    while pending:
        node, is_done = pending.pop()
        inside = _operands(node)
        if is_done or not inside:
            split = len(results) - len(inside)
            arguments = [part for group in results[split:] for part in group]
            del results[split:]
            results.append(_node(node, arguments))
        else:
            pending.append((node, True))
            pending.extend((child, False) for child in reversed(inside))
    if len(results[0]) != 1:
        raise DataError(f"<math> holds {len(results[0])} formulas; expected one")
    return results[0][0]


def _tag(element: Element) -> str:
    name = str(element.tag)
    if not name.startswith(f"{{{MATHML}}}"):
        raise DataError(f"<{name}> stands in a formula; expected an element of MathML")
    return name.rpartition("}")[2]


def _operands(element: Element) -> list[Element]:
    """What has to be told before the element: not the operator, nothing inside a number."""
    tag = _tag(element)
    if tag in {"cn", "ci", "csymbol"}:
        return []
    if tag == "apply":
        return list(element)[1:]
    return list(element)


def _node(element: Element, arguments: list[Expression]) -> list[Expression]:
    tag = _tag(element)
    if tag in GROUPS:
        return arguments
    if tag == "cn":
        return [Number(_number(element))]
    if tag == "ci":
        return [Symbol((element.text or "").strip())]
    if tag in CONSTANTS:
        return [Number(CONSTANTS[tag])]
    if tag == "csymbol":
        if element.get("definitionURL") != TIME_SYMBOL:
            raise DataError(f"the symbol {element.get('definitionURL')!r} has no meaning here")
        return [TIME]
    if tag == "piecewise":
        return [Apply("piecewise", tuple(arguments)) if arguments else Number(math.nan)]
    if tag == "apply" and len(element):
        return [_applied(element[0], arguments)]
    raise DataError(f"<{tag}> has no meaning in a formula")


def _applied(head: Element, arguments: list[Expression]) -> Expression:
    name = _tag(head)
    if name not in FUNCTIONS or name in FOREIGN:
        told = (head.text or "").strip() or head.get("definitionURL") or name
        raise DataError(f"the function {told!r} has no meaning in a formula of this kind")
    if name in {"log", "root"} and len(arguments) == 1:
        return apply(name, 10 if name == "log" else 2, *arguments)
    if name == "minus" and arguments == [Number(math.inf)]:
        return Number(-math.inf)
    return apply(name, *arguments)


def _number(element: Element) -> float:
    parts = [(element.text or "").strip(), *((one.tail or "").strip() for one in element)]
    kind = element.get("type", "real")
    try:
        if kind == "e-notation":
            return float(f"{parts[0]}e{int(parts[1])}")
        if kind == "rational":
            return float(parts[0]) / float(parts[1])
        return float(parts[0])
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise DataError(f"<cn type={kind!r}> holds {' '.join(parts)!r}, no number") from error
