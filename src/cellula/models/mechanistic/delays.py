"""Delayed values of a network: what they are of, and polynomials that stand for them for a while.

The method of steps: over a stretch that is short beside the delays, what a formula asks of the
past is known. There it is a polynomial of time whose coefficients are parameters of the cell,
so that the solver, the root functions and the events see a plain formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import final

from cellula.core.expression import (
    TIME,
    Apply,
    Expression,
    Number,
    Symbol,
    apply,
    rewritten,
    substituted,
    walk,
)
from cellula.core.network import Network, Parameter
from cellula.core.resolution import in_order, resolved
from cellula.core.rewriting import with_expressions

__all__ = ["DEGREE", "HALF", "MIDDLE", "DelayTerm", "early_values", "resolved_terms", "undelayed"]

#: Degree of the polynomials.
DEGREE = 7
#: Parameters: the middle of the stretch, half its length.
MIDDLE, HALF = "middle of the stretch", "half of the stretch"
ZERO = Number(0.0)


@final
@dataclass(frozen=True, slots=True)
class DelayTerm:
    """``signal`` at a time that is ``lag`` before.

    before: the signal at times up to the start, of the values at the start and the time.
    coefficients: parameters of the polynomial, from the constant up.
    """

    signal: Expression
    lag: Expression
    before: Expression
    coefficients: tuple[str, ...]


@final
@dataclass(slots=True)
class _Delays:
    """Collects the delays of formulas while it replaces them, the inner ones first."""

    terms: list[DelayTerm] = field(default_factory=list)
    polynomials: dict[int, tuple[Apply, Expression]] = field(default_factory=dict)

    def replaced(self, expression: Expression) -> Expression:
        return rewritten(expression, self._node)

    def _node(self, node: Expression) -> Expression:
        if not isinstance(node, Apply) or node.function != "delay":
            return node
        if id(node) not in self.polynomials:
            self.polynomials[id(node)] = (node, self._polynomial(*node.arguments))
        return self.polynomials[id(node)][1]

    def _polynomial(self, signal: Expression, lag: Expression) -> Expression:
        names = tuple(f"delayed value {len(self.terms)}.{k}" for k in range(DEGREE + 1))
        self.terms.append(DelayTerm(signal, lag, ZERO, names))
        place = apply("divide", apply("minus", TIME, Symbol(MIDDLE)), Symbol(HALF))
        value: Expression = Symbol(names[-1])
        for name in reversed(names[:-1]):
            value = apply("plus", Symbol(name), apply("times", place, value))
        return value


def undelayed(network: Network) -> tuple[Network, tuple[DelayTerm, ...]]:
    """The network with a polynomial in place of every delay, and what these stand for.

    The coefficients are parameters of the network that comes back.
    """
    counted = _Delays()
    for _, expression in network.expressions():
        counted.replaced(expression)
    if not counted.terms:
        return network, ()
    names = (MIDDLE, HALF, *(name for term in counted.terms for name in term.coefficients))
    added = tuple(Parameter(name, None, is_constant=False) for name in names)
    delays = _Delays()  # the ids that it puts in place of delays have to be there before
    wider = replace(network, parameters=(*network.parameters, *added))
    return with_expressions(wider, delays.replaced), tuple(delays.terms)


def early_values(
    start: Mapping[str, Expression],
    definitions: Mapping[str, Expression],
    initial: Iterable[str],
) -> dict[str, Expression]:
    """What ids were before the start, of the values at the start and the time.

    start: what gives the values at the start, of which ``initial`` have an assignment of their
    own: where the time is in that, it held before too, as ``definitions`` did; all else stood
    still.
    """
    assigned = {id: start[id] for id in initial}
    all_of_them = resolved({**definitions, **assigned})
    timed = {id: one for id, one in assigned.items() if _has("time", all_of_them[id])}
    return resolved({**definitions, **timed})


def resolved_terms(
    terms: tuple[DelayTerm, ...], done: Mapping[str, Expression], early: Mapping[str, Expression]
) -> tuple[tuple[DelayTerm, ...], dict[str, Expression]]:
    """The terms of states, parameters and time; and what gives their polynomials at the start.

    Raises DataError on delays that need their own value before the start.
    """
    known: dict[str, Expression] = {name: ZERO for one in terms for name in one.coefficients[1:]}
    known.update({MIDDLE: ZERO, HALF: Number(1.0)})
    by_name = {one.coefficients[0]: one for one in terms}
    both = {
        name: apply("plus", *(substituted(side, early) for side in (one.signal, one.lag)))
        for name, one in by_name.items()
    }
    told: dict[str, DelayTerm] = {}
    for name in in_order(both):
        term = by_name[name]
        before = substituted(substituted(term.signal, early), known)
        known[name] = _shifted(before, substituted(substituted(term.lag, early), known))
        told[name] = DelayTerm(
            substituted(term.signal, done), substituted(term.lag, done), before, term.coefficients
        )
    return tuple(told[one.coefficients[0]] for one in terms), known


def _has(function: str, expression: Expression) -> bool:
    return any(isinstance(one, Apply) and one.function == function for one in walk(expression))


def _shifted(expression: Expression, lag: Expression) -> Expression:
    """The expression at a time that is ``lag`` before."""
    earlier = apply("minus", TIME, lag)
    return rewritten(expression, lambda node: earlier if node == TIME else node)
