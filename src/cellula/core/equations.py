"""A network as equations alone: parameters, rate rules, assignment rules, algebraic rules.

What formats without reactions can say of it. Every id keeps its meaning and its value over time:
a species is a variable, a reaction is what its rate is, and what a reaction changes follows
d(amount)/dt = sum of stoichiometry * rate [hucka2003]_.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import final

from cellula.core.errors import DataError
from cellula.core.expression import (
    Apply,
    Expression,
    Number,
    Symbol,
    apply,
    rewritten,
    symbols,
    walk,
)
from cellula.core.inlined import inlined
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Network,
    Parameter,
    RateRule,
    Reaction,
    Rule,
    Species,
)

__all__ = ["equations"]

#: Unit of what has none.
NO_UNIT = "dimensionless"


def equations(network: Network) -> Network:
    """The same network without compartments, species, reactions, functions and start formulas.

    A start that a formula gives becomes a computed constant: of a constant its own rule, of
    anything else the rule of a parameter ``ID_start`` whose value ``ID`` begins with. Raises
    DataError on what equations cannot say: events, delays, constraints, fast reactions, a
    reaction without a rate, a species in a compartment without a size.
    """
    _check(network)
    made = _Equations(inlined(network))
    made.compartments()
    made.reactions()
    for species in made.network.species:
        made.species(species)
    made.plain()
    return made.whole()


def _check(network: Network) -> None:
    for what, found in (
        ("the event", [one.id or "without id" for one in network.events]),
        ("the constraint", [one.message or "without words" for one in network.constraints]),
        ("the fast reaction", [one.id for one in network.reactions if one.is_fast]),
        ("no rate for the reaction", [one.id for one in network.reactions if one.rate is None]),
    ):
        if found:
            raise DataError(f"equations cannot hold {what} {found[0]!r} of {network.id!r}")
    for where, expression in network.expressions():
        if any(isinstance(node, Apply) and node.function == "delay" for node in walk(expression)):
            raise DataError(f"equations cannot hold the delay in {where}")


@final
@dataclass(slots=True)
class _Equations:
    """Parameters and rules in the making; start: id -> what it begins with."""

    network: Network
    parameters: list[Parameter] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    start: dict[str, Expression] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.taken = set(self.network.ids)
        self.rules = list(self.network.rules)

    @property
    def targets(self) -> dict[str, Rule]:
        """Id -> the rule that it follows."""
        return {one.target: one for one in self.rules if not isinstance(one, AlgebraicRule)}

    def fresh(self, id: str) -> str:
        """An id that nothing has."""
        while id in self.taken:
            id += "_"
        self.taken.add(id)
        return id

    # -- the parts -----------------------------------------------------------------------------
    def compartments(self) -> None:
        for one in self.network.compartments:
            self._add(one.id, one.size, one.unit)

    def reactions(self) -> None:
        for one in self.network.reactions:
            if one.rate is not None:
                self._add(one.id, None, "")
                self.rules.append(AssignmentRule(one.id, one.rate))
            for part in (*one.reactants, *one.products):
                if part.id is not None:
                    self._add(part.id, part.stoichiometry, "")

    def plain(self) -> None:
        for one in self.network.parameters:
            self._add(one.id, one.value, one.unit)

    def species(self, one: Species) -> None:
        moved = None if one.is_boundary or one.is_constant else self._moved(one)
        initial = self._initial(one)
        size = Symbol(one.compartment)
        if one.id in self.targets or one.is_constant or one.is_amount or self._is_fixed(one):
            self._add(one.id, None, one.unit)
            self._begin(one.id, initial)
            if moved is not None and one.id not in self.targets:
                change = moved if one.is_amount else apply("divide", moved, size)
                self.rules.append(RateRule(one.id, change))
            return
        amount = self.fresh(f"{one.id}_amount")
        self.parameters.append(Parameter(amount, None, moved is None, NO_UNIT))
        begin = self.network.initial.get(one.id, initial)
        if begin is not None:
            is_told = one.initial_is_amount and one.id not in self.network.initial
            whole = Number(one.initial or 0.0) if is_told else apply("times", begin, size)
            self.start[amount] = whole
        if moved is not None:
            self.rules.append(RateRule(amount, moved))
        self.parameters.append(Parameter(one.id, None, False, one.unit or NO_UNIT))
        self.rules.append(AssignmentRule(one.id, apply("divide", Symbol(amount), size)))

    def _add(self, id: str, value: float | None, unit: str) -> None:
        self.parameters.append(Parameter(id, None, False, unit or NO_UNIT))
        self._begin(id, None if value is None else Number(value))

    def _begin(self, id: str, value: Expression | None) -> None:
        given = self.network.initial.get(id, value)
        if given is not None:
            self.start[id] = given

    def _is_fixed(self, one: Species) -> bool:
        """Whether the size of its compartment does not change."""
        return one.compartment not in self.targets

    def _initial(self, one: Species) -> Expression | None:
        if one.initial is None or one.initial_is_amount == one.is_amount:
            return None if one.initial is None else Number(one.initial)
        found = next(c for c in self.network.compartments if c.id == one.compartment)
        size: Expression = Symbol(found.id)
        is_number = found.id not in self.network.initial and found.id not in self.targets
        if is_number and found.size is None:
            raise DataError(
                f"compartment {found.id!r} has no size, and species {one.id!r} in it needs one"
            )
        if is_number and found.size is not None:
            value = one.initial * found.size if one.is_amount else one.initial / found.size
            return Number(value)
        return apply("times" if one.is_amount else "divide", one.initial, size)

    def _moved(self, one: Species) -> Expression | None:
        """Sum of stoichiometry * rate over the reactions that it takes part in."""
        terms = [term for r in self.network.reactions for term in _terms(r, one.id)]
        if not terms:
            return None
        total = terms[0] if len(terms) == 1 else apply("plus", *terms)
        factor = one.conversion_factor or self.network.conversion_factor
        return total if factor is None else apply("times", total, Symbol(factor))

    # -- the whole -----------------------------------------------------------------------------
    def whole(self) -> Network:
        """Starts that formulas give become rules; what nothing changes becomes constant."""
        for id in list(self.start):
            self._settle(id)
        states = {one.target for one in self.rules if isinstance(one, RateRule)}
        solved = any(isinstance(one, AlgebraicRule) for one in self.rules)
        parameters = []
        for one in self.parameters:
            follows = one.id in self.targets and one.id not in states
            value = self.start.get(one.id)
            number = value.value if isinstance(value, Number) and not follows else None
            is_still = one.id not in self.targets and not (solved and not self._was_still(one.id))
            parameters.append(replace(one, value=number, is_constant=is_still))
        initial = {
            id: value
            for id, value in self.start.items()
            if not isinstance(value, Number) and id in states
        }
        time = self.network.units.get("time", "")
        return Network(
            self.network.id,
            parameters=tuple(parameters),
            rules=tuple(self.rules),
            initial=initial,
            units={"time": time or NO_UNIT} if states else {},
        )

    def _was_still(self, id: str) -> bool:
        parts = (self.network.compartments, self.network.species, self.network.parameters)
        return any(one.id == id and one.is_constant for part in parts for one in part)

    def _settle(self, id: str) -> None:
        """A start that is a formula: a rule of its own, over constants alone."""
        value = self.start[id]
        if isinstance(value, Number):
            return
        rule = self.targets.get(id)
        if isinstance(rule, AssignmentRule):
            del self.start[id]
            return
        if rule is not None and isinstance(value, Symbol) and self._is_still(value.id):
            return
        settled = self._at_start(value, id)
        if rule is None:
            del self.start[id]
            self.rules.append(AssignmentRule(id, settled))
            return
        helper = self.fresh(f"{id}_start")
        unit = next(one.unit for one in self.parameters if one.id == id)
        self.parameters.append(Parameter(helper, None, False, unit))
        self.rules.append(AssignmentRule(helper, settled))
        self.start[id] = Symbol(helper)

    def _is_still(self, id: str) -> bool:
        """Whether an id is a constant, or computed from constants alone."""
        pending, seen = [id], set[str]()
        while pending:
            name = pending.pop()
            rule = self.targets.get(name)
            if isinstance(rule, RateRule) or isinstance(self.start.get(name), Apply | Symbol):
                return False
            if isinstance(rule, AssignmentRule) and name not in seen:
                if any(node == Apply("time") for node in walk(rule.expression)):
                    return False
                pending.extend(symbols(rule.expression))
            seen.add(name)
        return True

    def _at_start(self, value: Expression, id: str) -> Expression:
        """The formula over what does not change; time is 0 where cells begin."""
        for _ in range(len(self.taken) + 1):
            known = dict(self._known(value))
            value = rewritten(value, partial(_replaced, known=known))
            if not known:
                return value
        raise DataError(f"the start of {id!r} depends on itself; give one of them a number")

    def _known(self, value: Expression) -> Iterator[tuple[str, Expression]]:
        for name in symbols(value):
            told = self._told(name)
            if told is not None:
                yield name, told

    def _told(self, name: str) -> Expression | None:
        """What an id is at the start, where it is no constant with a value or rule of its own."""
        rule = self.targets.get(name)
        if isinstance(rule, AssignmentRule):
            return rule.expression
        if isinstance(rule, RateRule) or not isinstance(self.start.get(name), Number | None):
            return self.start.get(name)
        return None


def _terms(reaction: Reaction, species: str) -> Iterator[Expression]:
    for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
        for part in side:
            if part.species != species:
                continue
            rate = Symbol(reaction.id)
            if part.id is not None:
                term = apply("times", Symbol(part.id), rate)
                yield term if sign > 0 else apply("minus", term)
            elif part.stoichiometry is None:
                raise DataError(
                    f"reaction {reaction.id!r} does not say how many {species!r} it takes"
                )
            elif part.stoichiometry == 1.0:
                yield rate if sign > 0 else apply("minus", rate)
            else:
                yield apply("times", sign * part.stoichiometry, rate)


def _replaced(node: Expression, known: Mapping[str, Expression]) -> Expression:
    if isinstance(node, Symbol):
        return known.get(node.id, node)
    return Number(0.0) if node == Apply("time") else node
