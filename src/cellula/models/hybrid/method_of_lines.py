"""A physical problem for the plain solver: nodes in the place, the solver's steps in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Number, Symbol, apply, substituted
from cellula.core.network import AssignmentRule, Network, Parameter, RateRule, Rule
from cellula.core.physics import Boundary, Field, PhysicsProblem
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions

__all__ = ["network_of", "plain_solution"]

Floats = NDArray[np.float64]


def network_of(problem: PhysicsProblem, nodes: int = 201) -> Network:
    """The problem as equations that any simulator solves; unknowns are parameters.

    An ordinary differential equation as it is; else values at ``nodes`` places, evenly apart,
    with central differences, of second order in their distance. A node is called
    ``u_0``, ``u_1``, .... Raises DataError on learned terms, which no formula tells, and on
    fewer than three nodes.
    """
    if problem.learned:
        raise DataError(
            f"problem {problem.id!r} has the learned term {problem.learned[0].id!r}; the plain "
            "solver needs a formula in its place"
        )
    if nodes < 3:
        raise DataError(f"{nodes} nodes tell no curvature; expected 3 or more")
    if problem.place is None:
        places: list[float] = [0.0]
    else:
        places = np.linspace(*problem.place, nodes).tolist()
    still = {one.id: one.lower for one in problem.unknowns} | dict(problem.parameters)
    parameters = [Parameter(id, value) for id, value in still.items()]
    rules: list[Rule] = []
    initial: dict[str, Expression] = {}
    for field in problem.fields:
        for node, place in enumerate(places):
            id = _name(problem, field.id, node)
            parameters.append(Parameter(id, None, is_constant=False))
            rule = _rule(problem, field, node, places)
            rules.append(rule)
            if isinstance(rule, RateRule):
                initial[id] = substituted(field.initial, {"x": Number(place)})
    return Network(problem.id, parameters=tuple(parameters), rules=tuple(rules), initial=initial)


def plain_solution(
    problem: PhysicsProblem,
    values: Mapping[str, float],
    times: Floats,
    run: RunContext,
    *,
    nodes: int = 201,
) -> Floats:
    """The fields (times, nodes, fields) at ``times``, which ascend, by the solver ``ode``.

    values: of the unknowns. One node where the problem has no place. Raises DataError as
    :func:`network_of` does, or where an unknown has no value; EngineError as the solver does.
    """
    missing = [one.id for one in problem.unknowns if one.id not in values]
    if missing:
        raise DataError(f"no value of the unknown {missing[0]!r}; the plain solver needs one")
    network = network_of(problem, nodes)
    grid = np.union1d([problem.time[0]], times)
    cells = ParameterTable(tuple(values), np.array([list(values.values())], dtype=np.float64))
    solver = Ode(SolverOptions(rtol=1e-8, atol=1e-10, max_steps=100_000, max_step=None))
    course = solver.simulate(network, cells, Schedule(), grid, run)
    rows = np.searchsorted(grid, times)
    count = 1 if problem.place is None else nodes
    found = np.empty((len(times), count, len(problem.fields)))
    for column, field in enumerate(problem.fields):
        for node in range(count):
            found[:, node, column] = course.of(_name(problem, field.id, node))[0, rows]
    return found


def _name(problem: PhysicsProblem, id: str, node: int) -> str:
    return id if problem.place is None else f"{id}_{node}"


def _rule(problem: PhysicsProblem, field: Field, node: int, places: list[float]) -> Rule:
    id = _name(problem, field.id, node)
    sides = {0: field.left, len(places) - 1: field.right}
    side = sides.get(node) if problem.place is not None else None
    if side is not None and side.kind == "value":
        return AssignmentRule(id, side.expression)
    here: dict[str, Expression] = {
        other: Symbol(_name(problem, other, node)) for other in problem.ids
    }
    if problem.place is not None:
        here["x"] = Number(places[node])
    terms = [substituted(field.rate, here), *_diffusion(problem, field, node, places, side)]
    return RateRule(id, apply("plus", *terms))


def _diffusion(
    problem: PhysicsProblem, field: Field, node: int, places: list[float], side: Boundary | None
) -> Iterator[Expression]:
    """D d2u/dx2 by central differences; beyond an end with a slope lies a mirrored node."""
    if field.diffusion is None:
        return
    step, last = places[1] - places[0], len(places) - 1
    left, right = (node - 1 if node else 1), (node + 1 if node < last else last - 1)
    names = [Symbol(_name(problem, field.id, one)) for one in (left, node, right)]
    second: Expression = apply("plus", names[0], apply("times", -2, names[1]), names[2])
    if side is not None:
        outwards = -2 * step if node == 0 else 2 * step
        second = apply("plus", second, apply("times", outwards, side.expression))
    yield apply("times", field.diffusion, second, 1 / step**2)
