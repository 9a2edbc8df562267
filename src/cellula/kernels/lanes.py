"""Several cells side by side: values of one number a lane, which the processor does as one.

Arrays of lanes are C-contiguous (..., LANES) of float64; a row is the lanes of one number. Every
lane has the arithmetic of IEEE 754 by itself, so no lane's numbers depend on what the others hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir
from numba.core import types

from cellula.kernels.compiled import Decorator

__all__ = [
    "LANES", "add", "divide", "greatest", "load", "multiply", "size", "spread", "store", "subtract",
]  # fmt: skip

#: Four doubles: one register of AVX2, two of SSE2 and NEON. More gains nothing.
LANES = 4
_types: Any = types
_LANES: Any = _types.UniTuple(_types.float64, LANES)
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_TUPLE = ir.ArrayType(ir.DoubleType(), LANES)
_NUMBER = ir.IntType(32)
_intrinsic: Any = numba.extending.intrinsic
#: Makes a function of the generator of its code.
generated: Decorator = _intrinsic
#: What Numba hands to a generator of code: its context, the builder, the types, the values.
Generator = Callable[[Any, Any, Any, Any], Any]


def _packed(builder: Any, lanes: Any) -> Any:
    vector = ir.Constant(_VECTOR, ir.Undefined)
    for k in range(LANES):
        lane = builder.extract_value(lanes, k)
        vector = builder.insert_element(vector, lane, _NUMBER(k))
    return vector


def _unpacked(builder: Any, vector: Any) -> Any:
    lanes = ir.Constant(_TUPLE, ir.Undefined)
    for k in range(LANES):
        lane = builder.extract_element(vector, _NUMBER(k))
        lanes = builder.insert_value(lanes, lane, k)
    return lanes


def _row(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """Where a row stands."""
    array = context.make_array(signature.args[0])(context, builder, values[0])
    rows = builder.bitcast(array.data, _VECTOR.as_pointer())
    return builder.gep(rows, [values[1]])


@generated
def load(_context: Any, array: Any, _place: Any) -> tuple[Any, Generator]:
    """The lanes of a row of an array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        found = builder.load(_row(context, builder, signature, values), align=8)
        return _unpacked(builder, found)

    return _LANES(array, types.uintp), generate


@generated
def store(_context: Any, array: Any, _place: Any, _lanes: Any) -> tuple[Any, Generator]:
    """Write the lanes of a row of an array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _row(context, builder, signature, values)
        builder.store(_packed(builder, values[2]), place, align=8)
        return context.get_dummy_value()

    return types.void(array, types.uintp, _LANES), generate


@generated
def spread(_context: Any, _number: Any) -> tuple[Any, Generator]:
    """The same number in every lane."""

    def generate(_: Any, builder: Any, _signature: Any, values: Any) -> Any:
        lanes = ir.Constant(_TUPLE, ir.Undefined)
        for k in range(LANES):
            lanes = builder.insert_value(lanes, values[0], k)
        return lanes

    return _LANES(types.float64), generate


def _of_two(name: str) -> Any:
    """An operation on the lanes of two values, by its name in LLVM."""

    def typed(_context: Any, _left: Any, _right: Any) -> tuple[Any, Generator]:
        def generate(_: Any, builder: Any, _signature: Any, values: Any) -> Any:
            one, other = (_packed(builder, value) for value in values)
            return _unpacked(builder, getattr(builder, name)(one, other))

        return _LANES(_LANES, _LANES), generate

    return generated(typed)


add, subtract, multiply, divide = map(_of_two, ("fadd", "fsub", "fmul", "fdiv"))


@generated
def greatest(_context: Any, _left: Any, _right: Any) -> tuple[Any, Generator]:
    """The greater of two; the left one where one is not a number."""

    def generate(_: Any, builder: Any, _signature: Any, values: Any) -> Any:
        one, other = (_packed(builder, value) for value in values)
        is_more = builder.fcmp_ordered(">", other, one)
        return _unpacked(builder, builder.select(is_more, other, one))

    return _LANES(_LANES, _LANES), generate


@generated
def size(_context: Any, _lanes: Any) -> tuple[Any, Generator]:
    """The absolute value."""

    def generate(_: Any, builder: Any, _signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        name = f"llvm.fabs.v{LANES}f64"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return _unpacked(builder, builder.call(function, [_packed(builder, values[0])]))

    return _LANES(_LANES), generate
