"""exp in compiled loops: a polynomial in float32 that vectorises, the library's in float64."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, overload

__all__ = ["exponential"]


def _bitcast(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    return builder.bitcast(arguments[0], context.get_value_type(types.float32))


@intrinsic
def _float_of_bits(_typing: Any, _bits: Any) -> Any:
    """The float32 with the bits of an int32."""
    return types.float32(types.int32), _bitcast


@numba.njit(cache=True, nogil=True)
def _exp32(z):  # type: ignore[no-untyped-def]
    """exp(z) of a float32 z <= 0, relative error below 3e-7; 0 where z < -87.

    z = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by a polynomial of degree 7, 2^n by its bits.
    """
    low = np.float32(-87.0)
    bounded = max(z, low)
    n = np.int32(bounded * np.float32(1.4426950408889634) - np.float32(0.5))
    whole = np.float32(n)
    r = bounded - whole * np.float32(0.693359375)
    r = r + whole * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(0.5)
    p = p * r * r + r + np.float32(1.0)
    bits = np.int32((n + np.int32(127)) << np.int32(23))
    value = p * _float_of_bits(bits)  # type: ignore[call-arg]
    return value if z > low else np.float32(0.0)


def exponential(z):  # type: ignore[no-untyped-def]
    """exp(z) of z <= 0 in compiled code, in the type of z."""
    return type(z)(math.exp(z))


@overload(exponential)
def _exponential(z):  # type: ignore[no-untyped-def]
    if z == types.float32:
        return lambda z: _exp32(z)
    return lambda z: math.exp(z)
