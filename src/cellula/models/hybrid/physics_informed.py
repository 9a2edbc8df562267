"""Physics-informed networks: a declared problem solved, and its unknowns found, by a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.errors import DataError
from cellula.core.physics import PhysicsProblem
from cellula.core.run import RunContext
from cellula.models.hybrid.jet import JetNetwork, Points
from cellula.models.hybrid.physics_loss import Loss, Residual, Sought, scales_of
from cellula.models.hybrid.physics_options import PhysicsOptions
from cellula.models.hybrid.physics_training import Convergence, train
from cellula.models.hybrid.trial import Edges, Start, Trial, check_corners, declared_start
from cellula.models.learned.blocks.scope import TorchScope, torch_scope

__all__ = ["PhysicsInformed", "PhysicsSolution"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class PhysicsSolution:
    """What a network found.

    estimates: every unknown. residual: root mean square of (du/dt - D d2u/dx2 - f) T / scale at
    points that were not trained on. data: root mean square of (found - measured) / sigma, None
    without data. convergence: the terms of the loss while it was trained.
    """

    problem: PhysicsProblem
    options: PhysicsOptions
    estimates: Mapping[str, float]
    residual: float
    data: float | None
    convergence: tuple[Convergence, ...]
    trials: tuple[Trial, ...]
    sought: Sought

    def field(self, times: Floats, places: Floats | None = None) -> Floats:
        """The fields on a grid: (times, places, fields); one place where the problem has none.

        Raises DataError on a point outside of the domain.
        """
        time, place = _grid(self.problem, times, places)
        values = _detached(self.sought.values())
        found = np.empty((len(time), len(self.problem.fields)))
        for k, trial in enumerate(self.trials):
            first, last = trial.edges.time
            is_own = (
                (time >= first) if k == len(self.trials) - 1 else (time >= first) & (time < last)
            )
            if is_own.any():
                here = None if place is None else place[is_own]
                with torch.no_grad():
                    jet = trial.jet(_points(time[is_own], here, trial.scales), values)
                found[is_own] = jet[0].cpu().numpy()
        return found.reshape(len(times), -1, len(self.problem.fields))

    def learned(self, id: str, fields: Mapping[str, Floats]) -> Floats:
        """A learned term at values of its inputs, each (points,). Raises DataError on another."""
        term = next((one for one in self.problem.learned if one.id == id), None)
        if term is None:
            raise DataError(f"problem {self.problem.id!r} has no learned term {id!r}")
        columns = {
            one: torch.as_tensor(fields[one], dtype=torch.float64) if one in fields else None
            for term in self.problem.learned
            for one in term.inputs
        }
        length = len(next(iter(fields.values())))
        told = {n: torch.zeros(length).double() if c is None else c for n, c in columns.items()}
        with torch.no_grad():
            return np.asarray(self.sought.learned(told)[id].numpy())


@final
@dataclass(frozen=True, slots=True)
class PhysicsInformed:
    """A network u(t, x) whose residual in the equations is made small [raissi2019]_."""

    name: ClassVar[str] = "physics_informed"
    options_type: ClassVar[type[PhysicsOptions]] = PhysicsOptions
    references: ClassVar[tuple[str, ...]] = ("raissi2019", "lagaris1998", "wang2021", "wang2024")

    options: PhysicsOptions

    def solve(self, problem: PhysicsProblem, run: RunContext) -> PhysicsSolution:
        """Solve a problem; the same seed on one machine gives the same bits.

        Raises DataError where windows and unknowns are asked for together, or an initial and a
        boundary value that are hard do not meet; NotConverged where a term of the loss is no
        number.
        """
        is_sought = bool(problem.unknowns or problem.learned)
        if self.options.windows > 1 and is_sought:
            raise DataError(
                f"problem {problem.id!r} has unknowns, which all of time must tell; found "
                f"windows = {self.options.windows}, expected 1"
            )
        with torch_scope(run, "physics", problem.id) as scope:
            scales = torch.tensor(scales_of(problem), dtype=torch.float64, device=scope.device)
            sought = Sought(problem, scales).to(scope.device)
            if self.options.constraints == "hard":
                check_corners(problem, sought.values(), scales.tolist())
            trials, told = self._windows(problem, sought, scales, scope, run)
            return PhysicsSolution(
                problem,
                self.options,
                {one.id: float(sought.values()[one.id].detach()) for one in problem.unknowns},
                _residual(problem, trials, sought, self.options.points, scope),
                _data_error(problem, trials, sought),
                tuple(told),
                tuple(trials),
                sought,
            )

    def _windows(
        self,
        problem: PhysicsProblem,
        sought: Sought,
        scales: Tensor,
        scope: TorchScope,
        run: RunContext,
    ) -> tuple[list[Trial], list[Convergence]]:
        options = self.options
        start, trials, told = declared_start(problem), list[Trial](), list[Convergence]()
        cuts = np.linspace(*problem.time, options.windows + 1).tolist()
        for window, stretch in enumerate(pairwise(cuts)):
            edges = Edges(problem, stretch, start, options.constraints == "hard")
            domain = [stretch] if problem.place is None else [stretch, problem.place]
            network = JetNetwork(
                domain, options.widths, len(problem.fields), options.fourier, options.frequency
            ).to(scope.device)
            if trials:
                network.load_state_dict(trials[-1].network.state_dict())
            trial = Trial(network, edges, scales)
            inside = _inside(problem, stretch, options.points, scope)
            told += train(Loss(trial, sought, inside, options), options, window, run)
            trials.append(trial)
            start = _continued(trial, stretch[1])
        return trials, told


def _continued(trial: Trial, time: float) -> Start:
    """The end of one window as the start of the next: constant in time."""

    def start(points: Points, values: Mapping[str, Tensor]) -> Tensor:
        at = Points(torch.full_like(points.time, time), points.place)
        with torch.no_grad():
            made = trial.jet(at, values)
        made[1] = 0.0
        return made

    return start


def _inside(
    problem: PhysicsProblem, stretch: tuple[float, float], n: int, scope: TorchScope
) -> Points:
    """Points spread evenly at random, sorted by time."""
    if problem.place is None:
        drawn = torch.rand(n, generator=scope.generator, dtype=torch.float64)
        share = (torch.arange(n, dtype=torch.float64) + drawn) / n
        share[0], share[-1] = 0.0, 1.0
        time = stretch[0] + share * (stretch[1] - stretch[0])
        return Points(time.to(scope.device))
    seed = int(torch.randint(2**31, (), generator=scope.generator))
    engine = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    cloud: Tensor = engine.draw(n, dtype=torch.float64)
    cloud = cloud[torch.argsort(cloud[:, 0])]
    time = stretch[0] + cloud[:, 0] * (stretch[1] - stretch[0])
    place = problem.place[0] + cloud[:, 1] * (problem.place[1] - problem.place[0])
    return Points(time.to(scope.device), place.to(scope.device))


def _residual(
    problem: PhysicsProblem, trials: list[Trial], sought: Sought, n: int, scope: TorchScope
) -> float:
    squares = []
    for trial in trials:
        points = _inside(problem, trial.edges.time, n, scope)
        residual = Residual(problem, trial.scales)
        with torch.no_grad():
            jet = trial.jet(points, sought.values())
            squares.append(residual(jet, points, sought).square().mean())
    return float(torch.stack(squares).mean().sqrt())


def _data_error(problem: PhysicsProblem, trials: list[Trial], sought: Sought) -> float | None:
    if not problem.data:
        return None
    squares, values = [], _detached(sought.values())
    for row in problem.data:
        trial = next((one for one in trials if row.time <= one.edges.time[1]), trials[-1])
        place = None if row.place is None else np.array([row.place])
        with torch.no_grad():
            jet = trial.jet(_points(np.array([row.time]), place, trial.scales), values)
        found = float(jet[0, 0, problem.ids.index(row.field)])
        squares.append(((found - row.value) / row.sigma) ** 2)
    return float(np.sqrt(np.mean(squares)))


def _grid(
    problem: PhysicsProblem, times: Floats, places: Floats | None
) -> tuple[Floats, Floats | None]:
    if (places is None) != (problem.place is None):
        needs = "no places" if problem.place is None else "places"
        raise DataError(f"problem {problem.id!r} needs {needs} beside times")
    for name, given, span in (("time", times, problem.time), ("place", places, problem.place)):
        if given is not None and span is not None:
            outside = given[~((given >= span[0]) & (given <= span[1]))]
            if len(outside):
                raise DataError(
                    f"{name} {outside[0]:g} is outside of the domain of {problem.id!r}, "
                    f"{span[0]:g} to {span[1]:g}"
                )
    if places is None:
        return times, None
    return np.repeat(times, len(places)), np.tile(places, len(times))


def _points(time: Floats, place: Floats | None, like: Tensor) -> Points:
    def made(column: Floats) -> Tensor:
        return torch.as_tensor(column, dtype=torch.float64, device=like.device)

    return Points(made(time), None if place is None else made(place))


def _detached(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {id: value.detach() for id, value in values.items()}
