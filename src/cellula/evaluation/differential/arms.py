"""The groups that are compared: of each context the control first, then every perturbation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError

__all__ = ["Arms", "arms_of", "codes_of"]


@dataclass(frozen=True, slots=True)
class Arms:
    """groups: of each cell, (cells,). names: context and perturbation of each group, context
    after context. first: of each context its control's group, and the number of groups.
    """

    groups: NDArray[np.int64]
    names: tuple[tuple[str, str], ...]
    first: tuple[int, ...]

    @property
    def contexts(self) -> tuple[tuple[int, int], ...]:
        """Control's group and end of the groups of every context."""
        return tuple(zip(self.first, self.first[1:], strict=False))


def arms_of(obs: pd.DataFrame, perturbation: str, control: str, context: str | None) -> Arms:
    """The groups of a table of cells, sorted by name; one nameless context where none is named.

    A perturbation that is a declared category without cells is a group in every context. Raises
    DataError when a column or the control is absent or a label is missing.
    """
    codes, labels = codes_of(obs, perturbation)
    if control not in labels:
        shown = ", ".join(labels[:5])
        raise DataError(
            f"column {perturbation!r} has no control {control!r}; it has {len(labels)} labels, "
            f"such as {shown}"
        )
    of_context, contexts = codes_of(obs, context) if context else (np.zeros_like(codes), [""])
    has_cells = np.bincount(codes, minlength=len(labels)) > 0
    n = np.zeros((len(contexts), len(labels)), np.int64)
    np.add.at(n, (of_context, codes), 1)
    number = np.full(n.shape, -1, np.int64)
    names: list[tuple[str, str]] = []
    first = []
    for place, name in enumerate(contexts):
        first.append(len(names))
        others = [k for k, label in enumerate(labels) if label != control]
        for k in (labels.index(control), *others):
            if n[place, k] or not has_cells[k] or labels[k] == control:
                number[place, k] = len(names)
                names.append((name, labels[k]))
    return Arms(number[of_context, codes], tuple(names), (*first, len(names)))


def codes_of(obs: pd.DataFrame, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """Codes (cells,) of the labels of a column and the labels, as text and sorted."""
    if column not in obs.columns:
        there = ", ".join(map(str, obs.columns)) or "none"
        raise DataError(f"the cells have no column {column!r}; they have: {there}")
    missing = int(obs[column].isna().sum())
    if missing:
        raise DataError(
            f"column {column!r} has no label for {missing} cells; label them or leave them out"
        )
    values = obs[column]
    text = values.cat.rename_categories(str) if values.dtype == "category" else values.astype(str)
    labels = sorted(map(str, text.astype("category").cat.categories))
    codes = pd.Categorical(text, categories=labels).codes
    return np.asarray(codes, np.int64), labels
