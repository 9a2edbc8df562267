"""ReaDDy: particles that diffuse and react within a radius."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar, final

import numpy as np
import readdy
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import brentq

from cellula.core.errors import EngineError
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.particles import Meeting, ParticleModel, Positions, Segment, particle_courses
from cellula.core.population import gathered
from cellula.core.quiet import quiet_process
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network

__all__ = ["ReaDDy", "ReaDDyOptions"]

Floats = NDArray[np.float64]
#: As package registries call it.
PACKAGE = "readdy"
#: The radius of a reaction of two where none is given: so much of the edge of the box.
RADIUS = 0.1
#: Within a step two particles in reach react with at most about this probability.
LIKELIEST = 0.05
#: More steps than these would not end.
MOST_STEPS = 10_000_000


class ReaDDyOptions(Options):
    """Options of :class:`ReaDDy`."""

    diffusion: dict[str, float] = {}
    """Species -> diffusion coefficient, length^2 per time; 0 where not named."""
    radius: float | None = Field(default=None, gt=0)
    """Within which two particles react; None for a tenth of the edge of the box."""
    step: float | None = Field(default=None, gt=0)
    """Time step; None for one in which two particles in reach react with a probability of 0.05."""


@final
class ReaDDy:
    """ReaDDy on one thread: Doi particles in a periodic cube [hoffmann2019]_.

    Two particles closer than R react at rate l with k = 4 pi D (R - tanh(a R) / a), a^2 = l / D,
    D the sum of both coefficients [erban2009]_. ReaDDy 2.0 takes no seed: equal seeds give other
    courses, and its runs cannot be repeated to the bit. It takes one to two particles to one or
    two, and what it logs is caught.
    """

    name: ClassVar[str] = "readdy"
    package: ClassVar[str] = PACKAGE
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[Options]] = ReaDDyOptions
    references: ClassVar[tuple[str, ...]] = ("hoffmann2019", "erban2009")

    def __init__(self, options: ReaDDyOptions) -> None:
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

        Raises DataError, naming it, on what particles cannot do, EngineError where ReaDDy cannot.
        """
        given = reaction_network(network, self.name)
        run.progress.say("readdy takes no seed: these courses cannot be repeated to the bit")
        asked = (cells, doses, times)
        courses = particle_courses(given, asked, self.options.diffusion, self._walk, run)
        return gathered(given.ids, times, courses, run)

    def _walk(
        self, model: ParticleModel, positions: Positions, segment: Segment, seed: int
    ) -> tuple[Mapping[str, Floats], Positions]:
        radius = self.options.radius or RADIUS * model.edge
        rates = {
            one.id: microscopic_rate(one, _together(model, one), radius) for one in model.reactions
        }
        fastest = max((rates[one.id] for one in model.reactions if len(one.reactants) == 2),
                      default=0.0)  # fmt: skip
        step = self.options.step or min(segment.spacing, LIKELIEST / max(fastest, 1e-300))
        n = max(1, math.ceil(segment.spacing / step - 1e-9))
        if n * segment.n > MOST_STEPS:
            raise EngineError(
                f"within radius {radius:.4g} particles react at rate {fastest:.3g}, which would "
                f"take {n * segment.n} steps; give a larger radius or a longer step"
            )
        rows: list[tuple[int, ...]] = []
        try:
            with quiet_process():
                made = self._built(model, rates, radius)
                for id, at in positions.items():
                    if len(at):
                        made.add_particles(id, at - model.edge / 2)
                made.observe.number_of_particles(
                    n, list(model.counts), callback=lambda found: rows.append(tuple(found))
                )
                made.run(n * segment.n, segment.spacing / n, show_summary=False)
                left = made.current_particles
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"readdy {self.version} has no course: {error}") from error
        counts = np.array(rows[1:], np.float64).reshape(segment.n, len(model.counts))
        places: dict[str, list[Floats]] = {id: [] for id in model.counts}
        for one in left:
            places[one.type].append(one.pos)
        found = {id: np.array(at).reshape(-1, 3) + model.edge / 2 for id, at in places.items()}
        return {id: counts[:, k] for k, id in enumerate(model.counts)}, found

    def _built(self, model: ParticleModel, rates: Mapping[str, float], radius: float) -> Any:
        system = readdy.ReactionDiffusionSystem([model.edge] * 3, unit_system=None)
        for id, coefficient in model.diffusion.items():
            system.add_species(id, coefficient)
        for one in model.reactions:
            if rates[one.id] > 0:
                system.reactions.add(self._written(one, radius), rate=rates[one.id])
        made = system.simulation(kernel="SingleCPU")
        made.show_progress = False
        return made

    def _written(self, one: Meeting, radius: float) -> str:
        """The reaction as ReaDDy writes it."""
        before, after = list(one.reactants), list(one.products)
        match len(before), len(after):
            case 1, 0:
                return f"{one.id}: {before[0]} ->"
            case 1, 1:
                return f"{one.id}: {before[0]} -> {after[0]}"
            case 1, 2:
                return f"{one.id}: {before[0]} -> {after[0]} +({radius!r}) {after[1]}"
            case 2, 1:
                return f"{one.id}: {before[0]} +({radius!r}) {before[1]} -> {after[0]}"
            case 2, 2 if before[0] in after or before[1] in after:
                kept = before[0] if before[0] in after else before[1]
                changed = before[1] if kept == before[0] else before[0]
                after.remove(kept)
                return f"{one.id}: {changed} +({radius!r}) {kept} -> {after[0]} + {kept}"
        raise EngineError(
            f"readdy {self.version} has no reaction of {len(before)} to {len(after)} particles as "
            f"{one.id!r} is; it takes 1 to 0, 1 or 2, 2 to 1, and 2 to 2 where one stays: take "
            "smoldyn"
        )


def _together(model: ParticleModel, one: Meeting) -> float:
    return sum(model.diffusion[id] for id in one.reactants)


def microscopic_rate(one: Meeting, diffusion: float, radius: float) -> float:
    """The rate at which particles react, within ``radius`` where they are two.

    Raises EngineError where diffusion brings them together more slowly than they are to react.
    """
    if len(one.reactants) < 2 or one.constant == 0:
        return one.constant
    most = 4 * math.pi * diffusion * radius
    if one.constant >= 0.99 * most:
        raise EngineError(
            f"reaction {one.id!r} has k = {one.constant:.4g}, and diffusion within radius "
            f"{radius:.4g} allows less than 4 pi D R = {most:.4g}; give larger coefficients "
            "(option diffusion) or a larger radius"
        )

    def excess(a: float) -> float:
        return 4 * math.pi * diffusion * (radius - math.tanh(a * radius) / a) - one.constant

    a = brentq(excess, 1e-6 / radius, 1e6 / radius, xtol=1e-14 / radius, rtol=1e-12)
    return float(diffusion * a * a)
