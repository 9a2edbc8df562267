"""What the networks read: counts, and the batches of profiles as codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.matrix import loaded
from cellula.core.value_type import ValueType
from cellula.data.cell_report import recovered_counts
from cellula.data.harmonise.batch_calibration import confounding

__all__ = ["Batches", "counts_of", "require_readouts"]


def counts_of(data: Dataset, what: str = "the data") -> sp.csr_matrix:
    """The counts of all profiles, float32: the values, the layer, or what log1p gives back.

    (profiles, readouts). Raises DataError where there are none, or a profile has no count.
    """
    found: Any = None
    if data.value_type is ValueType.COUNTS:
        found = loaded(data.values)
    elif data.value_type is ValueType.LOG1P and data.counts is not None:
        found = loaded(data.counts)
    elif data.value_type is ValueType.LOG1P:
        recovered = recovered_counts(data)
        found = None if recovered is None else recovered.values
    if found is None:
        raise DataError(
            f"{what} hold {data.value_type.value} and no counts, which the networks of scvi-tools "
            "are of; open the counts, or put them into the layer 'counts'"
        )
    counts = sp.csr_matrix(found, dtype=np.float32)
    empty = np.flatnonzero(np.asarray(counts.sum(axis=1)).ravel() <= 0)
    if len(empty):
        raise DataError(
            f"profile {data.obs.index[empty[0]]!r} (and {len(empty) - 1} more) has no count in "
            f"{what}; drop such profiles"
        )
    return counts


def require_readouts(found: tuple[str, ...], expected: tuple[str, ...], name: str) -> None:
    """Raise DataError unless readouts are those of the fit, in their order."""
    if found != expected:
        raise DataError(
            f"{name} was fitted on {len(expected)} readouts, these data have {len(found)} or "
            "another order; hand over the same ones"
        )


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches that a network knows: a role and its levels, or none.

    role: "" for none; levels: in the order of the network's codes.
    """

    role: str
    levels: tuple[str, ...]

    @classmethod
    def of(cls, data: Dataset, role: str, limit: float) -> Batches:
        """The levels of a role in training data; of the role "" one level.

        Raises DataError where the role is missing, or tells perturbations: the squared canonical
        correlation of both is above ``limit``.
        """
        if not role:
            return cls("", ("all",))
        if not data.has_role(role):
            raise DataError(
                f"the data have no role {role!r} to take batches from; name its column, or fit "
                "without batches: batch = ''"
            )
        labels = data.labels(role)
        if data.has_role("perturbation") and len(labels.categories) > 1:
            mixed = confounding(labels, data.labels("perturbation"))
            if mixed.is_confounded or mixed.squared_correlation > limit:
                raise DataError(
                    f"the levels of {role!r} differ in their perturbations (squared canonical "
                    f"correlation {mixed.squared_correlation:.3f}, limit {limit}): the network "
                    "would remove responses with the batches; fit it on the controls or without "
                    "batches"
                )
        return cls(role, tuple(map(str, labels.categories)))

    def codes(self, data: Dataset) -> NDArray[np.int64]:
        """The code of every profile (profiles,); DataError, naming it, on an unseen level."""
        if not self.role:
            return np.zeros(data.n_profiles, np.int64)
        labels = data.labels(self.role)
        place = pd.Index(self.levels, dtype=object)
        names = [str(name) for name in labels.categories]
        unseen = [name for name in names if name not in place]
        if unseen:
            raise DataError(
                f"the network has not seen {len(unseen)} level(s) of {self.role!r}: "
                f"{', '.join(unseen[:5])}; fit it on data that hold them"
            )
        return np.asarray(place.get_indexer(pd.Index(names, dtype=object))[labels.codes], np.int64)
