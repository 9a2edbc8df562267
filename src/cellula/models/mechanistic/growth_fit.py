"""Growth curves of drugs by least squares; a line is drawn to what its drug does in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.model import State
from cellula.models.baselines.reference import Reference
from cellula.models.mechanistic.growth_courses import GrowthCourses, division_rates
from cellula.models.mechanistic.growth_rates import (
    PRIOR_MEAN,
    PRIOR_SD,
    growth_change,
    growth_sensitivities,
)
from cellula.models.mechanistic.many_least_squares import many_least_squares

__all__ = ["GrowthParameters", "fit_growth", "tuned_shrinkage"]

Floats: TypeAlias = NDArray[np.float64]
#: Shrinkages tried on validation data.
CANDIDATES = (0.1, 0.3, 1.0)
#: Which parameters are logarithms of a dose.
OF_DOSE = [1, 4]


@dataclass(frozen=True, slots=True)
class GrowthParameters:
    """Parameters of every drug in every line.

    drugs, lines: labels. values: (drugs + 1, lines + 1, parameters), the last line for one that
    is not known, the last drug the mean of all. is_fitted: (drugs + 1, lines + 1). least, most:
    (drugs + 1,) log10 of the doses in mol/l that were tried.
    """

    drugs: tuple[str, ...]
    lines: tuple[str, ...]
    values: Floats
    is_fitted: NDArray[np.bool_]
    least: Floats
    most: Floats

    def codes(
        self, drugs: Sequence[str], lines: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The place of every drug and line, -1 where it is not known."""
        places = []
        for known, names in ((self.drugs, drugs), (self.lines, lines)):
            place = {name: number for number, name in enumerate(known)}
            places.append(np.array([place.get(name, -1) for name in names], np.int64))
        return places[0], places[1]

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        arrays = {
            "growth_values": self.values,
            "growth_is_fitted": self.is_fitted,
            "growth_least": self.least,
            "growth_most": self.most,
        }
        labels = {"growth_drugs": list(self.drugs), "growth_lines": list(self.lines)}
        return State(arrays, labels)

    @classmethod
    def restore(cls, state: State) -> GrowthParameters:
        """The parameters of a state."""
        return cls(
            tuple(state.meta["growth_drugs"]),
            tuple(state.meta["growth_lines"]),
            *(state.arrays[f"growth_{name}"] for name in ("values", "is_fitted", "least", "most")),
        )


def fit_growth(
    courses: GrowthCourses, reference: Reference, noise: float, shrinkage: float
) -> GrowthParameters:
    """The parameters of every drug in every line that was measured with it.

    reference: untreated growth. noise: the standard deviation of log2 cells. shrinkage: how far a
    line may be from its drug, in standard deviations of the prior. Minimised is the sum of
    ((y - change) / noise)^2 and ((p - mean) / sd)^2, first for drugs in all lines together under
    the prior of :mod:`cellula.models.mechanistic.growth_rates`, then for pairs around their drug.
    """
    division = division_rates(reference, courses.hours, courses.lines)
    return _of_lines(courses, _of_drugs(courses, division, noise), division, noise, shrinkage)


def tuned_shrinkage(
    seen: GrowthCourses, held: GrowthCourses, reference: Reference, noise: float
) -> float:
    """The shrinkage of the least error on what is held out; the first of equals."""
    division = division_rates(reference, seen.hours, seen.lines)
    drugs = _of_drugs(seen, division, noise)
    places = drugs.codes(held.drugs, held.lines)
    drug, line = places[0][held.drug], places[1][held.line]
    rates = division_rates(reference, held.hours, held.lines)[held.line]

    def error(shrinkage: float) -> float:
        found = _of_lines(seen, drugs, division, noise, shrinkage)
        told = growth_change(
            found.values[drug, line][:, None, :],
            held.log10_dose[:, None],
            rates[:, None],
            held.hours[None],
        )
        return float(np.mean(((told - held.values) * seen.weights) ** 2))

    return min(CANDIDATES, key=error)


def _of_drugs(courses: GrowthCourses, division: Floats, noise: float) -> GrowthParameters:
    """What every drug does in all lines together; a line has what its drug has."""
    mean = PRIOR_MEAN.copy()
    mean[OF_DOSE] += np.median(np.unique(courses.log10_dose))
    n_drugs = len(courses.drugs)
    pooled = _fitted(
        courses, division, noise, courses.drug, (np.tile(mean, (n_drugs, 1)), PRIOR_SD)
    )
    every = np.concatenate([pooled, pooled.mean(axis=0, keepdims=True)])
    n_lines = len(courses.lines)
    doses = [courses.log10_dose[courses.drug == d] for d in range(n_drugs)]
    return GrowthParameters(
        courses.drugs,
        courses.lines,
        np.repeat(every[:, None], n_lines + 1, axis=1),
        np.zeros((len(every), n_lines + 1), bool),
        np.array([*(d.min() for d in doses), np.inf]),
        np.array([*(d.max() for d in doses), -np.inf]),
    )


def _of_lines(
    courses: GrowthCourses,
    drugs: GrowthParameters,
    division: Floats,
    noise: float,
    shrinkage: float,
) -> GrowthParameters:
    """Every measured pair fitted by itself, drawn to its drug."""
    pairs, problem = np.unique(
        np.column_stack([courses.drug, courses.line]), axis=0, return_inverse=True
    )
    d, c = pairs.T
    values, is_fitted = drugs.values.copy(), drugs.is_fitted.copy()
    prior = (drugs.values[d, c], shrinkage * PRIOR_SD)
    values[d, c] = _fitted(courses, division, noise, problem.ravel(), prior)
    is_fitted[d, c] = True
    return GrowthParameters(drugs.drugs, drugs.lines, values, is_fitted, drugs.least, drugs.most)


def _fitted(
    courses: GrowthCourses,
    division: Floats,
    noise: float,
    problem: NDArray[np.int64],
    prior: tuple[Floats, Floats],
) -> Floats:
    """The parameters of every problem, from the mean of its prior: (problems, parameters).

    problem: (groups,) to which a group belongs. prior: means (problems, parameters), and the
    standard deviations.
    """
    mean, sd = prior
    rows, is_there = _padded(problem, len(mean))
    dose, rate = (x[rows][:, :, None] for x in (courses.log10_dose, division[courses.line]))
    weight = is_there[:, :, None] * courses.weights / noise
    observed = courses.values[rows]

    def residuals(p: Floats, which: NDArray[np.int64]) -> tuple[Floats, Floats]:
        n = len(which)
        change, by = growth_sensitivities(
            p[:, None, None, :], dose[which], rate[which], courses.hours[None, None]
        )
        left = ((change - observed[which]) * weight[which]).reshape(n, -1)
        slope = (by * weight[which, ..., None]).reshape(*left.shape, len(sd))
        own = np.broadcast_to(np.diag(1.0 / sd), (n, len(sd), len(sd)))
        return (
            np.concatenate([left, (p - mean[which]) / sd], axis=1),
            np.concatenate([slope, own], axis=1),
        )

    return many_least_squares(residuals, mean)


def _padded(
    problem: NDArray[np.int64], n_problems: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The groups of every problem (problems, most groups), and which of them are its own."""
    size = np.bincount(problem, minlength=n_problems)
    order = np.argsort(problem, kind="stable")
    rows = np.zeros((n_problems, int(size.max())), np.int64)
    is_there = np.arange(rows.shape[1]) < size[:, None]
    rows[is_there] = order
    return rows, is_there
