"""Questions of several tables in one numbering, and one question in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable

__all__ = ["describe", "distinct", "join_frames", "joint_codes", "label_codes", "labels_of"]

#: Products of numbers of labels are renumbered before they leave int64.
LARGEST_CODE = 2**62


def distinct(data: Dataset) -> QueryTable:
    """The distinct questions of the profiles, in a fixed order."""
    questions = data.queries()
    _, first = np.unique(questions.keys(), return_index=True)
    return questions.take(first)


def joint_codes(tables: Sequence[QueryTable]) -> list[NDArray[np.int64]]:
    """A code of every row, equal for equal questions in whatever table, ordered as the labels.

    Codes rise with perturbation, then context, dose, time and individual, so the order does not
    depend on the order of the rows. Doses and times match when they are the same number.
    Raises DataError when the tables do not have the same columns.
    """
    columns = tables[0].columns
    for table in tables[1:]:
        if table.columns != columns:
            raise DataError(
                f"observed questions have the columns {', '.join(columns)}, the answers "
                f"{', '.join(table.columns)}; ask with exactly the observed columns"
            )
    total = sum(len(table) for table in tables)
    codes = np.zeros(total, np.int64)
    size = 1
    for name in columns:
        part, n_values = _column_codes([getattr(table, name) for table in tables])
        if size * n_values > LARGEST_CODE:
            present, codes = np.unique(codes, return_inverse=True)
            size = len(present)
        codes = codes * n_values + part
        size *= n_values
    ends = np.cumsum([len(table) for table in tables])
    return list(np.split(codes.astype(np.int64), ends[:-1]))


def _column_codes(columns: Sequence[Any]) -> tuple[NDArray[np.int64], int]:
    if isinstance(columns[0], np.ndarray):
        values, codes = np.unique(np.concatenate(columns), return_inverse=True)
        return codes.astype(np.int64), max(len(values), 1)
    parts, labels = label_codes(columns)
    return np.concatenate(parts), max(len(labels), 1)


def label_codes(
    columns: Sequence[pd.Categorical],
) -> tuple[list[NDArray[np.int64]], tuple[str, ...]]:
    """Codes of several columns of labels in one numbering, and the labels, sorted."""
    names = [np.asarray(column.categories, str) for column in columns]
    labels, inverse = np.unique(np.concatenate(names), return_inverse=True)
    starts = np.cumsum([0, *(len(part) for part in names)])
    parts = [
        np.asarray(inverse[start : start + len(part)][column.codes], np.int64)
        for column, part, start in zip(columns, names, starts[:-1], strict=True)
    ]
    return parts, tuple(map(str, labels))


def describe(queries: QueryTable, row: int) -> str:
    """One question in words: ``perturbation 'A', context 'B', dose_molar 1e-06``."""
    return ", ".join(f"{name} {getattr(queries, name)[row]!r}" for name in queries.columns)


def labels_of(column: pd.Series[Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Code of every row of a column of labels, and the labels that occur, sorted."""
    (codes,), names = label_codes([pd.Categorical(column)])
    present, codes = np.unique(codes, return_inverse=True)
    return codes.astype(np.int64), tuple(names[code] for code in present)


def join_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of questions below one another; labels stay categoricals, of all their labels."""
    columns: dict[str, Any] = {}
    for name in frames[0].columns:
        parts = [frame[name] for frame in frames]
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            codes, names = label_codes([part.array for part in parts])
            columns[str(name)] = pd.Categorical.from_codes(np.concatenate(codes), list(names))
        else:
            columns[str(name)] = np.concatenate([part.to_numpy() for part in parts])
    return pd.DataFrame(columns)
