"""A network's reactions in every voxel by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.expression import Expression, Number, substituted
from cellula.core.network import AlgebraicRule, Network, RateRule
from cellula.core.simulation import ParameterTable
from cellula.core.space import Grid, Space, profile_values
from cellula.models.mechanistic.missing import check_start
from cellula.models.mechanistic.problem import Problem, problem
from cellula.models.mechanistic.solver import Cells, SolverOptions, advance
from cellula.models.mechanistic.start import start_values
from cellula.models.mechanistic.system import System, system_of
from cellula.models.mechanistic.tape import Tape, evaluate, tape

__all__ = ["Local", "Reactions", "local", "started"]

Floats = NDArray[np.float64]
#: Voxels that a thread takes at once.
BLOCK = 1024


@final
@dataclass(frozen=True, slots=True)
class Local:
    """The equations of a voxel.

    states: names of what changes by itself; parameters: what stays. place: species -> its state.
    scale: species -> what its state is divided by to give what its id stands for.
    """

    system: System
    problem: Problem
    observed: Tape
    place: Mapping[str, int]
    scale: Mapping[str, float]
    has_reactions: bool


def local(network: Network, ids: tuple[str, ...], moving: Collection[str] = ()) -> Local:
    """The equations of a voxel, and the tape that tells ``ids``; moving: what diffuses.

    Raises EngineError, naming it, on what has no meaning in space here: events, delays, algebraic
    rules, compartments that change; DataError where species of two compartments change.
    """
    system = system_of(_with_idle(network, moving))
    _refuse(system)
    held: dict[str, Expression] = {}
    for name, condition in system.held.items():
        held[name] = substituted(condition, held)
    formulas = [substituted(one, held) for one in system.derivatives]
    parameters = tuple(one for one in system.parameters if one not in system.held)
    made = problem(system.states, parameters, formulas)
    told = [substituted(system.observed[id], held) for id in ids]
    states = {name: k for k, name in enumerate(system.states)}
    place: dict[str, int] = {}
    scale: dict[str, float] = {}
    sizes = {one.id: one.size for one in network.compartments}
    for one in network.species:
        target = system.targets.get(one.id)
        if target is not None and target.name in states:
            place[one.id] = states[target.name]
            scale[one.id] = 1.0 if target.factor is None else float(sizes[one.compartment] or 1.0)
    has_reactions = any(one != Number(0.0) for one in formulas)
    return Local(system, made, tape(told, system.states, parameters), place, scale, has_reactions)


def _with_idle(network: Network, moving: Collection[str]) -> Network:
    """The network in which species that diffuse and do not react are states too."""
    busy = {
        part.species for one in network.reactions for part in (*one.reactants, *one.products)
    } | {rule.target for rule in network.rules if not isinstance(rule, AlgebraicRule)}
    idle = tuple(
        RateRule(one.id, Number(0.0))
        for one in network.species
        if one.id in moving and one.id not in busy and not (one.is_constant or one.is_boundary)
    )
    return replace(network, rules=(*network.rules, *idle)) if idle else network


def _refuse(system: System) -> None:
    network = system.network
    what = ""
    if network.events:
        what = f"event {network.events[0].id!r}: when it happens would differ between voxels"
    elif system.delays:
        what = "delayed values"
    elif system.n_algebraic:
        what = "an algebraic rule"
    moving = [one.id for one in network.compartments if one.id in system.states]
    ruled = [one.id for one in network.compartments if one.id not in system.targets]
    if moving or ruled:
        what = f"compartment {(moving or ruled)[0]!r}, whose size changes"
    if what:
        raise EngineError(
            f"network {network.id!r} has {what}, which a simulation in space does not take; "
            "simulate it well stirred, with 'ode', or take it out"
        )
    names = set(system.states)
    places = {
        one.compartment
        for one in network.species
        if one.id in system.targets and system.targets[one.id].name in names
    }
    if len(places) > 1:
        raise DataError(
            f"species of the compartments {', '.join(sorted(places))} change in network "
            f"{network.id!r}; a grid is one compartment: keep the species of one of them"
        )


@final
@dataclass(slots=True)
class Reactions:
    """All voxels on their way: (voxels, states) in, (voxels, states) out.

    steps: the step that each voxel tries first, which is what is left of the last one; the
    array changes.
    """

    made: Local
    grid: Grid
    parameters: Floats
    scales: Floats
    options: SolverOptions
    threads: int
    steps: Floats = field(default_factory=lambda: np.empty(0))

    def advance(self, time: float, states: Floats, step: float) -> Floats:
        """The states after the reactions of a time ``step`` alone.

        Raises EngineError, naming voxel and time, where one has no solution.
        """
        n = len(states)
        if not self.made.has_reactions:
            return states.copy()
        if len(self.steps) != n:
            self.steps = np.full(n, step)
        end = time + step
        tried = np.maximum(self.steps, 1e-6 * step)
        cells = Cells(
            np.full(n, time), states, self.parameters, np.zeros(n, np.int64), tried, self.scales
        )
        times = np.array([end])
        found = advance(self.made.problem, cells, times, self.options, self.threads, BLOCK)
        wrong = found.failed | ~np.isfinite(found.cells.states).all(axis=1)
        if wrong.any():
            voxel = int(np.argmax(wrong))
            reached = found.cells.time[voxel]
            raise EngineError(
                f"the reactions of the voxel at {self.grid.place(voxel)} have no solution beyond "
                f"time {reached:.6g}: {found.word(voxel)}; the largest value there is "
                f"{np.abs(found.cells.states[voxel]).max():.3g}: does the model blow up?"
            )
        self.steps = found.cells.steps
        return found.cells.states

    def told(self, time: float, states: Floats) -> Floats:
        """What the ids stand for, (ids, cells...)."""
        values = evaluate(self.made.observed, time, states, self.parameters)
        return np.ascontiguousarray(values.T).reshape(-1, *self.grid.cells)


def started(
    made: Local, space: Space, time: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """States and parameters of every voxel: (voxels, states), (voxels, parameters).

    Raises DataError on an initial field of an id that the network lacks or that cannot be set.
    """
    system, network = made.system, made.system.network
    fields: list[Floats] = []
    for id, profile in space.initial.items():
        if id not in system.observed:
            raise DataError(f"a field is given for {id!r}, which network {network.id!r} lacks")
        if id not in system.targets or id in {one.id for one in network.compartments}:
            raise DataError(
                f"a field is given for {id!r}, which is no species or parameter with a value of "
                "its own"
            )
        values = profile_values(profile, space.grid, id)
        if space.noise.get(id):
            values = values * (1 + space.noise[id] * rng.standard_normal(values.shape))
        fields.append(values.ravel())
    n = space.grid.n_voxels
    table = np.stack(fields, axis=1) if fields else np.zeros((n, 0))
    given = start_values(system.start, network, ParameterTable(tuple(space.initial), table), time)
    states, parameters = np.empty((n, len(system.states))), np.empty((n, len(system.parameters)))
    for side, names in ((states, system.states), (parameters, system.parameters)):
        for column, name in enumerate(names):
            side[:, column] = given[name]
    kept = [k for k, name in enumerate(system.parameters) if name not in system.held]
    check_start(system, time, states, _with_held(system, time, states, parameters))
    return states, np.ascontiguousarray(parameters[:, kept])


def _with_held(system: System, time: float, states: Floats, parameters: Floats) -> Floats:
    """The parameters with the conditions that stand in rates as they are at the start."""
    if not system.held:
        return parameters
    found = parameters.copy()
    conditions = tape(list(system.held.values()), system.states, system.parameters)
    values = evaluate(conditions, time, states, parameters)
    for column, name in enumerate(system.held):
        found[:, system.parameters.index(name)] = values[:, column]
    return found
