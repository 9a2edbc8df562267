"""Pseudobulks: the mean profile of every treatment in every context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.matrix import StoredMatrix
from cellula.core.query import QueryTable
from cellula.data.group_means import group_sums
from cellula.models.baselines.encoding import Treatments, canonical_label, unique_labels

__all__ = ["Pseudobulk", "check_alike", "mean_rows", "pseudobulk"]


@dataclass(frozen=True, slots=True)
class Pseudobulk:
    """One row a group of profiles with one treatment in one context.

    treatment, context: (groups,) codes into ``treatments`` and ``contexts``; values: (groups,
    readouts) means of the group's profiles; size: (groups,) how many profiles.
    """

    treatments: Treatments
    contexts: tuple[str, ...]
    treatment: NDArray[np.int64]
    context: NDArray[np.int64]
    values: NDArray[np.float64]
    size: NDArray[np.int64]

    def queries(self) -> QueryTable:
        """The question that every group answers: shape (groups,)."""
        t = self.treatments
        dose, time = t.dose_molar[self.treatment], t.time_s[self.treatment]
        return QueryTable(
            pd.Categorical.from_codes(t.perturbation[self.treatment], list(t.perturbations)),
            pd.Categorical.from_codes(self.context, list(self.contexts)),
            None if np.isnan(dose).any() else dose,
            None if np.isnan(time).any() else time,
        )

    def effects(self) -> NDArray[np.float64]:
        """Mean over contexts, each with equal weight: shape (treatments, readouts)."""
        return mean_rows(self.values, self.treatment, len(self.treatments))

    def table(self, readout: int) -> NDArray[np.float64]:
        """One readout as (contexts, treatments), NaN where a pair was not measured."""
        table = np.full((len(self.contexts), len(self.treatments)), np.nan)
        table[self.context, self.treatment] = self.values[:, readout]
        return table

    def cube(self) -> NDArray[np.float64]:
        """All readouts as (contexts, treatments, readouts), NaN where a pair was not measured."""
        shape = (len(self.contexts), len(self.treatments), self.values.shape[1])
        cube = np.full(shape, np.nan)
        cube[self.context, self.treatment] = self.values
        return cube

    def minus(self, values: NDArray[np.float64]) -> Pseudobulk:
        """The same groups less ``values`` (groups, readouts), such as their controls."""
        return replace(self, values=self.values - values)


def pseudobulk(parts: Sequence[Dataset]) -> Pseudobulk:
    """The pseudobulks of all treated profiles of datasets with the same readouts.

    The mean of log1p profiles is the mean of log1p values. Raises DataError when the parts
    differ in readouts or value type, or hold no treated profile.
    """
    check_alike(parts)
    frame = pd.concat([_keys(part) for part in parts], ignore_index=True)
    treated = frame.pop("is_treated").to_numpy(bool)
    if not treated.any():
        raise DataError(
            "the training data hold controls only; a model needs profiles of perturbed cells: "
            "check the columns named in the roles perturbation and is_control"
        )
    perturbation = pd.Categorical(frame["perturbation"])
    context = pd.Categorical(frame["context"])
    keys = pd.DataFrame(
        {
            "perturbation": perturbation.codes,
            "dose_molar": frame["dose_molar"],
            "time_s": frame["time_s"],
            "context": context.codes,
        }
    )[treated]
    by_group = keys.groupby(list(keys.columns), dropna=False, sort=True)
    group = np.full(len(frame), -1, np.int64)
    group[treated] = by_group.ngroup().to_numpy()
    distinct = keys.drop_duplicates().sort_values(list(keys.columns)).reset_index(drop=True)
    by_treatment = distinct.groupby(["perturbation", "dose_molar", "time_s"], dropna=False)
    treatment = by_treatment.ngroup().to_numpy(np.int64)
    first = distinct.loc[np.unique(treatment, return_index=True)[1]]
    used, code = np.unique(first["perturbation"].to_numpy(), return_inverse=True)
    contexts, context_code = np.unique(distinct["context"].to_numpy(), return_inverse=True)
    treatments = Treatments(
        tuple(str(perturbation.categories[i]) for i in used),
        code.astype(np.int64),
        first["dose_molar"].to_numpy(np.float64),
        first["time_s"].to_numpy(np.float64),
    )
    return Pseudobulk(
        treatments,
        tuple(str(context.categories[i]) for i in contexts),
        treatment,
        context_code.astype(np.int64),
        _means(parts, group, len(distinct)),
        np.bincount(group[treated], minlength=len(distinct)),
    )


def check_alike(parts: Sequence[Dataset]) -> None:
    """Raise DataError where datasets differ in their readouts or their value type."""
    for part in parts[1:]:
        if part.readouts != parts[0].readouts or part.value_type is not parts[0].value_type:
            raise DataError(
                f"two datasets to be used together differ: {len(parts[0].readouts)} readouts of "
                f"{parts[0].value_type.value} and {len(part.readouts)} of {part.value_type.value}, "
                "or another order; give both the same readouts in the same order"
            )


def mean_rows(values: Any, group: NDArray[np.int64], n_groups: int) -> NDArray[np.float64]:
    """Mean of the rows of every group; rows of group -1 count nowhere: (n_groups, columns).

    values: (rows, columns), dense or CSR. A group without rows has a mean of 0.
    """
    size = np.bincount(group[group >= 0], minlength=n_groups)
    return np.asarray(_sums(values, group, n_groups) / np.maximum(size, 1)[:, None], np.float64)


def _sums(values: Any, group: NDArray[np.int64], n_groups: int) -> NDArray[np.float64]:
    if isinstance(values, StoredMatrix):  # the same additions in the same order
        return group_sums(values, group, n_groups)
    rows = np.flatnonzero(group >= 0)
    indicator = sp.csr_matrix(
        (np.ones(len(rows)), (group[rows], rows)), shape=(n_groups, len(group))
    )
    sums = indicator @ values
    return np.asarray(sums.toarray() if sp.issparse(sums) else sums, np.float64)


def _means(
    parts: Sequence[Dataset], group: NDArray[np.int64], n_groups: int
) -> NDArray[np.float64]:
    sums = np.zeros((n_groups, len(parts[0].readouts)))
    start = 0
    for part in parts:
        stop = start + part.n_profiles
        sums += _sums(part.values, group[start:stop], n_groups)
        start = stop
    return sums / np.bincount(group[group >= 0], minlength=n_groups)[:, None]


def _keys(part: Dataset) -> pd.DataFrame:
    queries = part.queries()
    labels, inverse = unique_labels(queries.perturbation)
    names = np.array([canonical_label(label) for label in labels], dtype=object)
    missing = np.full(part.n_profiles, np.nan)
    return pd.DataFrame(
        {
            "perturbation": names[inverse],
            "context": np.asarray(queries.context, dtype=object),
            "dose_molar": missing if queries.dose_molar is None else queries.dose_molar,
            "time_s": missing if queries.time_s is None else queries.time_s,
            "is_treated": ~part.is_control,
        }
    )
