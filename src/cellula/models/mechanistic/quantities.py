"""What every id of a network stands for: which change by themselves, which follow from others.

The amount of a species is what reactions change, so amounts are states, whatever the species'
id stands for; where that is the concentration, the amount is called ``amount(id)`` and the id is
amount / size of the compartment, also when the size changes [hucka2003]_.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cellula.core.derivative import derivative
from cellula.core.errors import DataError
from cellula.core.expression import (
    Apply,
    Expression,
    Number,
    Symbol,
    apply,
    rewritten,
    symbols,
)
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Network,
    Participant,
    RateRule,
    Species,
)
from cellula.core.resolution import names_in

__all__ = [
    "FASTER",
    "Quantities",
    "amount_name",
    "is_told_as_amount",
    "quantities",
    "rate_name",
    "with_named_rates",
    "with_rates",
]

ZERO = Number(0.0)
#: How many times as fast as its rate says a fast reaction runs.
FASTER = 1e8


@dataclass(frozen=True, slots=True)
class Quantities:
    """A network's ids as equations.

    changes: state -> its derivative, of any ids. definitions: what follows from others, by id.
    parameters: what stays as it is but for events and doses. Rates of change that expressions
    ask for are defined under :func:`rate_name`.
    """

    network: Network
    changes: Mapping[str, Expression]
    parameters: tuple[str, ...]
    definitions: Mapping[str, Expression]


def amount_name(one: Species, network: Network) -> str:
    """The name of a species' amount: its id where that is what the id stands for."""
    return one.id if is_told_as_amount(one, network) else f"amount({one.id})"


def rate_name(id: str) -> str:
    """The name of the rate of change of an id."""
    return f"rate({id})"


def is_told_as_amount(one: Species, network: Network) -> bool:
    """Whether the id stands for an amount: asked for, or no volume to divide by."""
    if one.is_amount:
        return True
    place = next(part for part in network.compartments if part.id == one.compartment)
    if place.dimensions != 0 or place.size is not None or place.id in network.initial:
        return False
    return all(isinstance(r, AlgebraicRule) or r.target != place.id for r in network.rules)


def quantities(network: Network) -> Quantities:
    """The equations of a network without functions of its own.

    A fast reaction runs :data:`FASTER` times as fast as its rate says. Raises DataError on a
    species that both reactions and a rule change.
    """
    definitions = dict(_definitions(network))
    changes = dict(_changes(network))
    known = {*definitions, *changes}
    still = tuple(id for id in _bases(network) if id not in known)
    definitions = {id: with_named_rates(one) for id, one in definitions.items()}
    changes = {id: with_named_rates(one) for id, one in changes.items()}
    return Quantities(network, changes, still, definitions)


def with_rates(given: Quantities, also: Iterable[Expression] = ()) -> dict[str, Expression]:
    """The definitions and those of the rates of change that any expression names."""
    asked = [with_named_rates(one) for _, one in given.network.expressions()]
    named = [*given.definitions.values(), *given.changes.values(), *asked, *also]
    return {**given.definitions, **_rates(given, named)}


def _bases(network: Network) -> Iterator[str]:
    """What has a value of its own: sizes, amounts, parameters, stoichiometries."""
    yield from (one.id for one in network.compartments)
    yield from (amount_name(one, network) for one in network.species)
    yield from (one.id for one in network.parameters)
    for reaction in network.reactions:
        for part in (*reaction.reactants, *reaction.products):
            if part.id is not None:
                yield part.id


def _definitions(network: Network) -> Iterator[tuple[str, Expression]]:
    assigned = {
        rule.target: rule.expression for rule in network.rules if isinstance(rule, AssignmentRule)
    }
    yield from assigned.items()
    for one in network.species:
        amount, place = amount_name(one, network), Symbol(one.compartment)
        if amount != one.id and one.id in assigned:
            yield amount, apply("times", Symbol(one.id), place)
        elif amount != one.id:
            yield one.id, apply("divide", Symbol(amount), place)
    for reaction in network.reactions:
        yield reaction.id, ZERO if reaction.rate is None else reaction.rate


def _changes(network: Network) -> Iterator[tuple[str, Expression]]:
    """The derivative of every state."""
    ruled = {
        rule.target: rule for rule in network.rules if isinstance(rule, AssignmentRule | RateRule)
    }
    species = {one.id: one for one in network.species}
    terms = _terms(network)
    for rule in ruled.values():
        if isinstance(rule, RateRule) and rule.target not in species:
            yield rule.target, rule.expression
    for one in network.species:
        changed = one.id in terms and not one.is_boundary and not one.is_constant
        if changed and one.id in ruled:
            raise DataError(
                f"species {one.id!r} follows a rule and is changed by reactions; "
                "make it a boundary species or drop one of the two"
            )
        rule_of_it = ruled.get(one.id)
        if isinstance(rule_of_it, RateRule):
            yield amount_name(one, network), _amount_rate(one, rule_of_it.expression, network)
        elif changed:
            yield amount_name(one, network), apply("plus", *terms[one.id])


def _amount_rate(one: Species, rate: Expression, network: Network) -> Expression:
    """The rate of an amount from that of what the id stands for: (c V)' = c' V + c V'."""
    if is_told_as_amount(one, network):
        return rate
    grown = apply("times", Symbol(one.id), Symbol(rate_name(one.compartment)))
    return apply("plus", apply("times", rate, Symbol(one.compartment)), grown)


def _terms(network: Network) -> dict[str, list[Expression]]:
    """Species -> what each reaction adds to its amount per time."""
    factors = {
        one.id: one.conversion_factor or network.conversion_factor for one in network.species
    }
    terms: dict[str, list[Expression]] = {}
    for reaction in network.reactions:
        for species, count in _net(reaction.reactants, reaction.products).items():
            parts: list[Expression] = [*count, Symbol(reaction.id)]
            factor = factors[species]
            if factor is not None:
                parts.insert(0, Symbol(factor))
            if reaction.is_fast:
                parts.insert(0, Number(FASTER))
            terms.setdefault(species, []).append(
                apply("times", *parts) if len(parts) > 1 else parts[0]
            )
    return terms


def _net(
    reactants: tuple[Participant, ...], products: tuple[Participant, ...]
) -> dict[str, list[Expression]]:
    """Species -> its net stoichiometry, as the factors of a product; none where it is 1."""
    numbers: dict[str, float] = {}
    named: dict[str, list[Expression]] = {}
    for sign, parts in ((-1.0, reactants), (1.0, products)):
        for part in parts:
            if part.id is not None:
                symbol = Symbol(part.id)
                named.setdefault(part.species, []).append(
                    symbol if sign > 0 else apply("minus", symbol)
                )
            elif part.stoichiometry is None:
                raise DataError(f"a stoichiometry of species {part.species!r} is missing")
            numbers.setdefault(part.species, 0.0)
            if part.id is None:
                numbers[part.species] += sign * float(part.stoichiometry or 0.0)
    return {
        species: _factors(number, named.get(species, [])) for species, number in numbers.items()
    }


def _factors(number: float, named: list[Expression]) -> list[Expression]:
    if not named:
        return [] if number == 1.0 else [Number(number)]
    terms = named if number == 0.0 else [*named, Number(number)]
    return [terms[0] if len(terms) == 1 else apply("plus", *terms)]


# -- rates of change that expressions ask for ------------------------------------------------------
def with_named_rates(expression: Expression) -> Expression:
    """``rate_of`` of an id as the id's rate."""

    def named(node: Expression) -> Expression:
        if not isinstance(node, Apply) or node.function != "rate_of":
            return node
        (target,) = node.arguments
        if not isinstance(target, Symbol):
            raise DataError("rate_of takes one id, not a formula or a number")
        return Symbol(rate_name(target.id))

    return rewritten(expression, named)


def _rates(given: Quantities, expressions: list[Expression]) -> dict[str, Expression]:
    """The rates that are named in expressions, and those that these need in turn."""
    ids = {rate_name(id): id for id in (*given.network.ids, *_bases(given.network))}
    found: dict[str, Expression] = {}
    pending = sorted(names_in(expressions) & ids.keys())
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = _rate(ids[name], given)
            pending.extend(id for id in symbols(found[name]) if id in ids)
    return found


def _rate(id: str, given: Quantities) -> Expression:
    """The total derivative of what an id stands for by time."""
    if id in given.changes:
        return given.changes[id]
    definition = given.definitions.get(id)
    if definition is None:
        return ZERO
    terms: list[Expression] = [derivative(definition, None)]
    for name in symbols(definition):
        slope = derivative(definition, name)
        if slope != ZERO:
            terms.append(apply("times", slope, Symbol(rate_name(name))))
    return apply("plus", *terms)
