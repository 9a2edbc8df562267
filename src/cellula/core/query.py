"""Questions to a virtual cell: one row a question, stored by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cellula.core.errors import DataError

__all__ = ["QueryTable"]

#: Columns in their order; the first two are always there.
LABELS = ("perturbation", "context", "individual")
NUMBERS = ("dose_molar", "time_s")
COLUMNS = ("perturbation", "context", "dose_molar", "time_s", "individual")


@dataclass(frozen=True, slots=True)
class QueryTable:
    """Perturbation, context, dose, time and individual of every question.

    perturbation, context, individual: categoricals of shape (queries,), 4 bytes a row at most;
    dose_molar (mol/l) and time_s (s): float64 of shape (queries,). Columns that the question
    does not have are None. Ten million rows of all five columns take about 240 MB.
    """

    perturbation: pd.Categorical
    context: pd.Categorical
    dose_molar: NDArray[np.float64] | None = None
    time_s: NDArray[np.float64] | None = None
    individual: pd.Categorical | None = None

    def __post_init__(self) -> None:
        n = len(self.perturbation)
        for name in COLUMNS:
            column = getattr(self, name)
            if column is None:
                continue
            if len(column) != n:
                raise DataError(f"column {name!r} has {len(column)} rows, 'perturbation' has {n}")
            missing = np.flatnonzero(pd.isna(column))
            if len(missing):
                raise DataError(
                    f"column {name!r} has no value in row {missing[0]} "
                    f"({len(missing)} such rows); fill it or drop the rows"
                )

    @classmethod
    def of(
        cls,
        perturbation: Sequence[str] | pd.Categorical,
        context: Sequence[str] | pd.Categorical,
        *,
        dose_molar: ArrayLike | None = None,
        time_s: ArrayLike | None = None,
        individual: Sequence[str] | pd.Categorical | None = None,
    ) -> QueryTable:
        """A table from plain sequences; labels become categoricals, numbers float64."""
        return cls(
            pd.Categorical(perturbation),
            pd.Categorical(context),
            None if dose_molar is None else np.asarray(dose_molar, np.float64),
            None if time_s is None else np.asarray(time_s, np.float64),
            None if individual is None else pd.Categorical(individual),
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> QueryTable:
        """A table from the columns of a DataFrame; others raise DataError naming them."""
        wrong = [str(name) for name in frame.columns if name not in COLUMNS]
        missing = [name for name in ("perturbation", "context") if name not in frame.columns]
        if wrong or missing:
            raise DataError(
                f"a query table has the columns {', '.join(COLUMNS)} (the last three optional); "
                f"unknown: {', '.join(wrong) or 'none'}; missing: {', '.join(missing) or 'none'}"
            )
        given: dict[str, Any] = {}
        for name in frame.columns:
            column = frame[name]
            if name in NUMBERS:
                given[name] = column.to_numpy(np.float64)
            else:
                given[name] = _labels(column)
        return cls(**given)

    def __len__(self) -> int:
        return len(self.perturbation)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that this table has."""
        return tuple(name for name in COLUMNS if getattr(self, name) is not None)

    def take(self, rows: slice | NDArray[Any]) -> QueryTable:
        """Some rows, by slice, boolean mask or positions."""
        return QueryTable(
            *(None if (column := getattr(self, name)) is None else column[rows] for name in COLUMNS)
        )

    def batches(self, size: int) -> Iterator[QueryTable]:
        """Consecutive parts of at most ``size`` rows, one in memory; DataError on a size of 0."""
        if size < 1:
            raise DataError(f"a batch of {size} queries is empty; give a size of at least 1")
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def frame(self) -> pd.DataFrame:
        """The table as a DataFrame with the columns that it has."""
        return pd.DataFrame({name: getattr(self, name) for name in self.columns})

    def keys(self) -> NDArray[np.int64]:
        """A code of every row's question, equal for equal questions: shape (queries,)."""
        frame = self.frame()
        codes = frame.groupby(list(self.columns), observed=True, sort=True, dropna=False).ngroup()
        return cast("NDArray[np.int64]", codes.to_numpy(np.int64))


def _labels(column: pd.Series[Any]) -> pd.Categorical:
    """A column of labels as a categorical of text; missing labels stay missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        named = column.array
        if all(isinstance(name, str) for name in named.categories):
            return cast("pd.Categorical", named)
    return pd.Categorical(column.astype(str).where(column.notna(), None))
