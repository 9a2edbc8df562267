"""COPASI [hoops2006]_: LSODA and stochastic methods, an engine to compare others with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar, Literal, final

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
from cellula.engines.copasi.library import COPASI, kept_locale
from cellula.io.sbml import sbml_ids, sbml_text

__all__ = ["Copasi", "CopasiOptions"]

#: As package registries call it.
PACKAGE = "python-copasi"
_COPASI: Any = COPASI  # it has no types
#: What COPASI 4.48 imports without a word and simulates as if it were not there.
UNKNOWN = (
    "algebraic_rule",
    "delay",
    "rate_of",
    "conversion_factor",
    "fast_reaction",
    "changing_stoichiometry",
    "fixed_in_changing_size",
    "idle_in_changing_size",
)


class CopasiOptions(Options):
    """Options of :class:`Copasi`."""

    method: Literal["ode", "ssa"] = "ode"
    """LSODA, or Gillespie's direct method with molecules counted as whole numbers."""
    rtol: float = Field(default=1e-7, gt=0, lt=1)
    """Relative tolerance of a step."""
    atol: float = Field(default=1e-12, gt=0)
    """Absolute tolerance of a step, in the network's units."""
    max_steps: int = Field(default=100_000, ge=1)
    """Steps between two times."""


@final
class Copasi:
    """COPASI [hoops2006]_ on one thread, through its own library rather than through files.

    The model is read once and set for every cell; it is read for each cell where its start
    depends on what differs: compartments, initial values, triggers. Doses are events. What COPASI
    leaves out of a model without a word (``UNKNOWN``) is refused, as are, by ``ssa``, reversible
    reactions and amounts in moles, of which it returns nothing at all.
    """

    name: ClassVar[str] = "copasi"
    package: ClassVar[str] = PACKAGE
    is_stochastic: ClassVar[bool] = False
    options_type: ClassVar[type[Options]] = CopasiOptions
    references: ClassVar[tuple[str, ...]] = ("hoops2006", "hucka2003")

    def __init__(self, options: CopasiOptions) -> None:
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
        """The trajectory of every cell at ``times``; ids that COPASI does not tell are left out.

        Raises DataError on an id that cannot be set, EngineError where COPASI refuses the model
        or a cell has no solution.
        """
        given = reaction_network(network, self.name)
        if self.options.method == "ssa":
            check_molecules(given, cells)
            given = replace(given, units={**given.units, "substance": "item"})
        refused(given, UNKNOWN, f"COPASI {self.version}")
        asked = treated(given, cells, doses, times, has_rates=False)
        courses = self._courses(asked, each_cell(asked.network, cells, run), times)
        with kept_locale():
            return gathered(given.ids, times, courses, run)

    def _courses(
        self, asked: Treated, cells: Iterable[Cell], times: NDArray[np.float64]
    ) -> Iterator[dict[str, NDArray[np.float64]]]:
        with ExitStack() as kept:
            shared: Any = None
            for cell in cells:
                if cell.network is not None:
                    with self._loaded(cell.network) as data:
                        yield self._course(data, asked, times, cell)
                    continue
                if shared is None:
                    shared = kept.enter_context(self._loaded(asked.network))
                _set(shared, asked.network, cell.values)
                yield self._course(shared, asked, times, cell)

    @contextmanager
    def _loaded(self, network: Network) -> Iterator[Any]:
        """The model of a network within the block; COPASI keeps it in memory until its end."""
        data = _COPASI.CRootContainer.addDatamodel()
        try:
            try:
                is_read = data.importSBMLFromString(sbml_text(network))
            except _COPASI.CCopasiException as error:
                raise self._refusal(network, str(error)) from error
            if not is_read:
                raise self._refusal(network, _words())
            self._check_method(network, data.getModel())
            yield data
        finally:
            _COPASI.CRootContainer.removeDatamodel(data)

    def _refusal(self, network: Network, words: str) -> EngineError:
        return EngineError(f"COPASI {self.version} refuses network {network.id!r}: {words}")

    def _check_method(self, network: Network, model: Any) -> None:
        if self.options.method == "ode":
            return
        both = [one.id for one in network.reactions if one.is_reversible]
        if both:
            raise self._refusal(
                network,
                f"its SSA has no answer for reversible reactions ({both[0]}, {len(both)} in all); "
                "split them into two, or use another engine",
            )
        if model.getQuantity2NumberFactor() != 1:
            raise self._refusal(
                network,
                f"its SSA counts molecules, and the model has {model.getQuantityUnit()!r}; "
                "give the model in items",
            )

    def _course(
        self, data: Any, asked: Treated, times: NDArray[np.float64], cell: Cell
    ) -> dict[str, NDArray[np.float64]]:
        task = self._task(data, asked.at(times), cell.seed)
        _COPASI.CCopasiMessage.clearDeque()
        is_done = task.initializeRaw(_COPASI.CCopasiTask.ONLY_TIME_SERIES) and task.processRaw(True)
        series = task.getTimeSeries()
        n_told = series.getRecordedSteps()
        task.restore()
        if not is_done or n_told != len(times):
            raise EngineError(
                f"COPASI {self.version} has no solution of cell {cell.number} at "
                f"{times[min(n_told, len(times) - 1)]:g}: {_words()}"
            )
        return _told(data, series, asked)

    def _task(self, data: Any, times: NDArray[np.float64], seed: int) -> Any:
        task = data.getTask("Time-Course")
        kinds, options = _COPASI.CTaskEnum, self.options
        is_ode = options.method == "ode"
        task.setMethodType(kinds.Method_deterministic if is_ode else kinds.Method_directMethod)
        task.setUpdateModel(False)
        problem, method = task.getProblem(), task.getMethod()
        problem.setUseValues(True)
        problem.setValues(" ".join(map(repr, map(float, times))))
        problem.setDuration(float(times[-1]))
        problem.setTimeSeriesRequested(True)
        if is_ode:
            method.getParameter("Relative Tolerance").setUDblValue(options.rtol)
            method.getParameter("Absolute Tolerance").setUDblValue(options.atol)
            method.getParameter("Max Internal Steps").setUIntValue(options.max_steps)
        else:
            method.getParameter("Use Random Seed").setBoolValue(True)
            method.getParameter("Random Seed").setUIntValue(seed)
        return task


def _words() -> str:
    """What COPASI has said, on one line."""
    return " ".join(str(_COPASI.CCopasiMessage.getAllMessageText()).split()) or "it gives no reason"


def _entities(model: Any, network: Network) -> dict[str, Any]:
    """Id of the network -> what COPASI has under its SBML id."""
    every = (*model.getCompartments(), *model.getMetabolites(), *model.getModelValues())
    found = {one.getSBMLId(): one for one in every}
    return {id: found[name] for id, name in sbml_ids(network).items() if name in found}


def _set(data: Any, network: Network, own: Mapping[str, float]) -> None:
    """Set ids to what they stand for in expressions; sizes are not among them."""
    model, changed = data.getModel(), _COPASI.ObjectStdVector()
    entities = _entities(model, network)
    amounts = {one.id for one in network.species if one.is_amount}
    for id, value in own.items():
        one = entities[id]
        if isinstance(one, _COPASI.CMetab):
            size = one.getCompartment().getInitialValue() if id in amounts else 1.0
            one.setInitialConcentration(value / size)
            changed.append(one.getInitialConcentrationReference())
        else:
            one.setInitialValue(value)
            changed.append(one.getInitialValueReference())
    model.updateInitialValues(changed)


def _told(data: Any, series: Any, asked: Treated) -> dict[str, NDArray[np.float64]]:
    """What COPASI tells: what stays as it started, what changes, the rates of reactions."""
    n_times, n_told = series.getRecordedSteps(), series.getNumVariables()
    columns = {series.getSBMLId(column, data): column for column in range(1, n_told)}
    names, told = sbml_ids(asked.network), {}
    for id, one in _entities(data.getModel(), asked.network).items():
        column = columns.get(names[id])
        told[id] = (
            np.full(n_times, _initial(one))
            if column is None
            else np.array([series.getConcentrationData(row, column) for row in range(n_times)])
        )
    for species in asked.network.species:
        if species.is_amount:
            told[species.id] = told[species.id] * told[species.compartment]
    return told | {id: told[shadow] for id, shadow in asked.rates.items()}


def _initial(entity: Any) -> float:
    is_species = isinstance(entity, _COPASI.CMetab)
    return float(entity.getInitialConcentration() if is_species else entity.getInitialValue())
