"""Observed beside predicted, aligned once, so that every metric is a function of arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.prediction import Population

__all__ = ["Comparison", "GeneSets"]


@dataclass(frozen=True, slots=True)
class GeneSets:
    """Named sets of readouts, such as pathways; members: (sets, readouts), who belongs where."""

    names: tuple[str, ...]
    members: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.members.ndim != 2 or len(self.members) != len(self.names):
            raise DataError(
                f"members has shape {self.members.shape}; expected (sets, readouts) with "
                f"{len(self.names)} sets"
            )


@dataclass(frozen=True, slots=True)
class Comparison:
    """One observed and one predicted pseudobulk a group, and the cells behind them.

    A group is one question asked of one unit of replication: perturbation, context, dose,
    time, individual and unit. In a table of single measurements every row is a group.

    groups: one row a group, columns perturbation, context and where there are such dose_molar,
    time_s, individual; unit: (groups,) codes into ``units``; observed, predicted, lower,
    upper, reference, baseline: (groups, readouts). ``reference`` is the mean of the REAL
    controls of the group's context (the same on both sides of every delta); ``baseline`` is
    the prediction of the named baseline. fold: (groups,) codes of the training folds whose fits
    answered, or None for one fold: differences between fits are no differences between groups,
    so a correlation never mixes folds within a stratum. Absent parts are None.
    observed_cells, predicted_cells: cells whose group is the row of the group. control_cells: the
    real controls, whose group is a code of ``control`` (groups,): the population of controls that
    belongs to the group, -1 for none. control_units: (control cells,) the unit of every one of
    them, as a code of ``units``, -1 for another; None where controls have none. gene_sets: over
    the readouts.
    """

    groups: pd.DataFrame
    unit: NDArray[np.int64]
    units: tuple[str, ...]
    readouts: tuple[str, ...]
    observed: NDArray[np.float64]
    predicted: NDArray[np.float64]
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None
    reference: NDArray[np.float64] | None = None
    baseline: NDArray[np.float64] | None = None
    baseline_name: str = ""
    fold: NDArray[np.int64] | None = None
    observed_cells: Population | None = None
    predicted_cells: Population | None = None
    control_cells: Population | None = None
    control: NDArray[np.int64] | None = None
    control_units: NDArray[np.int64] | None = None
    gene_sets: GeneSets | None = None

    def __post_init__(self) -> None:
        shape = (len(self.groups), len(self.readouts))
        for name in ("observed", "predicted", "lower", "upper", "reference", "baseline"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise DataError(
                    f"{name} has shape {array.shape}; expected (groups, readouts) {shape}"
                )
        if self.unit.shape != shape[:1]:
            raise DataError(f"unit has shape {self.unit.shape}; expected {shape[:1]}")
        if (self.control is None) != (self.control_cells is None):
            raise DataError("the cells of controls need the population of every group, and it them")
        if self.control is not None and self.control.shape != shape[:1]:
            raise DataError(f"control has shape {self.control.shape}; expected {shape[:1]}")
        if self.control_units is not None and (
            self.control_cells is None or self.control_units.shape != self.control_cells.group.shape
        ):
            raise DataError("the units of controls are not one for every cell of the controls")
        if self.gene_sets is not None and self.gene_sets.members.shape[1] != shape[1]:
            raise DataError(
                f"the gene sets are of {self.gene_sets.members.shape[1]} readouts, not {shape[1]}"
            )
        for column in ("perturbation", "context"):
            if column not in self.groups.columns:
                raise DataError(f"the groups have no column {column!r}")

    def part(self, first: int, stop: int) -> Comparison:
        """The groups first, ..., stop - 1 with their cells; units and controls stay numbered."""
        rows = slice(first, stop)

        def some(array: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if array is None else array[rows]

        def cells(population: Population | None) -> Population | None:
            return None if population is None else population.part(first, stop)

        return replace(
            self,
            groups=self.groups.iloc[rows].reset_index(drop=True),
            unit=self.unit[rows],
            observed=self.observed[rows],
            predicted=self.predicted[rows],
            lower=some(self.lower),
            upper=some(self.upper),
            reference=some(self.reference),
            baseline=some(self.baseline),
            fold=some(self.fold),
            control=some(self.control),
            observed_cells=cells(self.observed_cells),
            predicted_cells=cells(self.predicted_cells),
        )

    def take(self, rows: NDArray[np.bool_]) -> Comparison:
        """Some groups by a mask (groups,), without their cells; the units stay numbered."""

        def part(array: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
            return None if array is None else array[rows]

        return Comparison(
            groups=self.groups[rows].reset_index(drop=True),
            unit=self.unit[rows],
            units=self.units,
            readouts=self.readouts,
            observed=self.observed[rows],
            predicted=self.predicted[rows],
            lower=part(self.lower),
            upper=part(self.upper),
            reference=part(self.reference),
            baseline=part(self.baseline),
            baseline_name=self.baseline_name,
            fold=None if self.fold is None else self.fold[rows],
            gene_sets=self.gene_sets,
        )
