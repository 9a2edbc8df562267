"""The stimulus that a model of an excitable cell brings: which id it is, and its pulses.

Published models write their own protocol as a formula of the time, periodic through ``floor`` or
``rem`` and piecewise. What it says is found by evaluating it, so that no naming is relied on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.evaluation import evaluate
from cellula.core.expression import (
    TIME,
    Apply,
    Expression,
    Symbol,
    rewritten,
    symbols,
    walk,
)
from cellula.core.inlined import inlined
from cellula.core.network import AssignmentRule, Network, RateRule
from cellula.core.resolution import resolved
from cellula.io.unit_text import conversion, parsed_unit

__all__ = ["Pulses", "own_pulses", "stimulus_of", "voltage_of", "volts"]

Floats: TypeAlias = NDArray[np.float64]
#: Looks a period; a pulse that is shorter than the way between two is not seen.
LOOKS = 20_000
#: What stands for the time while a formula is evaluated at many times.
CLOCK = "the time"


@final
@dataclass(frozen=True, slots=True)
class Pulses:
    """One rectangular pulse a period: ``level`` from start to start + duration, else ``rest``."""

    period: float
    start: float
    duration: float
    level: float
    rest: float


def stimulus_of(network: Network) -> str:
    """The id that follows a rule of the time and constants alone, in pulses.

    Raises DataError where there is none, or several that others depend on: name it then.
    """
    done = _rules(inlined(network))
    moving = _moving(network, done)
    found = [id for id, one in done.items() if _is_pulsed(one) and not moving & set(symbols(one))]
    users = {
        name
        for rule in network.rules
        if not (isinstance(rule, AssignmentRule) and rule.target in found)
        for name in symbols(rule.expression)
    }
    used = [id for id in found if id in users]
    if len(used) != 1:
        told = ", ".join(used) or "none"
        raise DataError(
            f"network {network.id!r} has no one stimulus, a pulse that depends on the time alone "
            f"({told}); name what is to be paced: stimulus=ID"
        )
    return used[0]


def voltage_of(network: Network) -> str:
    """The id of the one variable with a rate that is in volts.

    Raises DataError where there is none or several: name it then.
    """
    rated = {rule.target for rule in network.rules if isinstance(rule, RateRule)}
    found = [one.id for one in network.parameters if one.id in rated and volts(one.unit)]
    if len(found) != 1:
        raise DataError(
            f"network {network.id!r} has {len(found)} variables in volts that have a rate"
            f" ({', '.join(found[:5]) or 'none'}); name the one to be read: voltage=ID"
        )
    return found[0]


def volts(unit: str) -> float | None:
    """How many volts a unit of a network is (``0.001 volt``); None where it is no such."""
    factors, volt = parsed_unit(unit), parsed_unit("volt")
    return None if factors is None or volt is None else conversion(factors, volt)


def own_pulses(network: Network, stimulus: str) -> Pulses | None:
    """The pulses that the model gives the stimulus; None where it follows no rule.

    Their times are found to the last digits that the formula has. Raises DataError where the
    formula has no period, or within one not exactly one rectangular pulse.
    """
    done = _rules(inlined(network))
    if stimulus not in done:
        return None
    formula = done[stimulus]
    values = {one.id: one.value for one in network.parameters if one.value is not None}
    value = _of_time(formula, values, stimulus)
    period = _period(formula, values, stimulus)
    edges = _edges(value, period)
    rest = float(value(np.array([_middle(edges[-2], edges[-1])]))[0]) + 0.0  # no -0
    return _one_pulse(value, edges, period, rest, stimulus)


def _rules(network: Network) -> dict[str, Expression]:
    rules = [rule for rule in network.rules if isinstance(rule, AssignmentRule)]
    return resolved({rule.target: rule.expression for rule in rules})


def _moving(network: Network, done: Mapping[str, Expression]) -> set[str]:
    constant = {one.id for one in network.parameters if one.is_constant}
    constant |= {one.id for one in network.compartments if one.is_constant}
    return set(network.ids) - constant - set(done)


def _is_pulsed(formula: Expression) -> bool:
    nodes = list(walk(formula))
    has_cases = any(isinstance(node, Apply) and node.function == "piecewise" for node in nodes)
    return has_cases and TIME in nodes


def _of_time(
    formula: Expression, values: Mapping[str, float], id: str
) -> Callable[[Floats], Floats]:
    timed = rewritten(formula, lambda node: Symbol(CLOCK) if node == TIME else node)

    def value(times: Floats) -> Floats:
        try:
            found = evaluate(timed, {**values, CLOCK: times}, 0.0)
        except DataError as error:
            raise DataError(f"the stimulus {id!r} cannot be told from the time: {error}") from error
        return np.array(np.broadcast_to(found, times.shape))

    return value


def _period(formula: Expression, values: Mapping[str, float], id: str) -> float:
    """What the argument of ``floor``, or the divisor of ``rem``, says; one for all of them."""
    found = {float(f"{one:.12g}") for one in _periods(formula, values, id)}
    if len(found) != 1 or not all(np.isfinite(one) and one > 0 for one in found):
        told = ", ".join(f"{one:g}" for one in sorted(found)) or "none"
        raise DataError(
            f"the stimulus {id!r} tells no one period ({told}); give all of it: "
            "period=, duration=, amplitude="
        )
    return found.pop()


def _periods(formula: Expression, values: Mapping[str, float], id: str) -> Iterator[float]:
    for node in walk(formula):
        if not isinstance(node, Apply) or TIME not in walk(node):
            continue
        if node.function == "floor":
            ends = _of_time(node.arguments[0], values, id)(np.array([0.0, 1.0]))
            yield float(1.0 / (ends[1] - ends[0])) if ends[1] != ends[0] else np.inf
        elif node.function == "rem":
            yield float(_of_time(node.arguments[1], values, id)(np.zeros(1))[0])


def _edges(value: Callable[[Floats], Floats], period: float) -> Floats:
    """Where the value changes within three periods, by bisection; the ends of those too."""
    looks = np.linspace(0.0, 3.0 * period, 3 * LOOKS + 1)
    seen = value(looks)
    rows = np.flatnonzero(seen[1:] != seen[:-1])
    low, high, before = looks[rows].copy(), looks[rows + 1].copy(), seen[rows]
    for _ in range(80):
        middle = _middle(low, high)
        is_before = value(middle) == before
        low, high = np.where(is_before, middle, low), np.where(is_before, high, middle)
    plain = [float(f"{one:.12g}") for one in high]
    return np.unique([0.0, *plain, 3.0 * period])


def _middle(low: Floats | float, high: Floats | float) -> Floats:
    return np.asarray(0.5 * (low + high))


def _one_pulse(
    value: Callable[[Floats], Floats], edges: Floats, period: float, rest: float, id: str
) -> Pulses:
    """The first whole pulse, and that it is the only one of its period and comes again."""
    levels = value(_middle(edges[:-1], edges[1:]))
    active = np.flatnonzero(levels != rest)
    whole = [k for k in active if edges[k + 1] < edges[-1]]
    if not whole or len(np.unique(levels)) != 2:
        raise DataError(
            f"the stimulus {id!r} has {len(np.unique(levels))} levels within three periods of "
            f"{period:g}; expected one rectangular pulse a period: give all of it: period=, "
            "duration=, amplitude="
        )
    first = whole[0]
    start, duration = float(edges[first]), float(edges[first + 1] - edges[first])
    starts = edges[whole]
    steps = np.diff(starts)
    if len(steps) and not np.allclose(steps, period, rtol=1e-9):
        raise DataError(
            f"the stimulus {id!r} starts at {', '.join(f'{one:g}' for one in starts)}, and its "
            f"period is {period:g}; expected one pulse a period: give all of it"
        )
    return Pulses(period, start, float(f"{duration:.12g}"), float(levels[first]), rest)
