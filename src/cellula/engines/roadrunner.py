"""libRoadRunner [welsh2023]_: SBML compiled to machine code, a trajectory of every cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, ClassVar, Literal, final

import numpy as np
import roadrunner
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import EngineError
from cellula.core.expression import TIME, walk
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.population import each_cell
from cellula.core.request import check_molecules
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network
from cellula.core.variant import treated
from cellula.io.sbml import sbml_ids, sbml_text

__all__ = ["RoadRunner", "RoadRunnerOptions"]

#: As package registries call it.
PACKAGE = "libroadrunner"
_LOAD: Any = roadrunner.RoadRunner  # roadrunner has no types


class RoadRunnerOptions(Options):
    """Options of :class:`RoadRunner`."""

    method: Literal["ode", "ssa"] = "ode"
    """CVODE, or Gillespie's direct method with molecules counted as whole numbers."""
    rtol: float = Field(default=1e-7, gt=0, lt=1)
    """Relative tolerance of a step."""
    atol: float = Field(default=1e-12, gt=0)
    """Absolute tolerance of a step, in the network's units."""
    max_steps: int = Field(default=100_000, ge=1)
    """Steps between two times."""


@final
class RoadRunner:
    """libRoadRunner [welsh2023]_, on one thread; its memory grows over large populations.

    The model is compiled once and set for every cell; it is compiled for each cell where its
    start depends on what differs: compartments, initial values, triggers. Doses are events.
    Algebraic rules, delays and fast reactions are refused. ``ssa`` takes no doses and no model
    whose events tell the time: roadrunner would carry them out late.
    """

    name: ClassVar[str] = "roadrunner"
    package: ClassVar[str] = PACKAGE
    is_stochastic: ClassVar[bool] = False
    options_type: ClassVar[type[Options]] = RoadRunnerOptions
    references: ClassVar[tuple[str, ...]] = ("welsh2023", "hucka2003")

    def __init__(self, options: RoadRunnerOptions) -> None:
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
        """The trajectory of every cell at ``times``, all ids of the network.

        Raises DataError on an id that cannot be set, EngineError where roadrunner refuses the
        model or a cell has no solution.
        """
        given = reaction_network(network, self.name)
        asked = treated(given, cells, doses, times)
        if self.options.method == "ssa":
            check_molecules(given, cells)
            self._check_events(asked.network)
        select = _selections(asked.network)
        told = [select[id] for id in given.ids]
        shared: Any = None
        courses: list[NDArray[np.float64]] = []
        for cell in each_cell(asked.network, cells, run):
            if cell.network is not None:
                engine = self._loaded(cell.network, told)
            else:
                if shared is None:
                    shared = self._loaded(asked.network, told)
                else:  # a model that has not run yet would carry out events at 0 twice
                    shared.resetToOrigin()
                engine = shared
                for id, value in cell.values.items():
                    engine.setValue(select[id], value)
            if self.options.method == "ssa":
                engine.getIntegrator().setValue("seed", cell.seed)
            courses.append(self._course(engine, asked.at(times), cell.number))
        shape = (len(cells), len(times), len(given.ids))
        values = np.stack(courses) if courses else np.empty(shape)
        return Trajectory(given.ids, times.copy(), values)

    def _check_events(self, network: Network) -> None:
        """Raise EngineError where an event tells the time: its SSA carries it out late."""
        for event in network.events:
            if any(node == TIME for node in walk(event.trigger)):
                raise EngineError(
                    f"roadrunner {self.version} carries out the event {event.id!r} late in a "
                    "stochastic simulation, since its trigger tells the time (doses do); take "
                    "another engine"
                )

    def _loaded(self, network: Network, select: Sequence[str]) -> Any:
        try:
            with _plain():
                engine = _LOAD(sbml_text(network))
            engine.timeCourseSelections = list(select)
        except RuntimeError as error:
            raise EngineError(
                f"roadrunner {self.version} refuses network {network.id!r}: {error}"
            ) from error
        options = self.options
        if options.method == "ssa":
            engine.setIntegrator("gillespie")
            settings: dict[str, Any] = {"variable_step_size": False, "nonnegative": True}
        else:
            settings = {"relative_tolerance": options.rtol, "absolute_tolerance": options.atol}
            settings["maximum_num_steps"] = options.max_steps
        for key, value in settings.items():
            engine.getIntegrator().setValue(key, value)
        return engine

    def _course(self, engine: Any, times: NDArray[np.float64], cell: int) -> NDArray[np.float64]:
        try:
            return np.array(engine.simulate(times=list(times)), np.float64)
        except RuntimeError as error:
            at = engine.getCurrentTime()
            raise EngineError(
                f"roadrunner {self.version} has no solution of cell {cell} at {at:g}: {error}"
            ) from error


@contextmanager
def _plain() -> Iterator[None]:
    """Within this block a loaded model adds no attributes to roadrunner's class.

    It would add one for each of its ids, and one called ``reset`` or ``simulate`` would take the
    place of the method, in all models of this process.
    """
    roadrunner.Logger.disableLogging()
    key = roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES
    before = roadrunner.Config.getValue(key)
    roadrunner.Config.setValue(key, True)
    try:
        yield
    finally:
        roadrunner.Config.setValue(key, before)


def _selections(network: Network) -> dict[str, str]:
    """Id -> what roadrunner calls the value that it stands for in expressions."""
    concentrations = {one.id for one in network.species if not one.is_amount}
    names = sbml_ids(network)
    if "time" in names.values():
        raise EngineError(
            f"network {network.id!r} calls something 'time', for which roadrunner tells the time; "
            "rename it or take another engine"
        )
    return {id: f"[{names[id]}]" if id in concentrations else names[id] for id in network.ids}
