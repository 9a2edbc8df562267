"""All measurements of a PEtab problem as a model says them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.evaluation import evaluate
from cellula.core.expression import symbols
from cellula.core.petab import TIME_NAME, PetabObservable, PetabProblem, overrides
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Simulator
from cellula.models.mechanistic.petab_start import condition_cells, state_ids, value_of
from cellula.models.mechanistic.steady_state import SteadyCriterion, steady_state

__all__ = ["NOISE", "SIMULATION", "petab_simulation"]

Floats = NDArray[np.float64]
#: Columns of the table of a simulation: the observable, and the standard deviation (or scale).
SIMULATION, NOISE = "simulation", "noise"
#: Pre-equilibration ("" for none) and condition.
Experiment = tuple[str, str]


def petab_simulation(
    problem: PetabProblem,
    simulator: Simulator,
    run: RunContext,
    parameters: Mapping[str, float] | None = None,
    steady: SteadyCriterion | None = None,
) -> pd.DataFrame:
    """The table of measurements with what the model says in place of ``measurement``.

    Columns ``simulation``, on the observable's own scale (not transformed), and ``noise``, its
    standard deviation or scale, replace it; rows as the measurements. A pre-equilibration goes
    on until its states are ``steady``; then the condition's values are set, what it does not
    name stays, and time starts at 0 again [schmiester2021]_. parameters: values in place of the
    nominal ones, not scaled. Raises DataError on an unknown parameter or one without a value,
    EngineError, naming pre-equilibration and condition, where there is no solution, NotConverged
    (an EngineError) where there is no steady state.
    """
    unknown = sorted(set(parameters or {}) - set(problem.nominal))
    if unknown:
        raise DataError(f"{problem.id} has no parameter {unknown[0]!r}; see its parameters")
    given = {**problem.nominal, **(parameters or {})}
    whole = _Simulation(problem, simulator, run, given, steady or SteadyCriterion())
    return whole.table()


@final
@dataclass(slots=True)
class _Simulation:
    """Experiments grouped so that those of one group are cells of one population."""

    problem: PetabProblem
    simulator: Simulator
    run: RunContext
    parameters: Mapping[str, float]
    steady: SteadyCriterion
    before: dict[str, dict[str, float]] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        self._check_values()
        rows = self.problem.measurements
        self._equilibrate([str(one) for one in rows["preequilibrationConditionId"].unique() if one])
        told = np.full((len(rows), 2), np.nan)
        for group in self._groups():
            self._simulate(group, told)
        found = rows.drop(columns="measurement")
        found.insert(3, SIMULATION, told[:, 0])
        found[NOISE] = told[:, 1]
        return found

    def _check_values(self) -> None:
        own = set(self.problem.network.ids)
        for id, value in self.parameters.items():
            if math.isnan(value) and id in own:
                raise DataError(f"parameter {id!r} has no value; give it one, nominal or fitted")

    def _equilibrate(self, names: Sequence[str]) -> None:
        """The states that every pre-equilibration ends in."""
        ids = state_ids(self.problem.network)
        all_ids = self.problem.network.ids
        for name in names:
            cells = condition_cells(self.problem, [name], self.parameters, {})
            try:
                values = steady_state(
                    self.problem.network, cells, ids, (self.simulator, self.steady), self.run
                )[0]
            except EngineError as error:
                raise type(error)(f"{self.problem.id}, condition {name!r}: {error}") from error
            self.before[name] = {id: float(values[all_ids.index(id)]) for id in ids}

    def _groups(self) -> Iterator[list[Experiment]]:
        """Experiments with the same ids set and the same last time."""
        rows = self.problem.measurements
        keys = rows.groupby(["preequilibrationConditionId", "simulationConditionId"], sort=False)
        groups: dict[tuple[bool, float, frozenset[str]], list[Experiment]] = {}
        for (before, condition), part in keys["time"]:
            ids = frozenset(self.problem.conditions[str(condition)])
            finite = part[np.isfinite(part)]
            last = float(finite.max()) if len(finite) else math.inf
            key = (bool(before), last, ids)
            groups.setdefault(key, []).append((str(before), str(condition)))
        yield from groups.values()

    def _simulate(self, group: list[Experiment], told: Floats) -> None:
        """What the model says of the measurements of some experiments, into their rows."""
        rows = self._rows(group)
        cells = self._cells(group)
        times = rows["time"].to_numpy()
        finite = np.union1d([0.0], times[np.isfinite(times)])
        try:
            values = self._values(cells, finite, has_end=not np.isfinite(times).all())
        except EngineError as error:
            names = ", ".join(f"{b or 'no pre-equilibration'} -> {c}" for b, c in group[:20])
            raise type(error)(f"{self.problem.id}, cells {names}: {error}") from error
        place = np.where(np.isfinite(times), np.searchsorted(finite, times), len(finite))
        cell = rows["cell"].to_numpy()
        for one in self.problem.observables:
            chosen = np.flatnonzero((rows["observableId"] == one.id).to_numpy())
            if len(chosen):
                seen = values[cell[chosen], np.minimum(place[chosen], values.shape[1] - 1)]
                told[rows["row"].to_numpy()[chosen]] = self._observed(one, rows.iloc[chosen], seen)

    def _rows(self, group: list[Experiment]) -> pd.DataFrame:
        """The measurements of a group, with their row and their cell."""
        place = {experiment: k for k, experiment in enumerate(group)}
        all_rows = self.problem.measurements
        pairs = zip(
            all_rows["preequilibrationConditionId"], all_rows["simulationConditionId"], strict=True
        )
        cell = np.array([place.get(pair, -1) for pair in pairs])
        return all_rows.assign(row=np.arange(len(all_rows)), cell=cell)[cell >= 0]

    def _cells(self, group: list[Experiment]) -> ParameterTable:
        states: dict[str, Floats] = {}
        if group[0][0]:
            for id in state_ids(self.problem.network):
                states[id] = np.array([self.before[before][id] for before, _ in group])
        names = [condition for _, condition in group]
        return condition_cells(self.problem, names, self.parameters, states)

    def _values(self, cells: ParameterTable, times: Floats, *, has_end: bool) -> Floats:
        """(cells, times, ids), with the steady state as the last time where asked for."""
        network = self.problem.network
        course = self.simulator.simulate(network, cells, Schedule(), times, self.run)
        if not has_end:
            return course.values
        by = (self.simulator, self.steady)
        end = steady_state(network, cells, state_ids(network), by, self.run)
        return np.concatenate([course.values, end[:, None]], axis=1)

    def _observed(self, one: PetabObservable, rows: pd.DataFrame, seen: Floats) -> Floats:
        """Observable and noise of some measurements: (rows, 2). seen: (rows, ids)."""
        names = {*symbols(one.formula), *symbols(one.noise)}
        ids = self.problem.network.ids
        values: dict[str, Floats] = {
            id: np.full(len(rows), value) for id, value in self.parameters.items() if id in names
        }
        values.update(self._of_conditions(rows, names))
        values.update((id, seen[:, ids.index(id)]) for id in names.intersection(ids))
        if TIME_NAME not in ids:
            values[TIME_NAME] = rows["time"].to_numpy()
        values.update(self._given(one, rows))
        told = np.broadcast_to(evaluate(one.formula, values, 0.0), len(rows))
        values.update(self._others(one, values, rows, seen))
        values[one.id] = told
        noise = np.broadcast_to(evaluate(one.noise, values, 0.0), len(rows))
        return np.stack([told, noise], axis=1)

    def _of_conditions(self, rows: pd.DataFrame, names: set[str]) -> dict[str, Floats]:
        """What conditions set that the network does not have."""
        own = set(self.problem.network.ids)
        named = {id for one in self.problem.conditions.values() for id in one}
        found: dict[str, Floats] = {}
        for id in sorted((named & names) - own):
            default = self.parameters.get(id, math.nan)
            tables = (self.problem.conditions[name] for name in rows["simulationConditionId"])
            found[id] = np.array(
                [self._number(table[id]) if id in table else default for table in tables]
            )
        return found

    def _others(
        self, one: PetabObservable, values: Mapping[str, Floats], rows: pd.DataFrame, seen: Floats
    ) -> dict[str, Floats]:
        """Other observables that the noise formula names."""
        named = set(symbols(one.noise)) - set(values) - {one.id}
        others = [other for other in self.problem.observables if other.id in named]
        return {other.id: self._observed(other, rows, seen)[:, 0] for other in others}

    def _given(self, one: PetabObservable, rows: pd.DataFrame) -> dict[str, Floats]:
        """Placeholder -> what each row gives for it."""
        found: dict[str, Floats] = {}
        for kind in ("observable", "noise"):
            texts = rows[f"{kind}Parameters"]
            table = {
                text: [self._number(value) for value in overrides(text)] for text in texts.unique()
            }
            width = max(map(len, table.values()))
            for k in range(width):
                column = np.array([table[text][k] for text in texts])
                found[f"{kind}Parameter{k + 1}_{one.id}"] = column
        return found

    def _number(self, value: float | str) -> float:
        return value_of(value, self.parameters, self.problem.network)
