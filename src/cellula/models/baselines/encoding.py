"""Labels and treatments as positions: what a fitted model knows, found in a batch of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable

__all__ = [
    "Treatments",
    "canonical_label",
    "group_means",
    "label_positions",
    "row_names",
    "unique_labels",
]


def canonical_label(label: str) -> str:
    """A perturbation label with its components sorted: ``"B+A"`` gives ``"A+B"``."""
    return "+".join(components(label)) or label


def label_positions(column: pd.Categorical, known: Sequence[str]) -> NDArray[np.int64]:
    """The position of every label among ``known``, -1 where it is unknown: shape (rows,)."""
    labels, inverse = unique_labels(column)
    return _positions(labels, known)[inverse]


def unique_labels(column: pd.Categorical) -> tuple[list[str], NDArray[np.int64]]:
    """The labels that occur, and the place of each row's label among them: shape (rows,)."""
    present, inverse = np.unique(np.asarray(column.codes), return_inverse=True)
    labels = [str(label) for label in column.categories[present]]
    return labels, inverse.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Treatments:
    """What was done in training: perturbation, dose and time of every distinct treatment.

    perturbations: labels, sorted, components of a combination sorted too. perturbation:
    (treatments,) codes into them; dose_molar (mol/l), time_s (s): (treatments,), NaN where the
    treatment has none.
    """

    perturbations: tuple[str, ...]
    perturbation: NDArray[np.int64]
    dose_molar: NDArray[np.float64]
    time_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.perturbation)

    @property
    def n_rows(self) -> int:
        """Treatments, then one row a perturbation at an unseen dose or time, then one for all."""
        return len(self) + len(self.perturbations) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """A name of every treatment: its label, with dose and time where it has them."""
        parts = zip(self.perturbation, self.dose_molar, self.time_s, strict=True)
        return tuple(
            self.perturbations[p]
            + ("" if np.isnan(dose) else f" {dose:g} mol/l")
            + ("" if np.isnan(time) else f" {time:g} s")
            for p, dose, time in parts
        )

    def positions(self, queries: QueryTable) -> NDArray[np.int64]:
        """The row of every query's treatment, below :attr:`n_rows`: shape (queries,).

        The treatment itself where it was seen; else the row of its perturbation; else the last.
        """
        labels, inverse = unique_labels(queries.perturbation)
        names = [canonical_label(label) for label in labels]
        perturbation = _positions(names, self.perturbations)[inverse]
        doses, times = np.unique(self.dose_molar), np.unique(self.time_s)
        code = self._code(self.perturbation, self.dose_molar, self.time_s, doses, times)
        order = np.argsort(code)
        n = len(queries)
        asked = self._code(
            perturbation,
            np.full(n, np.nan) if queries.dose_molar is None else queries.dose_molar,
            np.full(n, np.nan) if queries.time_s is None else queries.time_s,
            doses,
            times,
        )
        place = np.minimum(np.searchsorted(code[order], asked), len(code) - 1)
        is_seen = code[order][place] == asked
        rough = len(self) + np.where(perturbation < 0, len(self.perturbations), perturbation)
        return np.where(is_seen, order[place], rough).astype(np.int64)

    def with_fallbacks(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows for every answer of :meth:`positions`, from (treatments, ...) to (n_rows, ...).

        A perturbation's row is the mean over its treatments, the last the mean over
        perturbations, each with equal weight.
        """
        by_perturbation = group_means(values, self.perturbation, len(self.perturbations))
        return np.concatenate([values, by_perturbation, by_perturbation.mean(0, keepdims=True)])

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Which rows of :meth:`positions` are treatments seen in training: shape (n_rows,)."""
        return np.arange(self.n_rows) < len(self)

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        return State(
            {
                "treatment_perturbation": self.perturbation,
                "treatment_dose_molar": self.dose_molar,
                "treatment_time_s": self.time_s,
            },
            {"perturbations": list(self.perturbations)},
        )

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Treatments:
        """The treatments of a state."""
        return cls(
            tuple(meta["perturbations"]),
            arrays["treatment_perturbation"],
            arrays["treatment_dose_molar"],
            arrays["treatment_time_s"],
        )

    def _code(
        self,
        perturbation: NDArray[np.int64],
        dose: NDArray[np.float64],
        time: NDArray[np.float64],
        doses: NDArray[np.float64],
        times: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """One number a treatment, negative where a part of it is unknown."""
        parts = perturbation, _number_positions(dose, doses), _number_positions(time, times)
        code = (parts[0] * len(doses) + parts[1]) * len(times) + parts[2]
        return np.where(np.min(parts, axis=0) < 0, -1, code)


def row_names(treatments: Treatments, readouts: Sequence[str]) -> tuple[str, ...]:
    """A name of every treatment and readout, in that order; one readout goes without saying."""
    if len(readouts) == 1:
        return treatments.names
    return tuple(f"{name} {readout}" for name in treatments.names for readout in readouts)


def group_means(
    values: NDArray[np.float64], group: NDArray[np.int64], n_groups: int
) -> NDArray[np.float64]:
    """Mean of the rows of every group, every group with at least one row: (n_groups, ...)."""
    sums = np.zeros((n_groups, *values.shape[1:]))
    np.add.at(sums, group, values)
    size = np.bincount(group, minlength=n_groups).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(sums / size, np.float64)


def _positions(labels: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(pd.Index(known, dtype=object).get_indexer(pd.Index(labels, dtype=object)))


def _number_positions(values: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Position of every number among the sorted ``known``, -1 where absent; NaN equals NaN."""
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found = known[place]
    return np.where((found == values) | (np.isnan(found) & np.isnan(values)), place, -1)
