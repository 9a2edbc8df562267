"""Writes networks of reactions between counts as BioNetGen does, ``.net``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, final

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, Symbol, symbols
from cellula.core.network import AssignmentRule, Network, Participant, Reaction
from cellula.io.atomic import write_atomically
from cellula.io.bionetgen_net import CELL
from cellula.io.infix import written

__all__ = ["BioNetGenNetWriter"]

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@final
class BioNetGenNetWriter:
    """Writes a network as BioNetGen generates them [harris2016]_, ``.net``.

    What the format can say: species as amounts, whole-numbered reactions whose rate is a
    product of their reactants and of one factor that depends on observables and parameters
    alone, and assignment rules on parameters: sums of species become observables, others
    functions.
    """

    name: ClassVar[str] = "bionetgen_net"
    suffixes: ClassVar[tuple[str, ...]] = (".net",)

    def write(self, content: Any, path: Path) -> None:
        """Write the network. Raises DataError, naming what it is, on what the format lacks."""
        if not isinstance(content, Network):
            raise DataError(f"a .net file holds a Network, not {type(content).__name__}")
        write_atomically(path, ("\n".join(_lines(content)) + "\n").encode())


def _lines(network: Network) -> Iterator[str]:
    _refuse(network)
    numbers = {one.id: number for number, one in enumerate(network.species, 1)}
    groups = {one.target: _group(one, numbers) for one in _rules(network)}
    functions = {one.target: one.expression for one in _rules(network) if not groups[one.target]}
    laws = [_law(reaction, numbers, functions) for reaction in network.reactions]
    yield "# written by cellula"
    yield "begin parameters"
    constants = [one for one in network.parameters if one.id not in groups]
    for number, one in enumerate(constants, 1):
        value = network.initial.get(one.id, None if one.value is None else Number(one.value))
        yield f"    {number} {one.id} {_told(value, one.id)}"
    yield "end parameters"
    yield "begin compartments"
    for place in network.compartments:
        if place.id != CELL:
            size = network.initial.get(place.id, None if place.size is None else Number(place.size))
            yield f"  {place.id} {place.dimensions:g} {_told(size, place.id)}"
    yield "end compartments"
    yield "begin functions"
    for number, (id, expression) in enumerate(functions.items(), 1):
        yield f"    {number} {id}() {_formula(expression, id, numbers, functions)}"
    yield "end functions"
    yield "begin species"
    for number, kind in enumerate(network.species, 1):
        value = network.initial.get(kind.id, None if kind.initial is None else Number(kind.initial))
        pattern = "".join((kind.name or f"{kind.id}()").split())
        fixed = "$" if kind.is_boundary or kind.is_constant else ""
        yield f"    {number} {fixed}{pattern} {_told(value, kind.id)}"
    yield "end species"
    yield "begin reactions"
    for number, (reaction, law) in enumerate(zip(network.reactions, laws, strict=True), 1):
        before = _side(reaction.reactants, reaction, numbers)
        after = _side(reaction.products, reaction, numbers)
        yield f"    {number} {before} {after} {law}" + (
            f" #{reaction.name}" if reaction.name else ""
        )
    yield "end reactions"
    yield "begin groups"
    for number, (id, members) in enumerate(((i, g) for i, g in groups.items() if g), 1):
        yield f"    {number} {id} {','.join(members)}"
    yield "end groups"


def _refuse(network: Network) -> None:
    for what, found in (
        ("events", network.events),
        ("functions with arguments", network.functions),
        ("algebraic, rate or species' rules", len(_rules(network)) < len(network.rules)),
        ("concentrations", any(not one.is_amount for one in network.species)),
        ("conversion factors", network.conversion_factor),
    ):
        if found:
            raise DataError(f"network {network.id!r} has {what}, which a .net file cannot say")
    for id in (one.id for one in network.parameters):
        if not WORD.fullmatch(id):
            raise DataError(f"{id!r} is no name in a .net file; expected letters, digits and _")


def _rules(network: Network) -> list[AssignmentRule]:
    parameters = {one.id for one in network.parameters}
    return [
        one for one in network.rules if isinstance(one, AssignmentRule) and one.target in parameters
    ]


def _group(rule: AssignmentRule, numbers: dict[str, int]) -> list[str]:
    """The members of an observable; empty where the rule is no sum of species."""
    terms: tuple[Expression, ...] = (rule.expression,)
    if isinstance(rule.expression, Apply) and rule.expression.function == "plus":
        terms = rule.expression.arguments
    found: list[str] = []
    for term in terms:
        match term:
            case Symbol(id) if id in numbers:
                found.append(str(numbers[id]))
            case Apply("times", (Number(weight), Symbol(id))) if id in numbers:
                found.append(f"{weight:.17g}*{numbers[id]}")
            case _:
                return []
    return found


def _law(reaction: Reaction, numbers: dict[str, int], functions: dict[str, Expression]) -> str:
    """The rate less the reactants that it is a product with; a new function where it is one."""
    pending = [
        one.species for one in reaction.reactants for _ in range(int(one.stoichiometry or 0))
    ]
    rate = reaction.rate
    if rate is None:
        raise DataError(f"reaction {reaction.id!r} has no rate; a .net file needs one")
    is_product = isinstance(rate, Apply) and rate.function == "times"
    factors = list(rate.arguments) if isinstance(rate, Apply) and is_product else [rate]
    for species in pending:
        if Symbol(species) not in factors:
            raise DataError(
                f"the rate of reaction {reaction.id!r} is no product with its reactant "
                f"{species!r}; a .net file has no other rates"
            )
        factors.remove(Symbol(species))
    rest = Apply("times", tuple(factors)) if len(factors) != 1 else factors[0]
    match rest:
        case Apply("times", ()):
            return "1"
        case Apply("times", (Number(weight), Symbol(id))) if id not in numbers:
            return f"{weight!r}*{id}"
        case Number(value):
            return repr(value)
        case Symbol(id) if id not in numbers:
            return id
    functions[f"rate_of_{reaction.id}"] = rest
    return f"rate_of_{reaction.id}"


def _formula(
    expression: Expression, where: str, numbers: dict[str, int], functions: dict[str, Expression]
) -> str:
    named = [id for id in symbols(expression) if id in numbers]
    if named:
        raise DataError(
            f"the formula of {where!r} names species {named[0]!r}; in a .net file formulas name "
            "observables: add a parameter that follows it by a rule"
        )
    text = "".join(written(expression).split())
    called = {*functions, "time"}
    return WORD.sub(lambda found: found[0] + "()" * (found[0] in called), text)


def _side(side: tuple[Participant, ...], reaction: Reaction, numbers: dict[str, int]) -> str:
    found: list[str] = []
    for one in side:
        if one.stoichiometry is None or one.stoichiometry != int(one.stoichiometry):
            raise DataError(
                f"reaction {reaction.id!r} has {one.stoichiometry} of {one.species!r}; a .net file "
                "has whole numbers"
            )
        found += [str(numbers[one.species])] * int(one.stoichiometry)
    return ",".join(found) or "0"


def _told(value: Expression | None, id: str) -> str:
    if value is None:
        raise DataError(f"{id!r} has no value; a .net file needs one")
    if isinstance(value, Number):
        return f"{value.value:.17g}"
    return "".join(written(value).split())
