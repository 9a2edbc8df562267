"""Side features on one scale: standardised by the items that a model is fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import State

__all__ = ["SideFeatures", "feature_side"]


def feature_side(
    train: Dataset, model: str, wanted: Literal["auto", "context", "perturbation"]
) -> Literal["context", "perturbation"]:
    """Whose features a model is fitted on; ``auto`` takes those of contexts where there are such.

    Raises DataError, naming the model, when the data have no such table.
    """
    tables = {"context": train.context_features, "perturbation": train.perturbation_features}
    for side in ("context", "perturbation"):
        if tables[side] is not None and wanted in {"auto", side}:
            return side
    missing = "context or perturbation" if wanted == "auto" else wanted
    raise DataError(
        f"the model {model!r} needs a table of {missing} features and these data have none; "
        "add one to the study: [[data]] role = 'context_features' or 'perturbation_features'"
    )


@dataclass(frozen=True, slots=True)
class SideFeatures:
    """Features of contexts or perturbations.

    labels: items; names: features; values: (items, features), centred and scaled over the
    fitted items; contrast: (features,) the step of a feature that its effect is told for, in
    scaled units: from absent to present where its values are 0 and 1, else one standard
    deviation. A feature that does not vary among the fitted items is 0 everywhere. Features of
    values 0 and 1 share one unit and so are scaled alike, by the root mean square of their
    standard deviations: a rare mutation is not blown up. Every other feature is scaled by its
    own.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    contrast: NDArray[np.float64]

    @classmethod
    def of(cls, table: pd.DataFrame | None, fitted: Sequence[str]) -> SideFeatures:
        """From a feature table; ``fitted`` names the items whose mean and spread count.

        Without a table there are no features: values of shape (0, 0).
        """
        if table is None:
            return cls((), (), np.zeros((0, 0)), np.zeros(0))
        labels, names = tuple(map(str, table.index)), tuple(map(str, table.columns))
        raw = table.to_numpy(np.float64)
        place = pd.Index(labels).get_indexer(pd.Index(list(fitted), dtype=object))
        basis = raw[place[place >= 0]] if (place >= 0).any() else raw
        spread = basis.std(axis=0)
        does_vary = spread > 1e-12 * (1.0 + np.abs(basis).max(axis=0, initial=0.0))
        is_binary = ((raw == 0) | (raw == 1)).all(axis=0) & does_vary
        unit = np.where(does_vary, spread, 1.0)
        if is_binary.any():
            unit[is_binary] = np.sqrt(np.mean(spread[is_binary] ** 2))
        scaled = np.where(does_vary, (raw - basis.mean(axis=0)) / unit, 0.0)
        step = np.where(is_binary, 1.0, np.where(does_vary, spread, 0.0))
        return cls(labels, names, scaled, step / unit)

    def at(self, labels: Sequence[str]) -> NDArray[np.float64]:
        """The features of items: (items, features); 0, the average, where they have none."""
        place = self.places(labels)
        padded = np.concatenate([self.values, np.zeros((1, self.values.shape[1]))])
        return padded[place]

    def places(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """The row of every item, -1 where it has none."""
        index = pd.Index(self.labels, dtype=object)
        return np.asarray(index.get_indexer(pd.Index(list(labels), dtype=object)), np.int64)

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        return State(
            {"feature_values": self.values, "feature_contrast": self.contrast},
            {"feature_labels": list(self.labels), "feature_names": list(self.names)},
        )

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> SideFeatures:
        """The features of a state."""
        return cls(
            tuple(meta["feature_labels"]),
            tuple(meta["feature_names"]),
            arrays["feature_values"],
            arrays["feature_contrast"],
        )
