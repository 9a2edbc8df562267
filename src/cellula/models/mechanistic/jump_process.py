"""A network lowered to the arrays that the stochastic kernels take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.expression import Expression, Number, Symbol, apply, substituted
from cellula.core.network import Reaction
from cellula.models.mechanistic.jump_network import JumpNetwork, count_of
from cellula.models.mechanistic.mass_action import MassAction, distinct, mass_action
from cellula.models.mechanistic.tape import Tape, tape

__all__ = ["Arrays", "JumpProcess", "jump_process"]

Integers = NDArray[np.int32]
#: What :mod:`cellula.kernels.jump` calls a process.
Arrays: TypeAlias = tuple[NDArray[Any], ...]
#: The order of a species in a propensity that is no mass action: as of three molecules.
UNKNOWN_ORDER = 3.0
#: Counts that a propensity can have without a function.
MOST = 2
#: Two molecules of one kind.
PAIR = -2.0


@final
@dataclass(frozen=True, slots=True)
class JumpProcess:
    """What does not differ between cells.

    states: what a trajectory is told of, counts first, then ids that doses and events change.
    parameters: the other fixed ids. tape: the propensities that are functions. coefficients:
    of every reaction, of states and parameters as they are between doses. observed: every id of
    the network. arrays: see the kernels. n_registers: how many a cell needs.
    """

    described: JumpNetwork
    reactions: tuple[str, ...]
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    tape: Tape
    coefficients: Tape
    observed: Tape
    arrays: Arrays
    n_registers: int

    @property
    def n_counts(self) -> int:
        """How many of the states are counts."""
        return len(self.described.counted)


def jump_process(
    described: JumpNetwork, changeable: Sequence[str], molecules: float
) -> JumpProcess:
    """Lower a network; changeable: fixed ids that doses and events change."""
    network, resolved = described.network, described.resolved()
    reactions = tuple(one.id for one in network.reactions)
    actions = {one.id: _action(one, described) for one in network.reactions}
    found = {
        id: one if one is not None and len(one.factors) <= MOST else None
        for id, one in actions.items()
    }
    counts = tuple(map(count_of, described.counted))
    states = (*counts, *changeable)
    parameters = tuple(id for id in described.fixed if id not in set(changeable))
    functional = [id for id in reactions if found[id] is None]
    propensities = [_propensity(actions[id], resolved[id], resolved) for id in functional]
    program = tape([_times(molecules, one) for one in propensities], states, parameters)
    coefficients = tape(
        [_coefficient(found[id], molecules, resolved) for id in reactions], states, parameters
    )
    told = [resolved.get(id, _stoichiometry(id, described)) for id in network.ids]
    register = {id: 1 + place for place, id in enumerate(counts)}
    slots, offsets = _slots([found[id] for id in reactions], register, program)
    jumps = [described.jumps[id] for id in reactions]
    return JumpProcess(
        described,
        reactions,
        states,
        parameters,
        program,
        coefficients,
        tape(told, states, parameters),
        (
            slots,
            offsets,
            *_jump_arrays(jumps, register),
            *_graph(slots, jumps, register, program),
            _orders(slots, program, len(counts)),
        ),
        program.n_registers + 1,
    )


def _action(reaction: Reaction, described: JumpNetwork) -> MassAction | None:
    if reaction.rate is None:
        return None
    found = mass_action(reaction.rate, described.moving, described.scales)
    if found is None:
        return None
    reactants: dict[str, float] = {}
    for one in reaction.reactants:
        reactants[one.species] = reactants.get(one.species, 0.0) + (one.stoichiometry or 0.0)
    return distinct(found, reactants)


def _propensity(
    action: MassAction | None, rate: Expression, resolved: Mapping[str, Expression]
) -> Expression:
    """The propensity of a reaction without mass action, or with more factors than slots."""
    if action is None:
        return rate
    counts = [apply("minus", Symbol(count_of(id)), offset) for id, offset in action.factors]
    return apply("times", substituted(action.coefficient, resolved), *counts)


def _times(molecules: float, rate: Expression) -> Expression:
    return rate if molecules == 1.0 else apply("times", molecules, rate)


def _coefficient(
    found: MassAction | None, molecules: float, resolved: Mapping[str, Expression]
) -> Expression:
    if found is None:
        return Number(1.0)
    return _times(molecules, substituted(found.coefficient, resolved))


def _stoichiometry(id: str, described: JumpNetwork) -> Expression:
    for reaction in described.network.reactions:
        for one in (*reaction.reactants, *reaction.products):
            if one.id == id and one.stoichiometry is not None:
                return Number(float(one.stoichiometry))
    return Number(float("nan"))


def _slots(
    found: Sequence[MassAction | None], register: Mapping[str, int], program: Tape
) -> tuple[Integers, NDArray[np.float64]]:
    """Registers and offsets of the two factors of every propensity."""
    one, outputs = program.n_registers, iter(program.outputs)
    slots = np.full((len(found), 2), one, np.int32)
    offsets = np.zeros((len(found), 2))
    for row, action in enumerate(found):
        if action is None:
            slots[row, 0] = next(outputs)
            continue
        for place, (species, offset) in enumerate(action.factors):
            slots[row, place], offsets[row, place] = register[count_of(species)], offset
    return slots, offsets


def _jump_arrays(
    jumps: Sequence[Mapping[str, float]], register: Mapping[str, int]
) -> tuple[Integers, Integers, NDArray[np.float64]]:
    changed = [register[count_of(id)] for jump in jumps for id in jump]
    by = [size for jump in jumps for size in jump.values()]
    return _starts(jumps), np.array(changed, np.int32), np.array(by, np.float64)


def _starts(rows: Sequence[Any]) -> Integers:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)


def _reach(program: Tape, n_counts: int) -> list[int]:
    """Of every register, the counts that it depends on, as bits."""
    reach = [0] * (program.n_registers + 1)
    for register in range(1, n_counts + 1):
        reach[register] = 1 << register
    for target, a, b, c in program.operations.tolist():
        reach[target] = reach[a] | reach[b] | reach[c]
    return reach


def _graph(
    slots: Integers,
    jumps: Sequence[Mapping[str, float]],
    register: Mapping[str, int],
    program: Tape,
) -> tuple[Integers, Integers, Integers, Integers, Integers]:
    """What each reaction makes stale: other propensities, and operations; the operations."""
    reach = _reach(program, len(register))
    readers = _by_count([reach[a] | reach[b] for a, b in slots.tolist()], len(register))
    workers = _by_count([reach[row[0]] for row in program.operations.tolist()], len(register))
    changed = [[register[count_of(id)] for id in jump] for jump in jumps]
    reads = [sorted(set().union(*(readers[one] for one in row))) for row in changed]
    work = [sorted(set().union(*(workers[one] for one in row))) for row in changed]
    work.append(list(range(len(program.operations))))
    kinds = np.zeros(len(program.operations), np.int32)
    for kind, begin, end in program.runs:
        kinds[begin:end] = kind
    flat_reads = np.array([one for row in reads for one in row], np.int32)
    flat_work = np.array([one for row in work for one in row], np.int32)
    operations = np.column_stack([kinds, program.operations]).astype(np.int32)
    return _starts(reads), flat_reads, _starts(work), flat_work, operations


def _by_count(reach: Sequence[int], n_counts: int) -> list[list[int]]:
    """Of every register of a count, the rows that depend on it."""
    found: list[list[int]] = [[] for _ in range(n_counts + 1)]
    for row, bits in enumerate(reach):
        while bits:
            lowest = bits & -bits
            found[lowest.bit_length() - 1].append(row)
            bits ^= lowest
    return found


def _orders(slots: Integers, program: Tape, n_counts: int) -> NDArray[np.float64]:
    """The highest order of the reactions of every species, as ``longest_step`` wants it."""
    rank = {0.0: 0, 1.0: 1, 2.0: 2, PAIR: 3, UNKNOWN_ORDER: 4}
    reach = _reach(program, n_counts)
    orders = [0.0] * n_counts
    for a, b in slots.tolist():
        species = {one for one in (a, b) if 1 <= one <= n_counts}
        order = PAIR if a == b else float(sum(1 <= one <= n_counts for one in (a, b)))
        found = dict.fromkeys(species, order)
        for one in (a, b):
            if one > n_counts:
                bits = reach[one]
                while bits:
                    lowest = bits & -bits
                    found[lowest.bit_length() - 1] = UNKNOWN_ORDER
                    bits ^= lowest
        for one, order in found.items():
            if rank[order] > rank[orders[one - 1]]:
                orders[one - 1] = order
    return np.array(orders)
