"""Fast reactions: at equilibrium at the start, and very much faster than all else from then on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import EngineError
from cellula.core.expression import Apply, Expression, Number, rewritten, walk
from cellula.core.network import AssignmentRule, Network, RateRule, Rule
from cellula.core.resolution import names_in
from cellula.core.rewriting import with_expressions
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Simulator
from cellula.models.mechanistic.setting import setting
from cellula.models.mechanistic.steady_state import SteadyCriterion, steady_state
from cellula.models.mechanistic.system import System
from cellula.models.mechanistic.tape import evaluate, tape

__all__ = ["equilibrated", "fast_part", "has_fast"]

Floats = NDArray[np.float64]

ZERO = Number(0.0)
#: Equilibrium is what changes by no more than this share, and than this share of the greatest
#: amount of the cell.
RTOL, ATOL = 1e-5, 1e-12


def has_fast(network: Network) -> bool:
    """Whether any reaction is fast."""
    return any(one.is_fast for one in network.reactions)


def fast_part(network: Network, time: float) -> Network:
    """The fast reactions alone, while all else stands still at a time.

    Raises EngineError where the rate of a fast reaction names that of one that is not.
    """
    slow = {one.id for one in network.reactions if not one.is_fast}
    for one in network.reactions:
        named = slow & names_in([one.rate]) if one.is_fast and one.rate is not None else set()
        if named:
            raise EngineError(
                f"reaction {one.id!r} is fast and its rate names that of {sorted(named)[0]!r}, "
                "which is not; write that rate out"
            )
    still = with_expressions(network, lambda given: rewritten(given, lambda node: _at(node, time)))
    return replace(
        still,
        reactions=tuple(
            replace(one, is_fast=False) if one.is_fast else replace(one, rate=ZERO)
            for one in still.reactions
        ),
        rules=tuple(_kept(network.rules, still.rules)),
        events=(),
        initial={},
        constraints=(),
    )


def equilibrated(
    system: System, at: tuple[float, Floats, Floats], by: Simulator, run: RunContext
) -> Floats:
    """The states of all cells (cells, n) once the fast reactions are at equilibrium.

    at: a time, states (cells, n) and parameters (cells, m). Raises NotConverged, naming cell and
    id, where they find no equilibrium; EngineError beside delays, of which it is not said whether
    they look back at what was before the equilibrium.
    """
    time, states, parameters = at
    if system.delays:
        raise EngineError(
            f"network {system.network.id!r} has fast reactions beside delays; give the fast ones a "
            "large rate constant and is_fast=False"
        )
    network = system.network
    part = fast_part(network, time)
    dropped = _targets(network) - _targets(part)
    ids = tuple(id for id in network.ids if id in system.targets or id in dropped)
    told = tape([system.observed[id] for id in ids], system.states, system.parameters)
    values = evaluate(told, np.full(len(states), time), states, parameters)
    moved = tuple(one for one in _moved(network) if one in ids)
    columns = [ids.index(id) for id in moved]
    greatest = float(np.nanmax(np.abs(values[:, columns]), initial=0.0))
    criterion = SteadyCriterion(rtol=RTOL, atol=ATOL * greatest)
    found = steady_state(part, ParameterTable(ids, values), moved, (by, criterion), run)
    settled = states.copy()
    where = setting(system, moved, "a fast reaction")
    rows = [network.ids.index(id) for id in moved]
    where.put(np.full(len(states), time), settled, parameters.copy(), found[:, rows])
    return settled


def _at(node: Expression, time: float) -> Expression:
    is_time = isinstance(node, Apply) and node.function == "time"
    return Number(time) if is_time else node


def _kept(rules: tuple[Rule, ...], still: tuple[Rule, ...]) -> Iterator[Rule]:
    """Rules that hold within no time: not rates of change, and none that looks back."""
    for before, one in zip(rules, still, strict=True):
        looks_back = any(
            isinstance(node, Apply) and node.function == "delay" for node in walk(before.expression)
        )
        if not isinstance(one, RateRule) and not looks_back:
            yield one


def _targets(network: Network) -> set[str]:
    return {one.target for one in network.rules if isinstance(one, AssignmentRule)}


def _moved(network: Network) -> Iterator[str]:
    """The species that fast reactions change."""
    parts = {
        part.species
        for one in network.reactions
        if one.is_fast
        for part in (*one.reactants, *one.products)
    }
    for one in network.species:
        if one.id in parts and not one.is_boundary and not one.is_constant:
            yield one.id
