"""How kernels are compiled whose functions call one another in the innermost loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numba

__all__ = ["Decorator", "compiled"]


class Decorator(Protocol):
    """What compiles a function of plain numbers and arrays."""

    def __call__(self, function: Callable[..., Any]) -> Any:
        """The compiled function, which makes no arrays of its own."""


_njit: Any = numba.njit
#: Without the GIL, x / 0 infinite, and without counts of references to arrays, whose atomic
#: updates at every call took half the time of a step: such a function cannot make arrays.
compiled: Decorator = _njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
