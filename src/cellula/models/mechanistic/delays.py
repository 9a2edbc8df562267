"""Delayed values of a system: what they are of, and polynomials that stand for them for a while.

The method of steps: over a stretch that is short beside the delays, what a formula asks of the
past is known. There it is a polynomial of time whose coefficients are parameters of the cell,
so that the solver, the root functions and the events see a plain formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

from cellula.core.expression import (
    TIME,
    Apply,
    Expression,
    Symbol,
    apply,
    rewritten,
    substituted,
    walk,
)

__all__ = ["DEGREE", "HALF", "MIDDLE", "DelayTerm", "Delays", "before_start", "has_delay"]

#: Degree of the polynomials.
DEGREE = 7
#: Parameters: the middle of the stretch, half its length.
MIDDLE, HALF = "middle of the stretch", "half of the stretch"


@final
@dataclass(frozen=True, slots=True)
class DelayTerm:
    """``signal`` at a time that is ``lag`` before, both of states, parameters and time.

    before: the signal at times up to the start, of the values at the start and the time.
    coefficients: parameters of the polynomial, from the constant up.
    """

    signal: Expression
    lag: Expression
    before: Expression
    coefficients: tuple[str, ...]


@final
@dataclass(slots=True)
class Delays:
    """Collects the delays of formulas while it replaces them."""

    terms: list[DelayTerm] = field(default_factory=list)
    polynomials: dict[int, tuple[Apply, Expression]] = field(default_factory=dict)
    shifted: dict[int, Expression] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """All parameters that the polynomials have."""
        if not self.terms:
            return ()
        return (MIDDLE, HALF, *(name for term in self.terms for name in term.coefficients))

    def replaced(self, expression: Expression) -> Expression:
        """The expression with a polynomial in place of every delay, the inner ones first."""
        return rewritten(expression, self._replaced)

    def _replaced(self, node: Expression) -> Expression:
        if not isinstance(node, Apply) or node.function != "delay":
            return node
        if id(node) not in self.polynomials:
            self.polynomials[id(node)] = (node, self._polynomial(node))
        return self.polynomials[id(node)][1]

    def _polynomial(self, node: Apply) -> Expression:
        signal, lag = node.arguments
        before = rewritten(signal, lambda one: self.shifted.get(id(one), one))
        earlier = rewritten(lag, lambda one: self.shifted.get(id(one), one))
        names = tuple(f"delayed value {len(self.terms)}.{k}" for k in range(DEGREE + 1))
        self.terms.append(DelayTerm(signal, lag, before, names))
        place = apply("divide", apply("minus", TIME, Symbol(MIDDLE)), Symbol(HALF))
        value: Expression = Symbol(names[-1])
        for name in reversed(names[:-1]):
            value = apply("plus", Symbol(name), apply("times", place, value))
        self.shifted[id(value)] = _shifted(before, earlier)
        return value


def before_start(done: Mapping[str, Expression]) -> Callable[[Expression], Expression]:
    """What makes an expression what it is at the start, where delays look at times before.

    Until the start every value is what it is there, but for what follows from time by a rule.
    done: what follows from others, in terms of what does not.
    """
    early = {id: rewritten(one, _undelayed) for id, one in done.items()}

    def rule(node: Expression) -> Expression:
        if not isinstance(node, Apply) or node.function != "delay":
            return node
        signal, lag = node.arguments
        return _shifted(substituted(signal, early), lag)

    return lambda expression: rewritten(expression, rule)


def _undelayed(node: Expression) -> Expression:
    if not isinstance(node, Apply) or node.function != "delay":
        return node
    return _shifted(*node.arguments)


def has_delay(expression: Expression) -> bool:
    """Whether an expression looks at the past."""
    return any(isinstance(one, Apply) and one.function == "delay" for one in walk(expression))


def _shifted(expression: Expression, lag: Expression) -> Expression:
    """The expression at a time that is ``lag`` before."""
    earlier = apply("minus", TIME, lag)
    return rewritten(expression, lambda node: earlier if node == TIME else node)
