"""A logic network as SBML Level 3 with the package ``qual``."""

from __future__ import annotations

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, Symbol, apply, rewritten, symbols
from cellula.core.logic import Component, LogicNetwork
from cellula.io.mathml import MathMl
from cellula.io.sbml.called import write_called
from cellula.io.sbml.names import Names
from cellula.io.sbml.target import fitting_ids
from cellula.io.xml_text import Attributes, Xml

__all__ = ["logic_text"]

CORE = "http://www.sbml.org/sbml/level3/version1/core"
QUAL = "http://www.sbml.org/sbml/level3/version1/qual/version1"
LOGICAL = {"and", "or", "xor", "not"}


def logic_text(network: LogicNetwork) -> str:
    """The network as SBML-qual; raises DataError on rates, which the package has no place for."""
    if network.rates:
        raise DataError(
            f"SBML-qual has no rates, and logic network {network.id!r} has those of "
            f"{', '.join(list(network.rates)[:3])}; drop them or write another format"
        )
    ids = fitting_ids(network.ids)
    names = Names(ids.values())
    own = fitting_ids((network.id,), ids.values())[network.id]
    place = names.fresh("cell")
    xml = Xml()
    head: Attributes = {
        "xmlns": CORE,
        "xmlns:qual": QUAL,
        "level": "3",
        "version": "1",
        "qual:required": True,
    }
    math = MathMl(ids, is_typed=True, is_older=True)
    with xml.block("sbml", head), xml.block("model", {"id": own}):
        write_called(xml, {**{sid: id for id, sid in ids.items()}, own: network.id})
        with xml.block("listOfCompartments"):
            xml.leaf("compartment", {"id": place, "constant": True})
        with xml.listed("qual:listOfQualitativeSpecies"):
            for one in network.components:
                _write_species(xml, one, ids[one.id], place)
        with xml.listed("qual:listOfTransitions"):
            for one in network.components:
                if one.target is not None:
                    _write_transition(xml, math, one, names.fresh(f"to_{ids[one.id]}"))
    return xml.text


def _write_species(xml: Xml, one: Component, id: str, place: str) -> None:
    told: Attributes = {
        "qual:id": id,
        "qual:compartment": place,
        "qual:name": one.name or None,
        "qual:constant": one.target is None,
        "qual:initialLevel": one.initial,
        "qual:maxLevel": one.max_level,
    }
    xml.leaf("qual:qualitativeSpecies", told)


def _write_transition(xml: Xml, math: MathMl, one: Component, id: str) -> None:
    target = one.target or Number(0.0)
    terms, default = _terms(one, target)
    with xml.block("qual:transition", {"qual:id": id}):
        with xml.listed("qual:listOfInputs"):
            for source in symbols(target):
                told: Attributes = {
                    "qual:qualitativeSpecies": math.called[source],
                    "qual:transitionEffect": "none",
                }
                xml.leaf("qual:input", told)
        with xml.block("qual:listOfOutputs"):
            told = {
                "qual:qualitativeSpecies": math.called[one.id],
                "qual:transitionEffect": "assignmentLevel",
            }
            xml.leaf("qual:output", told)
        with xml.block("qual:listOfFunctionTerms"):
            xml.leaf("qual:defaultTerm", {"qual:resultLevel": default})
            for level, condition in terms:
                told = {"qual:resultLevel": level}
                xml.leaf("qual:functionTerm", told, math.math(_compared(condition), is_truth=True))


def _terms(one: Component, target: Expression) -> tuple[list[tuple[int, Expression]], int]:
    """(level, condition) of every term, and the default level."""
    if isinstance(target, Number):
        return [], _level(one, target)
    if isinstance(target, Apply) and target.function == "piecewise":
        pieces, rest = divmod(len(target.arguments), 2)
        values = [target.arguments[2 * at] for at in range(pieces)]
        if all(isinstance(value, Number) for value in (*values, *target.arguments[2 * pieces :])):
            terms = [
                (_level(one, value), target.arguments[2 * at + 1])
                for at, value in enumerate(values)
            ]
            return terms, _level(one, target.arguments[-1]) if rest else 0
    if one.max_level == 1:
        return [(1, target)], 0
    return [(level, apply("eq", target, level)) for level in range(1, one.max_level + 1)], 0


def _level(one: Component, value: Expression) -> int:
    level = value.value if isinstance(value, Number) else -1.0
    if level != int(level) or not 0 <= level <= one.max_level:
        raise DataError(f"the rule of {one.id!r} goes to level {level} of {one.max_level}")
    return int(level)


def _compared(condition: Expression) -> Expression:
    """Components by themselves, where a truth is expected, as comparisons with their level."""

    def of_truth(node: Expression) -> Expression:
        return apply("geq", node, 1) if isinstance(node, Symbol) else node

    def rule(node: Expression) -> Expression:
        if isinstance(node, Apply) and node.function in LOGICAL:
            return Apply(node.function, tuple(of_truth(one) for one in node.arguments))
        return node

    return of_truth(rewritten(condition, rule))
