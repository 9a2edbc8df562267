"""bngsim: CVODE and Gillespie's direct method over networks that come as SBML."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Literal, final

import bngsim
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import EngineError
from cellula.core.features import refused
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.population import Cell, each_cell, gathered
from cellula.core.request import check_molecules
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network
from cellula.core.variant import Treated, treated
from cellula.io.sbml import sbml_ids, sbml_text

__all__ = ["BngSim", "BngSimOptions"]

#: As package registries call it.
PACKAGE = "bngsim"
#: What bngsim 0.16 gets wrong without a word.
UNKNOWN = ("fixed_in_changing_size",)
#: What bngsim raises on a model or a course that it cannot do.
REFUSALS = (bngsim.BngsimError, RuntimeError, ValueError)


class BngSimOptions(Options):
    """Options of :class:`BngSim`."""

    method: Literal["ode", "ssa"] = "ode"
    """CVODE, or Gillespie's direct method with molecules counted as whole numbers."""
    rtol: float = Field(default=1e-7, gt=0, lt=1)
    """Relative tolerance of a step."""
    atol: float = Field(default=1e-12, gt=0)
    """Absolute tolerance of a step, in the network's units."""
    max_steps: int = Field(default=100_000, ge=1)
    """Steps between two times."""


@final
class BngSim:
    """bngsim on one thread: CVODE with KLU, or Gillespie's direct method [gillespie1977]_.

    The model is read once and set for every cell; it is read for each cell where its start
    depends on what differs: compartments, initial values, triggers. Doses are events. ``ssa``
    refuses what bngsim would round: species that are not whole numbers of molecules, and
    parameters that rules or events change.
    """

    name: ClassVar[str] = "bngsim"
    package: ClassVar[str] = PACKAGE
    is_stochastic: ClassVar[bool] = False
    options_type: ClassVar[type[Options]] = BngSimOptions
    references: ClassVar[tuple[str, ...]] = ("gillespie1977", "hucka2003")

    def __init__(self, options: BngSimOptions) -> None:
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
        """The trajectory of every cell at ``times``; ids that bngsim does not tell are left out.

        Raises DataError on an id that cannot be set, EngineError where bngsim refuses the model
        or a cell has no solution.
        """
        given = reaction_network(network, self.name)
        if self.options.method == "ssa":
            check_molecules(given, cells)
        refused(given, UNKNOWN, f"bngsim {self.version}")
        asked = treated(given, cells, doses, times, has_rates=False)
        courses = self._courses(asked, each_cell(asked.network, cells, run), asked.at(times))
        return gathered(given.ids, times, courses, run)

    def _courses(
        self, asked: Treated, cells: Iterable[Cell], times: NDArray[np.float64]
    ) -> Iterator[dict[str, NDArray[np.float64]]]:
        shared: Any = None
        for cell in cells:
            if cell.network is not None:
                model = self._loaded(cell.network)
            else:
                model = shared = shared or self._loaded(asked.network)
                _set(model, asked.network, cell.values)
            yield self._course(model, asked, times, cell)

    def _loaded(self, network: Network) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model: Any = bngsim.Model.from_sbml_string(sbml_text(network))
        except REFUSALS as error:
            raise EngineError(
                f"bngsim {self.version} refuses network {network.id!r}: {error}"
            ) from error
        self._check_states(model, network)
        return model

    def _check_states(self, model: Any, network: Network) -> None:
        """Raise EngineError where a state is no species: bngsim would round it to molecules."""
        species = {one.id for one in network.species}
        others = [name for name in model.species_names if name not in species]
        if others and self.options.method == "ssa":
            raise EngineError(
                f"bngsim {self.version} would round {others[0]!r} to a whole number in a "
                "stochastic simulation, since a rule, an event or a dose changes it; take another "
                "engine"
            )

    def _course(
        self, model: Any, asked: Treated, times: NDArray[np.float64], cell: Cell
    ) -> dict[str, NDArray[np.float64]]:
        options = self.options
        settings: dict[str, Any] = {"sample_times": list(times)}
        if options.method == "ssa":
            settings |= {"seed": cell.seed}
        else:
            settings |= {"rtol": options.rtol, "atol": options.atol, "max_steps": options.max_steps}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = bngsim.Simulator(model, method=options.method).run(**settings)
        except REFUSALS as error:
            raise EngineError(
                f"bngsim {self.version} has no solution of cell {cell.number}: {error}"
            ) from error
        return _told(model, found, asked)


def _set(model: Any, network: Network, own: Mapping[str, float]) -> None:
    """Set ids to what they stand for in expressions; sizes are not among them."""
    model.reset()
    names = sbml_ids(network)
    amounts = {one.id: one.compartment for one in network.species if one.is_amount}
    for id, value in own.items():
        if id in amounts:
            size = model.get_param(names[amounts[id]])
            model.set_concentration(names[id], value / size)
        elif names[id] in model.species_names:
            model.set_concentration(names[id], value)
        else:
            model.set_param(names[id], value)


def _told(model: Any, found: Any, asked: Treated) -> dict[str, NDArray[np.float64]]:
    """What bngsim tells: constants, what follows rules, states as concentrations, rates."""
    n_times = len(found.time)
    raw = {id: np.full(n_times, float(model.get_param(id))) for id in model.param_names}
    raw |= dict(zip(found.state_names, np.asarray(found.state).T, strict=True))
    raw |= dict(zip(found.species_names, np.asarray(found.species).T, strict=True))
    raw |= dict(zip(found.expression_names, np.asarray(found.expressions).T, strict=True))
    names = sbml_ids(asked.network)
    told = {id: raw[name] for id, name in names.items() if name in raw}
    for one in asked.network.species:
        if one.is_amount and one.id in told and names[one.id] not in found.expression_names:
            told[one.id] = told[one.id] * told[one.compartment]
    return told | {id: told[shadow] for id, shadow in asked.rates.items()}
