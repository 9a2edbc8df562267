"""The terms of a physics-informed loss, each a mean of squares without a unit [raissi2019]_."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from cellula.core.expression import Number
from cellula.core.physics import Measured, PhysicsProblem
from cellula.models.hybrid.jet import Points
from cellula.models.hybrid.physics_options import PhysicsOptions
from cellula.models.hybrid.tensor_expression import evaluate
from cellula.models.hybrid.trial import Trial

__all__ = ["TERMS", "Loss", "Residual", "Sought", "scales_of"]

#: Of every loss, in this order; a term that a problem does not have is absent.
TERMS = ("residual", "data", "initial", "boundary")
#: Slices of time in which causal weights are told apart.
SLICES = 20

Jet = Callable[[Mapping[str, Tensor]], Tensor]


def scales_of(problem: PhysicsProblem) -> tuple[float, ...]:
    """How large every field gets: as declared, else by its initial, edge and measured values."""
    middle = {one.id: _middle(one.lower, one.upper, one.is_log) for one in problem.unknowns}
    values = {**problem.parameters, **middle}
    tensors = {id: torch.tensor(value, dtype=torch.float64) for id, value in values.items()}
    low, high = problem.place or (0.0, 0.0)
    tensors["x"] = torch.linspace(low, high, 101, dtype=torch.float64)
    times = torch.linspace(*problem.time, 101, dtype=torch.float64)
    found = []
    for field in problem.fields:
        sides = [one for one in (field.left, field.right) if one and one.kind == "value"]
        told = [evaluate([field.initial], tensors, times[:1])[0]]
        told += [evaluate([side.expression], tensors, times)[0] for side in sides]
        largest = max(float(one.abs().max()) for one in told)
        data = [abs(one.value) for one in problem.data if one.field == field.id]
        found.append(field.scale or max([largest, *data]) or 1.0)
    return tuple(found)


def _middle(lower: float, upper: float, is_log: bool) -> float:
    return float((lower * upper) ** 0.5) if is_log else (lower + upper) / 2


@final
class Sought(nn.Module):
    """Unknown parameters within their bounds, and learned terms."""

    def __init__(self, problem: PhysicsProblem, scales: Tensor) -> None:
        super().__init__()
        self.problem, self.scales = problem, scales
        begin = 0.5 * torch.randn(len(problem.unknowns), dtype=torch.float64)
        self.raw = nn.Parameter(begin)
        self.terms = nn.ModuleList(_learned(len(one.inputs)) for one in problem.learned)

    def values(self) -> dict[str, Tensor]:
        """Every parameter, known or sought."""
        like = self.raw
        found = {id: like.new_tensor(value) for id, value in self.problem.parameters.items()}
        for place, one in enumerate(self.problem.unknowns):
            share = torch.sigmoid(self.raw[place])
            if one.is_log:
                low, high = like.new_tensor(one.lower).log(), like.new_tensor(one.upper).log()
                found[one.id] = torch.exp(low + share * (high - low))
            else:
                found[one.id] = one.lower + share * (one.upper - one.lower)
        return found

    def learned(self, fields: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The learned terms at fields (points,), in units of the largest scale over the time."""
        begin, end = self.problem.time
        unit = float(self.scales.max()) / (end - begin)
        scale = dict(zip(self.problem.ids, self.scales, strict=True))
        found = {}
        for one, network in zip(self.problem.learned, self.terms, strict=True):
            columns = [fields[id] / scale.get(id, 1.0) for id in one.inputs]
            found[one.id] = unit * network(torch.stack(columns, dim=1))[:, 0]
        return found


def _learned(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, 1)).double()


@final
class Residual:
    """(du/dt - D d2u/dx2 - f) T / scale of every field, at points."""

    def __init__(self, problem: PhysicsProblem, scales: Tensor) -> None:
        self.problem = problem
        self.unit = (problem.time[1] - problem.time[0]) / scales
        zero = Number(0.0)
        self.formulas = [
            part for one in problem.fields for part in (one.rate, one.diffusion or zero)
        ]

    def __call__(self, jet: Tensor, points: Points, sought: Sought) -> Tensor:
        """(points, fields) of a jet (parts, points, fields)."""
        values = sought.values()
        for place, id in enumerate(self.problem.ids):
            values[id] = jet[0, :, place]
        if points.place is not None:
            values["x"] = points.place
        values.update(sought.learned(values))
        found = evaluate(self.formulas, values, points.time)
        rows = []
        for place in range(len(self.problem.fields)):
            rate, diffusion = found[2 * place], found[2 * place + 1]
            change = jet[1, :, place] - rate
            rows.append(change if len(jet) == 2 else change - diffusion * jet[3, :, place])
        return torch.stack(rows, dim=1) * self.unit


@final
class Loss:
    """All terms of a problem for a trial solution on a stretch of time.

    inside: where the residual is asked for, sorted by time. sides: what is soft of initial and
    boundary values.
    """

    def __init__(
        self, trial: Trial, sought: Sought, inside: Points, options: PhysicsOptions
    ) -> None:
        problem = trial.edges.problem
        self.trial, self.sought, self.problem, self.options = trial, sought, problem, options
        self.residual = Residual(problem, trial.scales)
        self.inside, self.inside_jet = inside, trial.prepared(inside)
        self.data = _Data.of(trial, problem)
        self.sides = _sides(trial, problem, options.edge_points)
        self.is_causal = options.causality > 0

    def terms(self) -> dict[str, Tensor]:
        """Every term that the problem has, by name, without weights."""
        values = self.sought.values()
        inside = self.residual(self.inside_jet(values), self.inside, self.sought)
        found = {"residual": self._of_residual(inside)}
        if self.data is not None:
            found["data"] = self.data.error(values)
        for name in ("initial", "boundary"):
            parts = [side(values) for kind, side in self.sides if kind == name]
            if parts:
                found[name] = torch.cat(parts).square().mean()
        return found

    def _of_residual(self, rows: Tensor) -> Tensor:
        squares = rows.square().mean(dim=1)
        if not self.is_causal:
            return squares.mean()
        slices = torch.stack([part.mean() for part in torch.tensor_split(squares, SLICES)])
        earlier = torch.cumsum(slices, 0) - slices
        return (torch.exp(-self.options.causality * earlier).detach() * slices).mean()


@final
class _Data:
    """Measurements of the stretch, weighted by 1 / sigma^2 within their field."""

    def __init__(self, trial: Trial, rows: list[Measured], problem: PhysicsProblem) -> None:
        device = trial.scales.device
        column = {id: place for place, id in enumerate(problem.ids)}
        self.field = torch.tensor([column[one.field] for one in rows], device=device)
        self.value = torch.tensor([one.value for one in rows], dtype=torch.float64, device=device)
        sigma = torch.tensor([one.sigma for one in rows], dtype=torch.float64, device=device)
        inverse = 1 / sigma.square()
        means = torch.zeros_like(trial.scales)
        for place in range(len(problem.fields)):
            own = inverse[self.field == place]
            means[place] = own.mean() if len(own) else 1.0
        self.weight = inverse / means[self.field] / trial.scales[self.field].square()
        points = _points(trial, rows)
        self.jet, self.rows = trial.prepared(points), torch.arange(len(rows), device=device)

    @classmethod
    def of(cls, trial: Trial, problem: PhysicsProblem) -> _Data | None:
        """Of the stretch of time of a trial; None without any."""
        first, last = trial.edges.time
        rows = [one for one in problem.data if first <= one.time <= last]
        return cls(trial, rows, problem) if rows else None

    def error(self, values: Mapping[str, Tensor]) -> Tensor:
        found = self.jet(values)[0][self.rows, self.field]
        return (self.weight * (found - self.value).square()).mean()


def _points(trial: Trial, rows: list[Measured]) -> Points:
    like = trial.scales
    time = like.new_tensor([one.time for one in rows])
    if trial.edges.problem.place is None:
        return Points(time)
    return Points(time, like.new_tensor([float(one.place or 0.0) for one in rows]))


def _sides(trial: Trial, problem: PhysicsProblem, n: int) -> list[tuple[str, Jet]]:
    """What is soft: (initial or boundary, values -> differences without a unit (points,))."""
    found: list[tuple[str, Jet]] = []
    is_hard = trial.edges.is_hard
    if not is_hard:
        found.append(("initial", _initial(trial, problem, n)))
    if problem.place is None:
        return found
    span = problem.place[1] - problem.place[0]
    for place, field in enumerate(problem.fields):
        for end, side in zip(problem.place, (field.left, field.right), strict=True):
            if side is None or (is_hard and side.kind == "value"):
                continue
            points = _edge(trial, end, n)
            jet = trial.prepared(points)
            part = 0 if side.kind == "value" else 2
            unit = (1.0 if part == 0 else span) / float(trial.scales[place])
            formula = side.expression

            def gap(
                values: Mapping[str, Tensor],
                jet: Jet = jet,
                at: tuple[int, int] = (part, place),
                unit: float = unit,
                known: tuple[object, Points] = (formula, points),
            ) -> Tensor:
                wanted = evaluate([known[0]], values, known[1].time)[0]  # type: ignore[list-item]
                return (jet(values)[at[0], :, at[1]] - wanted) * unit

            found.append(("boundary", gap))
    return found


def _initial(trial: Trial, problem: PhysicsProblem, n: int) -> Jet:
    like, first = trial.scales, trial.edges.time[0]
    points = Points(like.new_full((1,), first))
    if problem.place is not None:
        place = torch.linspace(*problem.place, n, dtype=torch.float64, device=like.device)
        points = Points(like.new_full((n,), first), place)
    jet = trial.prepared(points)

    def gap(values: Mapping[str, Tensor]) -> Tensor:
        wanted = trial.edges.start(points, values)[0]
        return ((jet(values)[0] - wanted) / trial.scales).reshape(-1)

    return gap


def _edge(trial: Trial, end: float, n: int) -> Points:
    time = torch.linspace(*trial.edges.time, n, dtype=torch.float64, device=trial.scales.device)
    return Points(time, torch.full_like(time, end))
