"""What a PEtab problem's observables and noises are, with their slopes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.petab import TIME_NAME, PetabObservable, PetabProblem, PetabValue, overrides
from cellula.models.mechanistic.dual import Dual, DualFormula, dual_formula
from cellula.models.mechanistic.petab_experiments import Experiments
from cellula.models.mechanistic.petab_start import value_of
from cellula.models.mechanistic.tangent_course import Courses

__all__ = ["Observed", "ObservedRows", "ValuesOfRows", "observed", "observed_ids"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Observed:
    """An observable in a group of experiments: its measurements, and what their rows give.

    rows: measurements; cell, place: of each in the group's courses. formula, noise: made ready;
    others: other observables that the noise names. given: name -> a value a row. times: a row.
    """

    observable: PetabObservable
    rows: NDArray[np.intp]
    cell: NDArray[np.intp]
    place: NDArray[np.intp]
    times: Floats
    formula: DualFormula
    noise: DualFormula
    others: Mapping[str, DualFormula]
    given: Mapping[str, tuple[PetabValue, ...]]


@final
@dataclass(frozen=True, slots=True)
class ObservedRows:
    """Told values of some measurements and their noise."""

    rows: NDArray[np.intp]
    told: Dual
    noise: Dual


def observed_ids(problem: PetabProblem) -> tuple[str, ...]:
    """Ids of the network that formulas of observables or noises name."""
    named = {
        name
        for one in problem.observables
        for formula in (one.formula, one.noise)
        for name in dual_formula(formula).names
    }
    return tuple(id for id in problem.network.ids if id in named)


def observed(problem: PetabProblem, group: Experiments) -> tuple[Observed, ...]:
    """The observables that a group of experiments has measurements of."""
    table = problem.measurements.iloc[group.rows]
    ids = table["observableId"].to_numpy()
    own_ids = {*problem.network.ids, *problem.nominal}
    found = []
    for one in problem.observables:
        chosen = np.flatnonzero(ids == one.id)
        if not len(chosen):
            continue
        formula, noise = dual_formula(one.formula), dual_formula(one.noise)
        others = {
            other.id: dual_formula(other.formula)
            for other in problem.observables
            if other.id in noise.names - own_ids - {one.id}
        }
        own = table.iloc[chosen]
        given = {
            **_of_conditions(
                problem, formula.names | noise.names, list(own["simulationConditionId"])
            ),
            **_given(one, "observable", list(own["observableParameters"])),
            **_given(one, "noise", list(own["noiseParameters"])),
        }
        times = own["time"].to_numpy(np.float64)
        rows, cell, place = group.rows[chosen], group.cell[chosen], group.place[chosen]
        found.append(Observed(one, rows, cell, place, times, formula, noise, others, given))
    return tuple(found)


def _given(
    one: PetabObservable, kind: Literal["observable", "noise"], texts: list[str]
) -> dict[str, tuple[PetabValue, ...]]:
    """Placeholder -> what each row gives for it."""
    table = [list(overrides(text)) for text in texts]
    return {
        f"{kind}Parameter{k + 1}_{one.id}": tuple(values[k] for values in table)
        for k in range(len(table[0]))
    }


def _of_conditions(
    problem: PetabProblem, names: frozenset[str], conditions: list[str]
) -> dict[str, tuple[PetabValue, ...]]:
    """What conditions set that the network does not have."""
    own = set(problem.network.ids)
    set_by = {id for values in problem.conditions.values() for id in values}
    return {
        id: tuple(problem.conditions[name].get(id, id) for name in conditions)
        for id in sorted((set_by & names) - own)
    }


@final
@dataclass(frozen=True, slots=True)
class ValuesOfRows:
    """The values that formulas of an observable see."""

    problem: PetabProblem
    parameters: Mapping[str, float]
    slopes: Mapping[str, Floats]
    n_estimated: int

    def of(self, one: Observed, told: tuple[str, ...], courses: Courses) -> ObservedRows:
        """An observable and its noise at its measurements."""
        n = len(one.rows)
        names = one.formula.names | one.noise.names
        names = names.union(*(other.names for other in one.others.values()))
        values = {id: self._column([id] * n) for id in self.parameters if id in names}
        values.update((id, self._column(list(column))) for id, column in one.given.items())
        for k, id in enumerate(told):
            if id in names:
                slope = courses.slopes[one.cell, one.place, k]
                values[id] = Dual(courses.values[one.cell, one.place, k], slope)
        if TIME_NAME not in told:
            values[TIME_NAME] = Dual(one.times)
        found = one.formula.of(values, n)
        values.update((id, other.of(values, n)) for id, other in one.others.items())
        values[one.observable.id] = found
        return ObservedRows(one.rows, found, one.noise.of(values, n))

    def _column(self, values: list[PetabValue]) -> Dual:
        """A number or a parameter a row."""
        known = {one: self._number(one) for one in set(values)}
        found = np.array([known[one] for one in values])
        if not any(one in self.slopes for one in known):
            return Dual(found)
        nothing = np.zeros(self.n_estimated)
        slopes = [
            self.slopes.get(one, nothing) if isinstance(one, str) else nothing for one in values
        ]
        return Dual(found, np.array(slopes))

    def _number(self, value: PetabValue) -> float:
        if isinstance(value, str) and math.isnan(self.parameters.get(value, 0.0)):
            return math.nan
        return value_of(value, self.parameters, self.problem.network)
