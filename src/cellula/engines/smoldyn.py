"""Smoldyn: particles that diffuse and react where they meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar, final

import numpy as np
import smoldyn
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import EngineError
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.particles import ParticleModel, Positions, Segment, particle_courses
from cellula.core.population import gathered
from cellula.core.quiet import quiet_process
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network

__all__ = ["Smoldyn", "SmoldynOptions"]

Floats = NDArray[np.float64]
#: As package registries call it.
PACKAGE = "smoldyn"
#: Of the edge of the box, the longest step by diffusion (root mean square) where particles meet.
LONGEST_WALK = 0.05
#: More steps than these would not end.
MOST_STEPS = 10_000_000


class SmoldynOptions(Options):
    """Options of :class:`Smoldyn`."""

    diffusion: dict[str, float] = {}
    """Species -> diffusion coefficient, length^2 per time; 0 where not named."""
    step: float | None = Field(default=None, gt=0)
    """Time step; None for one that takes particles a twentieth of the box, and, where none react
    in pairs, from one time to the next: what one particle does by itself is exact."""


@final
class Smoldyn:
    """Smoldyn in this process: Smoluchowski particles in a periodic cube [andrews2004]_.

    The cube has the volume of the network's compartment. Binding radii are those that Smoldyn
    derives from the macroscopic rate constants and the step. Smoldyn is LGPL: it is an engine and
    no other part knows it. It writes to standard output; that is caught.
    """

    name: ClassVar[str] = "smoldyn"
    package: ClassVar[str] = PACKAGE
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[Options]] = SmoldynOptions
    references: ClassVar[tuple[str, ...]] = ("andrews2004",)

    def __init__(self, options: SmoldynOptions) -> None:
        self.options = options
        self.version = version(PACKAGE)

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        """The trajectory of every cell at ``times``, one after the other.

        Raises DataError, naming it, on what particles cannot do, EngineError where Smoldyn fails.
        """
        given = reaction_network(network, self.name)
        asked = (cells, doses, times)
        courses = particle_courses(given, asked, self.options.diffusion, self._walk, run)
        return gathered(given.ids, times, courses, run)

    def _walk(
        self, model: ParticleModel, positions: Positions, segment: Segment, seed: int
    ) -> tuple[Mapping[str, Floats], Positions]:
        n = max(1, math.ceil(segment.spacing / self._step(model, segment) - 1e-9))
        if n * segment.n > MOST_STEPS:
            raise EngineError(
                f"the course would take {n * segment.n} steps; give a longer one (option step)"
            )
        step = segment.spacing / n
        try:
            with quiet_process():
                made = _built(model, positions, seed, n)
                made.run(segment.spacing * segment.n, step, display=False, overwrite=True)
                rows = np.array(made.getOutputData("counts", 0), np.float64)
                listed = np.array(made.getOutputData("places", 0), np.float64).reshape(-1, 6)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise EngineError(f"smoldyn {self.version} has no course: {error}") from error
        if len(rows) < segment.n + 1:
            raise EngineError(
                f"smoldyn {self.version} told {len(rows)} of {segment.n + 1} times; give a shorter "
                "step"
            )
        names = tuple(model.counts)
        counts = {id: rows[1 : segment.n + 1, 1 + k] for k, id in enumerate(names)}
        return counts, _places(listed, names)

    def _step(self, model: ParticleModel, segment: Segment) -> float:
        if self.options.step is not None:
            return self.options.step
        pairs = [one for one in model.reactions if len(one.reactants) == 2 and one.constant > 0]
        fastest = max((model.diffusion[id] for one in pairs for id in one.reactants), default=0.0)
        if pairs and fastest == 0:
            ids = " and ".join(pairs[0].reactants)
            raise EngineError(
                f"{ids} react and neither diffuses, so they never meet; give coefficients with "
                "the option diffusion"
            )
        if not pairs:
            return segment.spacing
        return min(segment.spacing, (LONGEST_WALK * model.edge) ** 2 / (2 * fastest))


def _built(model: ParticleModel, positions: Positions, seed: int, n: int) -> Any:
    """The simulation, told to count every ``n`` steps and to list all places at the end."""
    edge = [model.edge] * 3
    made = smoldyn.Simulation(low=[0.0] * 3, high=edge, boundary_type="p", log_level=5)
    made.seed = seed
    kinds = {
        id: made.addSpecies(f"s{k}", difc=model.diffusion[id]) for k, id in enumerate(model.counts)
    }
    for k, one in enumerate(model.reactions):
        if one.constant > 0:
            sides = [[kinds[id] for id in side] for side in (one.reactants, one.products)]
            made.addReaction(f"r{k}", *sides, rate=one.constant)
    for id, at in positions.items():
        for place in at.tolist():
            kinds[id].addToSolution(1, pos=place)
    made.addOutputData("counts")
    made.addOutputData("places")
    made.addCommand("molcount counts", "N", step=n)
    made.addCommand("listmols places", "A")
    return made


def _places(listed: Floats, names: tuple[str, ...]) -> Positions:
    """Where particles are, from rows of number of the species from 1, state, x, y, z, serial."""
    kind = listed[:, 0].astype(int)
    return {id: listed[kind == k + 1, 2:5] for k, id in enumerate(names)}
