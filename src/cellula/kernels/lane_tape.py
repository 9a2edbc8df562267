"""A tape run for several cells at once, a lane each: :mod:`~cellula.kernels.tape` side by side."""

from __future__ import annotations

from cellula.kernels.compiled import compiled
from cellula.kernels.lanes import add, divide, load, multiply, store, subtract
from cellula.kernels.tape import ADD, DIV, MUL, SUB, operate

__all__ = ["run_lanes"]


@compiled
def run_lanes(operations, runs, first, last, registers, width):  # type: ignore[no-untyped-def]
    """Do the runs first .. last - 1: registers (n, LANES) in place.

    width: so many lanes hold cells; what is not plain arithmetic is done for those alone.
    """
    for one in range(first, last):
        kind, begin, end = runs[one, 0], runs[one, 1], runs[one, 2]
        if kind == MUL:
            for k in range(begin, end):
                a, b = load(registers, operations[k, 1]), load(registers, operations[k, 2])
                store(registers, operations[k, 0], multiply(a, b))
        elif kind == ADD:
            for k in range(begin, end):
                a, b = load(registers, operations[k, 1]), load(registers, operations[k, 2])
                store(registers, operations[k, 0], add(a, b))
        elif kind == SUB:
            for k in range(begin, end):
                a, b = load(registers, operations[k, 1]), load(registers, operations[k, 2])
                store(registers, operations[k, 0], subtract(a, b))
        elif kind == DIV:
            for k in range(begin, end):
                a, b = load(registers, operations[k, 1]), load(registers, operations[k, 2])
                store(registers, operations[k, 0], divide(a, b))
        else:
            for k in range(begin, end):
                for lane in range(width):
                    registers[operations[k, 0], lane] = operate(
                        kind,
                        registers[operations[k, 1], lane],
                        registers[operations[k, 2], lane],
                        registers[operations[k, 3], lane],
                    )
