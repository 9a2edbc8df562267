"""Expressions without the functions that a network defines: every call replaced by the body."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, Apply, Expression, rewritten, substituted, walk
from cellula.core.network import Function, Network
from cellula.core.rewriting import with_expressions

__all__ = ["inlined", "inliner"]


def inliner(functions: Sequence[Function]) -> Callable[[Expression], Expression]:
    """What replaces calls of ``functions`` in an expression; a body may call the others.

    An argument that a body uses often is shared, not copied. Raises DataError, naming them, on
    functions that call one another in a loop, and on a call of a function that is not there.
    """
    bodies: dict[str, Function] = {}

    def expanded(node: Expression) -> Expression:
        if not isinstance(node, Apply) or node.function in FUNCTIONS:
            return node
        if node.function not in bodies:
            raise DataError(
                f"no function {node.function!r}; there are {', '.join(bodies) or 'none'}"
            )
        function = bodies[node.function]
        if len(node.arguments) != len(function.arguments):
            raise DataError(
                f"{node.function!r} is called with {len(node.arguments)} argument(s); "
                f"it has {len(function.arguments)}"
            )
        return substituted(
            function.body, dict(zip(function.arguments, node.arguments, strict=True))
        )

    for function in _callees_first(functions):
        bodies[function.id] = replace(function, body=rewritten(function.body, expanded))
    return lambda expression: rewritten(expression, expanded)


def inlined(network: Network) -> Network:
    """The same network without functions of its own."""
    if not network.functions:
        return network
    return replace(with_expressions(network, inliner(network.functions)), functions=())


def _callees_first(functions: Sequence[Function]) -> Iterator[Function]:
    by_id = {function.id: function for function in functions}
    calls = {
        function.id: {
            node.function
            for node in walk(function.body)
            if isinstance(node, Apply) and node.function in by_id
        }
        for function in functions
    }
    try:
        order = tuple(TopologicalSorter(calls).static_order())
    except CycleError as error:
        loop = " -> ".join(error.args[1])
        raise DataError(f"functions call one another in a loop: {loop}") from None
    return (by_id[id] for id in order)
