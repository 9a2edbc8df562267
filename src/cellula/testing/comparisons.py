"""Small comparisons of observed with predicted, for the rules of metrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison, GeneSets
from cellula.core.prediction import Population

__all__ = ["comparison", "perfect", "reorder", "shuffle_cells", "without_value"]

#: Cells of a group, and their spread: small, so that most readouts clearly differ from control.
N_CELLS, SPREAD = 9, 0.05
#: The readouts of every gene set.
MEMBERS = np.array([list("11100"), list("01110"), list("00111")])


def comparison(seed: int = 0, noise: float = 0.5, n_units: int = 12) -> Comparison:
    """Two perturbations in two contexts, each in ``n_units`` units, five readouts, with cells.

    The units got four doses at three times. Every context has controls, and the readouts belong
    to three overlapping gene sets.

    noise: standard deviation of the predictions' error, in units of the signal.
    """
    rng = np.random.default_rng(seed)
    cells = ("A", "B"), ("x", "y"), tuple(f"donor{i}" for i in range(n_units))
    grid = pd.MultiIndex.from_product(cells, names=["perturbation", "context", "unit"])
    frame = grid.to_frame(index=False)
    number = pd.Categorical(frame["unit"], cells[2]).codes.astype(np.int64)
    frame["dose_molar"] = 1e-8 * 10.0 ** (number % 4)
    frame["time_s"] = 3600.0 * (1 + number // 4 % 3)
    n, readouts = len(frame), tuple(f"gene{i}" for i in range(5))
    reference = np.where(frame["context"].to_numpy() == "x", 2.0, 3.0)[:, None] + np.zeros((n, 5))
    observed = reference + rng.normal(size=(n, 5))
    predicted = observed + noise * rng.normal(size=(n, 5))
    return Comparison(
        groups=frame[["perturbation", "context", "dose_molar", "time_s"]],
        unit=number,
        units=cells[2],
        readouts=readouts,
        observed=observed,
        predicted=predicted,
        lower=predicted - 1.0,
        upper=predicted + 1.0,
        reference=reference,
        baseline=reference + 1.0,
        baseline_name="mean_response",
        observed_cells=_cells(observed, rng),
        predicted_cells=_cells(predicted, rng),
        control_cells=_cells(np.array([[2.0], [3.0]]) + np.zeros((2, 5)), rng),
        control=(frame["context"] == "y").to_numpy().astype(np.int64),
        gene_sets=GeneSets(("first", "middle", "last"), MEMBERS == "1"),
    )


def perfect(given: Comparison, coverage: float = 0.9) -> Comparison:
    """The same comparison with a perfect prediction: equal profiles and equal cells.

    Intervals have no width, and miss the truth in exactly ``1 - coverage`` of all groups x
    readouts, spread evenly: the ideal of coverage and of width at once.
    """
    position = np.arange(given.observed.size).reshape(given.observed.shape)
    missed = np.floor((position + 1) * (1 - coverage) + 1e-9) > np.floor(
        position * (1 - coverage) + 1e-9
    )
    bound = given.observed + np.where(missed, 1.0, 0.0)
    return replace(
        given,
        predicted=given.observed.copy(),
        lower=bound,
        upper=bound.copy(),
        predicted_cells=given.observed_cells,
    )


def reorder(given: Comparison, rows: NDArray[np.int64]) -> Comparison:
    """Some groups, by position, in the order given, with their cells."""

    def part(array: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if array is None else array[rows]

    def cells(population: Population | None) -> Population | None:
        if population is None:
            return None
        blocks = [population.of(int(row)) for row in rows]
        group = np.repeat(np.arange(len(rows)), [len(block) for block in blocks])
        return Population(np.concatenate(blocks), group.astype(np.int64))

    return replace(
        given,
        groups=given.groups.iloc[rows].reset_index(drop=True),
        unit=given.unit[rows],
        observed=given.observed[rows],
        predicted=given.predicted[rows],
        lower=part(given.lower),
        upper=part(given.upper),
        reference=part(given.reference),
        baseline=part(given.baseline),
        observed_cells=cells(given.observed_cells),
        predicted_cells=cells(given.predicted_cells),
        control=None if given.control is None else given.control[rows],
    )


def shuffle_cells(given: Comparison, seed: int = 0) -> Comparison:
    """The same comparison with the cells of every group in another order."""
    rng = np.random.default_rng(seed)

    def shuffled(population: Population | None) -> Population | None:
        if population is None:
            return None
        order = np.lexsort((rng.random(len(population.group)), population.group))
        return Population(np.asarray(population.values)[order], population.group[order])

    return replace(
        given,
        observed_cells=shuffled(given.observed_cells),
        predicted_cells=shuffled(given.predicted_cells),
        control_cells=shuffled(given.control_cells),
    )


def without_value(given: Comparison, row: int) -> Comparison:
    """The same comparison where one group's prediction is not a number anywhere."""

    def spoiled(array: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if array is None:
            return None
        copy = array.copy()
        copy[row] = np.nan
        return copy

    population = given.predicted_cells
    if population is not None:
        values = np.asarray(population.values).copy()
        values[population.group == row] = np.nan
        population = Population(values, population.group)
    predicted = given.predicted.copy()
    predicted[row] = np.nan
    return replace(
        given,
        predicted=predicted,
        lower=spoiled(given.lower),
        upper=spoiled(given.upper),
        predicted_cells=population,
    )


def _cells(means: NDArray[np.float64], rng: np.random.Generator) -> Population:
    group = np.repeat(np.arange(len(means)), N_CELLS).astype(np.int64)
    return Population(means[group] + SPREAD * rng.normal(size=(len(group), means.shape[1])), group)
