"""A network on a grid: what reacts in every voxel diffuses to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.field_course import FieldCourse
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import reaction_network
from cellula.core.space import Space
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.mechanistic.reaction_diffusion.diffusion import Diffusion
from cellula.models.mechanistic.reaction_diffusion.local import Local, Reactions, local, started
from cellula.models.mechanistic.reaction_diffusion.options import ReactionDiffusionOptions
from cellula.models.mechanistic.reaction_diffusion.resolved import check_resolved
from cellula.models.mechanistic.reaction_diffusion.splitting import Splitting
from cellula.models.mechanistic.solver import SolverOptions

__all__ = ["ReactionDiffusion"]

Floats = NDArray[np.float64]
#: Reactions in a voxel are solved to this share of the error that a step may have.
SHARE = 0.1


@final
class ReactionDiffusion:
    """du/dt = D lap u + f(u, p, t) on a regular grid of one to three dimensions.

    f: the network's rates, in every voxel as if it were the whole compartment. Space is
    discretised by central differences, of order 2 in the width of a voxel; in time diffusion is
    exact, reactions are solved as ``ode`` does, and the two are joined by symmetric splitting
    [strang1968]_ of controlled error.
    """

    name: ClassVar[str] = "reaction_diffusion"
    options_type: ClassVar[type[ReactionDiffusionOptions]] = ReactionDiffusionOptions
    is_stochastic: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ("hucka2003", "strang1968", "steinebach2023")

    def __init__(self, options: ReactionDiffusionOptions) -> None:
        self.options = options

    def simulate(
        self,
        network: Network | LogicNetwork,
        space: Space,
        times: Floats,
        run: RunContext,
        ids: Sequence[str] = (),
    ) -> FieldCourse:
        """The fields of ``ids``, of all species where none are named, at ``times``.

        Raises as :meth:`fields` does.
        """
        given = reaction_network(network, self.name)
        told = tuple(ids) or tuple(one.id for one in given.species)
        values = np.empty((len(times), len(told), *space.grid.cells))
        for k, found in enumerate(self.fields(given, space, times, run, told)):
            values[k] = found
        return FieldCourse(space.grid, told, np.array(times, np.float64), values)

    def fields(
        self,
        network: Network | LogicNetwork,
        space: Space,
        times: Floats,
        run: RunContext,
        ids: Sequence[str] = (),
    ) -> Iterator[Floats]:
        """The fields at one time after the other, (ids, cells...), for courses larger than memory.

        Raises DataError on times that do not ascend and ids that are unknown, diffuse without
        being able to, or have no value; EngineError, naming place and time, where a voxel has no
        solution or the grid is too coarse.
        """
        given = reaction_network(network, self.name)
        told = tuple(ids) or tuple(one.id for one in given.species)
        _check_times(times)
        for id in told:
            if id not in given.ids:
                raise DataError(f"fields of {id!r} are asked for; network {given.id!r} lacks it")
        moving = [id for id, one in space.diffusion.items() if one > 0]
        made = local(given, told, moving)
        _check_space(made, space)
        states, parameters = started(made, space, float(times[0]), run.child("noise").rng)
        work = Splitting(
            self._reactions(made, space, parameters, run.threads),
            Diffusion.of(space, made.place, made.scale),
            self.options,
        )
        return self._each_time(work, space, times, states, run)

    def _reactions(self, made: Local, space: Space, parameters: Floats, threads: int) -> Reactions:
        share = SHARE if any(space.diffusion.values()) else 1.0
        words = {"rtol": share * self.options.rtol, "atol": share * self.options.atol}
        options = SolverOptions.model_validate(words)
        scales = np.ones(len(made.problem.states))
        for id, column in made.place.items():
            scales[column] = made.scale[id]
        return Reactions(made, space.grid, parameters, scales, options, threads)

    def _each_time(
        self, work: Splitting, space: Space, times: Floats, states: Floats, run: RunContext
    ) -> Iterator[Floats]:
        time = float(times[0])
        yield work.reactions.told(time, states)
        for end in run.progress.track([float(one) for one in times[1:]], "times"):
            with one_blas_thread():  # so that the last bits are those of one thread
                states = work.advance(time, states, end)
            time = end
            for id, coefficient in space.diffusion.items():
                if coefficient > 0 and self.options.largest_jump < 1:
                    field = states[:, work.reactions.made.place[id]].reshape(space.grid.cells)
                    elapsed = time - float(times[0])
                    check_resolved(space, id, field, elapsed, self.options.largest_jump)
            yield work.reactions.told(time, states)


def _check_times(times: Floats) -> None:
    is_good = times.ndim == 1 and len(times) > 0 and bool(np.isfinite(times).all())
    if not is_good or (np.diff(times) <= 0).any():
        raise DataError(f"times of shape {times.shape} are not finite numbers that ascend")


def _check_space(made: Local, space: Space) -> None:
    network = made.system.network
    species = {one.id for one in network.species}
    for what, ids in (("a diffusion coefficient", space.diffusion), ("a held side", space.fixed)):
        for id in ids:
            if id not in species:
                raise DataError(
                    f"{what} is given for {id!r}, which is no species of network {network.id!r}; "
                    f"it has {', '.join(sorted(species))}"
                )
    for id, coefficient in space.diffusion.items():
        if coefficient > 0 and id not in made.place:
            raise DataError(
                f"{id!r} diffuses, but it is constant, a boundary species or follows a rule in "
                f"network {network.id!r}: make it a species that reactions may change"
            )
    for id in space.fixed:
        if not space.diffusion.get(id):
            raise DataError(f"{id!r} is held at a side but does not diffuse; give a coefficient")
