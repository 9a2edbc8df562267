"""States of models inside a calibrated one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from cellula.core.model import State

__all__ = ["inner_state", "nested_state"]


def nested_state(own: State, parts: Mapping[str, State]) -> State:
    """One state of an own one and others; the arrays of part P are named ``P/NAME``."""
    arrays: dict[str, NDArray[Any]] = dict(own.arrays)
    meta: dict[str, Any] = dict(own.meta)
    for part, state in parts.items():
        arrays |= {f"{part}/{name}": array for name, array in state.arrays.items()}
        meta[part] = dict(state.meta)
    return State(arrays, meta)


def inner_state(state: State, part: str) -> State:
    """The state of a part of :func:`nested_state`."""
    prefix = f"{part}/"
    arrays = {
        name.removeprefix(prefix): array
        for name, array in state.arrays.items()
        if name.startswith(prefix)
    }
    return State(arrays, state.meta[part])
