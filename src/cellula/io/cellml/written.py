"""A network as CellML 2.0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, Symbol, symbols, walk
from cellula.core.network import AlgebraicRule, Network, Parameter, RateRule, Rule
from cellula.io.cellml.analysis import analysed
from cellula.io.cellml.form import TIME_NAME, cellml_form
from cellula.io.cellml.units_out import unit_names, write_units
from cellula.io.mathml import NAMESPACE, MathMl
from cellula.io.xml_text import Attributes, Xml

__all__ = ["cellml_text"]

HEAD = "http://www.cellml.org/cellml/2.0#"
NUMBER = ' cellml:units="dimensionless"'


@final
@dataclass(slots=True)
class _Component:
    """name -> its variables: local name -> attributes; called: id -> local name."""

    name: str
    variables: dict[str, Attributes] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)


def cellml_text(network: Network) -> str:
    """A network as CellML 2.0 that libcellml finds valid, read back as ``cellml_form`` of it.

    Numbers in formulas are told as dimensionless, as the network has no units for them. Raises
    DataError on what CellML cannot say, and with libcellml's words on equations that do not
    determine their variables.
    """
    form = cellml_form(network)
    names = unit_names((*(one.unit for one in form.parameters), *form.units.values()))
    components = _components(form, names)
    xml = Xml()
    with xml.block("model", {"xmlns": HEAD, "xmlns:cellml": HEAD, "name": _model_name(form)}):
        write_units(xml, names)
        for one in components.values():
            _write_component(xml, one)
        _write_connections(xml, components)
    analysed(xml.text.encode(), f"CellML of {network.id!r}", None)
    return xml.text


def _model_name(form: Network) -> str:
    text = re.sub(r"[^A-Za-z0-9_]", "_", form.id)
    return text if text and not text[0].isdigit() else f"model_{text}"


def _split(id: str) -> tuple[str, str]:
    component, _, variable = id.partition(".")
    return component, variable


def _components(form: Network, units: Mapping[str, str]) -> dict[str, _Component]:
    """Components with their own variables, then those that their equations need of others."""
    found: dict[str, _Component] = {}
    by_id = {one.id: one for one in form.parameters}
    for one in form.parameters:
        component, variable = _split(one.id)
        part = found.setdefault(component, _Component(component))
        part.variables[variable] = _variable(one, units)
        part.called[one.id] = variable
    for one_rule in form.rules:
        part = found[_home(one_rule)]
        part.rules.append(one_rule)
        _borrow(part, _needs(one_rule), by_id, units)
    for id, value in form.initial.items():
        part = found[_split(id)[0]]
        _borrow(part, symbols(value), by_id, units)
        if not isinstance(value, Symbol):
            raise DataError(f"{id!r} starts at a formula that was not settled")
        told = part.variables[_split(id)[1]]
        part.variables[_split(id)[1]] = {**told, "initial_value": part.called[value.id]}
    if form.units or any(_uses_time(one) for part in found.values() for one in part.rules):
        _add_time(form, found, units)
    return found


def _variable(one: Parameter, units: Mapping[str, str]) -> Attributes:
    told: dict[str, str | float | bool | None] = {"units": units[one.unit]}
    if one.value is not None:
        if not abs(one.value) < float("inf"):
            raise DataError(f"{one.id!r} is {one.value} at the start; CellML needs a number")
        told["initial_value"] = one.value
    return told


def _home(rule: Rule) -> str:
    if isinstance(rule, AlgebraicRule):
        named = symbols(rule.expression)
        if not named:
            raise DataError("an algebraic rule names nothing; drop it")
        return _split(named[0])[0]
    return _split(rule.target)[0]


def _needs(rule: Rule) -> tuple[str, ...]:
    own = () if isinstance(rule, AlgebraicRule) else (rule.target,)
    return (*own, *symbols(rule.expression))


def _borrow(
    part: _Component,
    ids: Iterable[str],
    by_id: Mapping[str, Parameter],
    units: Mapping[str, str],
) -> None:
    for id in ids:
        if id in part.called:
            continue
        component, name = _split(id)
        while name in part.variables or name == TIME_NAME or _is_own(part, name, by_id):
            name = f"{component}_{name}"
        part.variables[name] = {"units": units[by_id[id].unit]}
        part.called[id] = name


def _is_own(part: _Component, name: str, by_id: Mapping[str, Parameter]) -> bool:
    return f"{part.name}.{name}" in by_id


def _uses_time(rule: Rule) -> bool:
    nodes = walk(rule.expression)
    return isinstance(rule, RateRule) or any(
        isinstance(node, Apply) and node.function in {"time", "rate_of"} for node in nodes
    )


def _add_time(form: Network, found: Mapping[str, _Component], units: Mapping[str, str]) -> None:
    if not form.units:
        raise DataError(
            f"network {form.id!r} names the time and nothing changes by a rate: CellML has no "
            "time then; write SBML"
        )
    for part in found.values():
        if any(_uses_time(rule) for rule in part.rules):
            part.variables[TIME_NAME] = {"units": units[form.units["time"]]}
            part.called[TIME_NAME] = TIME_NAME


def _write_component(xml: Xml, part: _Component) -> None:
    math = MathMl(part.called, time=TIME_NAME, number=NUMBER)
    with xml.block("component", {"name": part.name}):
        for name, told in part.variables.items():
            xml.leaf("variable", {"name": name, **told, "interface": "public"})
        if part.rules:
            with xml.block("math", {"xmlns": NAMESPACE[7:-1]}):
                for rule in part.rules:
                    xml.raw(_equation(rule, math))


def _equation(rule: Rule, math: MathMl) -> str:
    right: Expression = rule.expression
    if isinstance(rule, AlgebraicRule):
        left, right = math.inner(right, False), Number(0.0)
    elif isinstance(rule, RateRule):
        left = math.inner(Apply("rate_of", (Symbol(rule.target),)), False)
    else:
        left = math.inner(Symbol(rule.target), False)
    return f"<apply><eq/>{left}{math.inner(right, False)}</apply>"


def _write_connections(xml: Xml, components: Mapping[str, _Component]) -> None:
    """Every borrowed variable with its owner; the time of all with that of the first."""
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = {}
    timed = [part.name for part in components.values() if TIME_NAME in part.called]
    for part in components.values():
        for id, name in part.called.items():
            owner, own = (timed[0], TIME_NAME) if id == TIME_NAME else _split(id)
            if owner != part.name:
                pairs.setdefault((owner, part.name), []).append((own, name))
    joined: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (first, second), maps in pairs.items():
        if (second, first) in joined:
            joined[second, first] += [(b, a) for a, b in maps]
        else:
            joined[first, second] = maps
    for (first, second), maps in joined.items():
        with xml.block("connection", {"component_1": first, "component_2": second}):
            for a, b in maps:
                xml.leaf("map_variables", {"variable_1": a, "variable_2": b})
