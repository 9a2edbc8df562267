"""Definitions that name one another, put in order and written in terms of what has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Symbol, substituted, symbols, walk

__all__ = ["in_order", "names_in", "resolved"]


def in_order(definitions: Mapping[str, Expression]) -> tuple[str, ...]:
    """The ids that are defined, each after those that its definition names.

    Raises DataError, naming the loop, where a definition leads back to itself.
    """
    needs = {
        id: [name for name in symbols(expression) if name in definitions]
        for id, expression in definitions.items()
    }
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        loop = " -> ".join(reversed(error.args[1]))
        raise DataError(
            f"values that need one another: {loop}; a model of SBML may not define such a loop, "
            "write it as an algebraic rule"
        ) from None


def resolved(definitions: Mapping[str, Expression]) -> dict[str, Expression]:
    """Every definition in terms of ids that have none; what is used twice is one object."""
    done: dict[str, Expression] = {}
    for id in in_order(definitions):
        done[id] = substituted(definitions[id], done)
    return done


def names_in(expressions: Iterable[Expression]) -> set[str]:
    """All ids that occur."""
    return {node.id for one in expressions for node in walk(one) if isinstance(node, Symbol)}
