"""Trial solutions: a network that keeps what is known at the edges by construction.

u(t, x) = b(t, x) + scale e(t, x) N(t, x): b has the initial value and the boundary values, and e
is zero where they hold, so that no weight has to enforce them [lagaris1998]_. A slope at a
boundary is left to the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, final

import torch
from torch import Tensor

from cellula.core.errors import DataError
from cellula.core.expression import TIME, Expression, Number, apply, rewritten
from cellula.core.physics import Boundary, Field, PhysicsProblem
from cellula.models.hybrid.jet import JetNetwork, Points, jet_expressions, jet_of, product

__all__ = ["Edges", "Start", "Trial", "check_corners", "declared_start"]

#: Points, unknowns -> the jet (parts, points, fields) of the fields at the first time.
Start: TypeAlias = "Callable[[Points, Mapping[str, Tensor]], Tensor]"
#: How far a boundary value may be from the initial value where they meet, relative to the scale.
CORNER = 1e-6


def declared_start(problem: PhysicsProblem) -> Start:
    """The initial values that the problem declares."""
    first = Number(problem.time[0])
    at_first = [_at(one.initial, first) for one in problem.fields]
    jets = [jet_expressions(one, problem.place is not None) for one in at_first]

    def start(points: Points, values: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([jet_of(parts, points, values) for parts in jets], dim=2)

    return start


@final
class Edges:
    """b and e of every field of a problem from a first time to a last.

    is_hard: else b is zero and e is one, and all is left to the loss.
    """

    def __init__(
        self, problem: PhysicsProblem, time: tuple[float, float], start: Start, is_hard: bool
    ) -> None:
        self.problem, self.time, self.start, self.is_hard = problem, time, start, is_hard
        first = Number(time[0])
        self.lifts: list[list[tuple[str, tuple[Expression, ...]]]] = []
        for field in problem.fields:
            made = []
            for name, side in (("left", field.left), ("right", field.right)):
                if side is not None and side.kind == "value":
                    change = _difference(side.expression, _at(side.expression, first))
                    made.append((name, jet_expressions(change, True)))
            self.lifts.append(made)

    def base(self, points: Points, values: Mapping[str, Tensor]) -> Tensor:
        """b: the jet (parts, points, fields)."""
        if not self.is_hard:
            shape = points.parts, len(points), len(self.problem.fields)
            return torch.zeros(shape, dtype=torch.float64, device=points.time.device)
        made = self.start(points, values)
        if points.place is None:
            return made
        columns = []
        for k, lifts in enumerate(self.lifts):
            column = made[:, :, k]
            for name, parts in lifts:
                lift = jet_of(parts, points, values)
                if len(lifts) == 2:
                    lift = product(lift, self._across(points, name == "right"))
                column = column + lift
            columns.append(column)
        return torch.stack(columns, dim=2)

    def envelope(self, points: Points) -> Tensor:
        """e: the jet (parts, points, fields)."""
        shape = points.parts, len(points), len(self.problem.fields)
        made = torch.zeros(shape, dtype=torch.float64, device=points.time.device)
        if not self.is_hard:
            made[0] = 1.0
            return made
        rise = torch.zeros_like(made[:, :, 0])
        rise[0] = (points.time - self.time[0]) / (self.time[1] - self.time[0])
        rise[1] = 1 / (self.time[1] - self.time[0])
        for k, lifts in enumerate(self.lifts):
            column = rise
            for name, _ in lifts:
                column = product(column, 2 * self._across(points, name == "left"))
            made[:, :, k] = column
        return made

    def _across(self, points: Points, rises: bool) -> Tensor:
        """From 0 at the left end to 1 at the right end, or from 1 to 0."""
        left, right = self.problem.place or (0.0, 1.0)
        assert points.place is not None
        made = torch.zeros(points.parts, len(points), dtype=torch.float64).to(points.time.device)
        share = (points.place - left) / (right - left)
        made[0] = share if rises else 1 - share
        made[2] = (1 if rises else -1) / (right - left)
        return made


@final
class Trial:
    """The trial solution of a network on a stretch of time."""

    def __init__(self, network: JetNetwork, edges: Edges, scales: Tensor) -> None:
        self.network, self.edges, self.scales = network, edges, scales

    def jet(self, points: Points, values: Mapping[str, Tensor]) -> Tensor:
        """The jet (parts, points, fields) of the fields."""
        return self.prepared(points)(values)

    def prepared(self, points: Points) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """The same for points that do not change, with all that weights do not touch done once."""
        inputs = self.network.inputs(points)
        envelope = self.edges.envelope(points) * self.scales
        known = None if self.edges.problem.unknowns else self.edges.base(points, {})

        def jet(values: Mapping[str, Tensor]) -> Tensor:
            base = self.edges.base(points, values) if known is None else known
            return base + product(envelope, self.network(inputs))

        return jet


def check_corners(
    problem: PhysicsProblem, values: Mapping[str, Tensor], scales: Sequence[float]
) -> None:
    """Raises DataError where a boundary value does not begin at the initial value."""
    if problem.place is None:
        return
    for field, scale in zip(problem.fields, scales, strict=True):
        for name, end, side in (
            ("left", problem.place[0], field.left),
            ("right", problem.place[1], field.right),
        ):
            if side is None or side.kind != "value":
                continue
            gap = _corner(problem, field, side, end, values)
            if not abs(gap) <= CORNER * scale:
                raise DataError(
                    f"the {name} boundary of {field.id!r} begins {gap:g} away from its initial "
                    'value there; make them meet, or take constraints = "soft"'
                )


def _corner(
    problem: PhysicsProblem, field: Field, side: Boundary, end: float, values: Mapping[str, Tensor]
) -> float:
    place = torch.tensor([end], dtype=torch.float64)
    points = Points(torch.tensor([problem.time[0]], dtype=torch.float64), place)
    told = {id: value.detach().cpu() for id, value in values.items()}
    pair = jet_of((side.expression, field.initial), points, told)
    return float(pair[0, 0] - pair[1, 0])


def _at(expression: Expression, first: Number) -> Expression:
    """The expression at one time."""
    return rewritten(expression, lambda node: first if node == TIME else node)


def _difference(a: Expression, b: Expression) -> Expression:
    return apply("minus", a, b)
