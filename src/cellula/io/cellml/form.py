"""A network as CellML can say it: equations, ids ``component.variable``, functions it knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from cellula.core.equations import equations
from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, Apply, Expression, Number, Symbol, apply, rewritten
from cellula.core.network import AssignmentRule, Network, Parameter, RateRule, Rule
from cellula.io.cellml.units import merged_unit

__all__ = ["TIME_NAME", "cellml_form"]

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
DOTTED = re.compile(rf"{NAME}\.{NAME}")
#: The variable of integration in every component; nothing else has the name.
TIME_NAME = "time"
#: Functions of expressions that CellML 2.0 lacks.
LACKING = {"factorial", "delay"}
COMPARISONS = {"eq", "gt", "lt", "geq", "leq"}
CHAINS = {"plus", "times", "and", "or", "xor", "max", "min"}


def cellml_form(network: Network) -> Network:
    """The network that a CellML file of it is read back as.

    Reactions, species and compartments become variables of one component, those whose ids are
    ``component.variable`` of that component. Raises DataError on what CellML cannot say.
    """
    flat = equations(network)
    ids = _ids(flat)
    parameters = tuple(
        replace(one, id=ids[one.id], unit=merged_unit(one.unit)) for one in flat.parameters
    )
    rules = tuple(_rule(one, ids) for one in flat.rules)
    initial = {ids[id]: _told(value, ids) for id, value in flat.initial.items()}
    constant = {
        one.target: one.expression
        for one in rules
        if isinstance(one, AssignmentRule) and _is_number(one)
    }
    parameters = tuple(_constant(one, constant.get(one.id)) for one in parameters)
    return replace(
        flat,
        parameters=parameters,
        rules=tuple(one for one in rules if not _is_number(one)),
        initial=initial,
        units={what: merged_unit(unit) for what, unit in flat.units.items()},
    )


def _is_number(rule: Rule) -> bool:
    return isinstance(rule, AssignmentRule) and isinstance(rule.expression, Number)


def _constant(one: Parameter, value: Expression | None) -> Parameter:
    """A parameter that a rule gives a number has that number."""
    if not isinstance(value, Number):
        return one
    return replace(one, value=value.value, is_constant=True)


def _rule(rule: Rule, ids: Mapping[str, str]) -> Rule:
    told = _told(rule.expression, ids)
    if isinstance(rule, AssignmentRule | RateRule):
        return replace(rule, target=ids[rule.target], expression=told)
    return replace(rule, expression=told)


def _told(expression: Expression, ids: Mapping[str, str]) -> Expression:
    return rewritten(expression, lambda node: _node(node, ids))


def _ids(network: Network) -> dict[str, str]:
    """Id -> ``component.variable``; names that CellML does not allow get others."""
    own = _fitting(network.id)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for id in sorted(network.ids, key=lambda one: not DOTTED.fullmatch(one)):
        place = id if DOTTED.fullmatch(id) else f"{own}.{_fitting(id)}"
        while place in taken or place.endswith(f".{TIME_NAME}"):
            place += "_"
        taken.add(place)
        found[id] = place
    return found


def _fitting(id: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_]", "_", id)
    return text if re.fullmatch(NAME, text) else f"v_{text}"


def _node(node: Expression, ids: Mapping[str, str]) -> Expression:
    """A node as it is read back: sums of sums are one, long comparisons are pairs."""
    if isinstance(node, Symbol):
        return Symbol(ids[node.id])
    if isinstance(node, Number):
        return apply("minus", Number(-node.value)) if node.value == -float("inf") else node
    if node.function in LACKING or node.function not in FUNCTIONS:
        raise DataError(f"CellML has no function {node.function!r}; write SBML")
    arguments = node.arguments
    if node.function == "quotient":
        ratio = apply("divide", *arguments)
        is_above = apply("geq", ratio, 0)
        return apply("piecewise", apply("floor", ratio), is_above, apply("ceiling", ratio))
    if node.function == "implies":
        return apply("or", apply("not", arguments[0]), arguments[1])
    if node.function in COMPARISONS and len(arguments) > 2:
        return apply("and", *(apply(node.function, *pair) for pair in pairwise(arguments)))
    if node.function in CHAINS and len(arguments) < 2:
        return _short(node)
    if node.function in CHAINS:
        last = arguments[-1]
        if isinstance(last, Apply) and last.function == node.function:
            return Apply(node.function, (*arguments[:-1], *last.arguments))
    return node


def _short(node: Apply) -> Expression:
    """A sum of one part is that part, a sum of none its neutral number."""
    if node.arguments and node.function not in {"and", "or", "xor"}:
        return node.arguments[0]
    if node.arguments:
        return apply("neq", node.arguments[0], 0)
    return Number(1.0 if node.function in {"times", "and"} else 0.0)
