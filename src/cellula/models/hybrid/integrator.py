"""Ordinary differential equations that gradients pass through: fixed steps of fourth order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeAlias

from torch import Tensor

__all__ = ["Field", "rk4", "states_at"]

#: Time, state (conditions, ...) -> rate of change, shaped like the state.
Field: TypeAlias = Callable[[float, Tensor], Tensor]


def states_at(
    field: Field, state: Tensor, start: float, times: Sequence[float], step: float
) -> list[Tensor]:
    """The states at ascending times after ``start``, with steps of ``step`` at the most.

    state: at ``start``, a row a condition. The gradient is that of the steps themselves. An
    interval is cut into equal steps, so that every time is met exactly.
    """
    found, before = [], start
    for time in times:
        steps = max(1, ceil((time - before) / step - 1e-9))
        state = rk4(field, state, before, time, steps)
        found.append(state)
        before = time
    return found


def rk4(field: Field, state: Tensor, start: float, stop: float, steps: int) -> Tensor:
    """The state at ``stop`` after so many steps of the classical Runge-Kutta method [hairer1993]_.

    The error falls with the fourth power of the step.
    """
    h = (stop - start) / steps
    for number in range(steps):
        t = start + number * h
        first = field(t, state)
        second = field(t + h / 2, state + h / 2 * first)
        third = field(t + h / 2, state + h / 2 * second)
        fourth = field(t + h, state + h * third)
        state = state + h / 6 * (first + 2 * second + 2 * third + fourth)
    return state
