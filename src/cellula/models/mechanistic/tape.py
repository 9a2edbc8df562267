"""Expressions lowered to a tape: a list of operations with common parts shared.

What depends on parameters alone comes first, so that it need be done once per cell; operations
of one kind are brought together, so that one loop does them (:mod:`cellula.kernels.tape`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Expression
from cellula.kernels.tape import evaluated
from cellula.models.mechanistic.lowering import CONSTANT, DYNAMIC, INPUT, Graph, lowered

__all__ = ["Tape", "evaluate", "tape"]

Floats = NDArray[np.float64]
Integers = NDArray[np.uint32]


@final
@dataclass(frozen=True, slots=True)
class Tape:
    """Operations that turn time, states and parameters into outputs.

    operations: (operations, 4) target and operands, numbers of registers. runs: (runs, 3) kind,
    begin, end; the first ``n_once`` depend on parameters alone. constants: (constants,).
    outputs: (outputs,) registers. Registers: time, states, parameters, constants, results.
    """

    states: tuple[str, ...]
    parameters: tuple[str, ...]
    operations: Integers
    runs: Integers
    n_once: int
    constants: Floats
    outputs: Integers

    @property
    def n_inputs(self) -> int:
        """Time, states and parameters; the register of the first constant."""
        return 1 + len(self.states) + len(self.parameters)

    @property
    def n_registers(self) -> int:
        """How many registers a cell needs."""
        return self.n_inputs + len(self.constants) + len(self.operations)


def tape(
    expressions: Sequence[Expression], states: Sequence[str], parameters: Sequence[str]
) -> Tape:
    """The tape whose outputs are ``expressions`` of the time, the states and the parameters.

    Raises DataError on an id that is neither or both, a function that the network defines
    (inline it first), and ``delay`` and ``rate_of``, which need more than a point in time.
    """
    ids = (*states, *parameters)
    if len(set(ids)) < len(ids):
        twice = sorted({id for id in ids if ids.count(id) > 1})
        raise DataError(
            f"{', '.join(map(repr, twice))} given twice; expected every state and parameter once"
        )
    inputs = {id: register for register, id in enumerate(ids, start=1)}
    graph, places = lowered(expressions, inputs, 1 + len(states))
    used = _used(graph, places)
    once, dynamic = _runs(graph, used, is_dynamic=False), _runs(graph, used, is_dynamic=True)
    order = [place for _, run in (*once, *dynamic) for place in run]
    registers = _registers(graph, order, 1 + len(ids))
    ends = np.cumsum([len(run) for _, run in (*once, *dynamic)], dtype=np.uint32)
    kinds = [kind for kind, _ in (*once, *dynamic)]
    runs = [(k, e - len(r), e) for k, e, (_, r) in zip(kinds, ends, (*once, *dynamic), strict=True)]
    rows = [
        (registers[place], *(registers[one] for one in graph.operations[place][1:]))
        for place in order
    ]
    return Tape(
        tuple(states),
        tuple(parameters),
        np.array(rows, np.uint32).reshape(-1, 4),
        np.array(runs, np.uint32).reshape(-1, 3),
        len(once),
        np.array(graph.constants, np.float64),
        np.array([registers[place] for place in places], np.uint32),
    )


def evaluate(tape: Tape, time: Floats | float, states: Floats, parameters: Floats) -> Floats:
    """The outputs of every cell: (cells, outputs).

    time: (cells,) or one for all; states: (cells, states); parameters: (cells, parameters), or
    (parameters,) for all. Not a number where a function is undefined. Raises DataError on
    another shape.
    """
    given = np.asarray(states, np.float64)
    n, m = len(tape.states), len(tape.parameters)
    if given.ndim != 2 or given.shape[1] != n:
        raise DataError(f"states have shape {given.shape}; expected (cells, {n})")
    shape = np.shape(parameters)
    if shape not in {(m,), (len(given), m)}:
        raise DataError(f"parameters have shape {shape}; expected ({len(given)}, {m}) or ({m},)")
    if np.shape(time) not in {(), (len(given),)}:
        raise DataError(f"time has shape {np.shape(time)}; expected ({len(given)},) or ()")
    inputs = np.empty((len(given), tape.n_inputs))
    inputs[:, 0] = time
    inputs[:, 1 : 1 + n] = given
    inputs[:, 1 + n :] = parameters
    return evaluated(tape.operations, tape.runs, tape.constants, tape.outputs, inputs)


def _used(graph: Graph, places: Iterable[int]) -> list[int]:
    """The operations that the outputs need, operands first."""
    needed = set(places)
    for place in range(len(graph.operations) - 1, -1, -1):
        kind, *operands = graph.operations[place]
        if place in needed and kind not in {INPUT, CONSTANT}:
            needed.update(operands)
    return [p for p in sorted(needed) if graph.operations[p][0] not in {INPUT, CONSTANT}]


def _runs(graph: Graph, used: Sequence[int], *, is_dynamic: bool) -> list[tuple[int, list[int]]]:
    """Operations in an order in which all that one needs comes before it, in runs of one kind.

    The next run is of the kind of which most operations are ready.
    """
    chosen = [place for place in used if (graph.levels[place] == DYNAMIC) is is_dynamic]
    inside = set(chosen)
    takers: dict[int, list[int]] = {place: [] for place in chosen}
    missing: dict[int, int] = {}
    ready: dict[int, list[int]] = {}
    for place in chosen:
        operands = inside.intersection(graph.operations[place][1:])
        missing[place] = len(operands)
        for operand in operands:
            takers[operand].append(place)
        if not operands:
            ready.setdefault(graph.operations[place][0], []).append(place)
    runs: list[tuple[int, list[int]]] = []
    while ready:
        kind = max(ready, key=lambda one: (len(ready[one]), -one))
        run = ready.pop(kind)
        for place in run:  # grows while it is gone through
            for taker in takers[place]:
                missing[taker] -= 1
                if not missing[taker]:
                    its = graph.operations[taker][0]
                    (run if its == kind else ready.setdefault(its, [])).append(taker)
        runs.append((kind, run))
    return runs


def _registers(graph: Graph, order: Sequence[int], n_inputs: int) -> Mapping[int, int]:
    """Place in the graph -> register."""
    registers: dict[int, int] = {}
    for place, (kind, number, *_) in enumerate(graph.operations):
        if kind == INPUT:
            registers[place] = number
        elif kind == CONSTANT:
            registers[place] = n_inputs + number
    first = n_inputs + len(graph.constants)
    registers.update((place, first + k) for k, place in enumerate(order))
    return registers
