"""A network with every expression put through one rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cellula.core.expression import Expression
from cellula.core.network import Event, Network, Rule

__all__ = ["with_expressions"]


def with_expressions(network: Network, rule: Callable[[Expression], Expression]) -> Network:
    """The network with ``rule`` applied to all that :meth:`Network.expressions` tells."""

    def event(one: Event) -> Event:
        return replace(
            one,
            trigger=rule(one.trigger),
            assignments={id: rule(given) for id, given in one.assignments.items()},
            delay=None if one.delay is None else rule(one.delay),
            priority=None if one.priority is None else rule(one.priority),
        )

    rules: tuple[Rule, ...] = tuple(
        replace(one, expression=rule(one.expression)) for one in network.rules
    )
    return replace(
        network,
        reactions=tuple(
            one if one.rate is None else replace(one, rate=rule(one.rate))
            for one in network.reactions
        ),
        rules=rules,
        events=tuple(event(one) for one in network.events),
        initial={id: rule(one) for id, one in network.initial.items()},
        constraints=tuple(
            replace(one, expression=rule(one.expression)) for one in network.constraints
        ),
    )
