"""What a fitted model answers: a batch of predicted profiles or populations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.matrix import dense, loaded
from cellula.core.memo import Memo
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType

__all__ = ["Population", "Prediction"]

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Population:
    """Cells of several populations, read one population at a time.

    values: (cells, readouts), dense, CSR, or a matrix on disk of which a population is loaded when
    it is asked for; group: (cells,) the row of the query or group that each cell belongs to,
    ascending. Whatever ``values`` are, the numbers of a population are the same, bit by bit.
    """

    values: Any
    group: NDArray[np.int64]
    _memo: Memo = field(default_factory=Memo, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.values.shape[0] != len(self.group):
            raise DataError(f"{self.values.shape[0]} cells but {len(self.group)} group codes")
        if np.any(np.diff(self.group) < 0):
            raise DataError("the cells of a population are not sorted by group; sort them first")

    @property
    def n_dimensions(self) -> int:
        """How many readouts, or coordinates of a space, a cell has."""
        return int(self.values.shape[1])

    def of(self, group: int) -> NDArray[np.float64]:
        """The cells of one group, dense: (cells of the group, readouts)."""
        return dense(self.values[self._rows(group)])

    def block(self, group: int) -> Any:
        """The cells of one group as they are kept, dense or CSR: (cells of the group, readouts)."""
        return loaded(self.values[self._rows(group)])

    def part(self, first: int, stop: int) -> Population:
        """The populations of the groups first, ..., stop - 1, numbered from 0."""
        low, high = np.searchsorted(self.group, [first, stop])
        return Population(self.values[low:high], self.group[low:high] - first)

    def derived(self, make: Callable[..., Made], *beside: object) -> Made:
        """What a pure function makes of this population and what stands beside it, made once.

        However many metrics ask, of however many comparisons that share the population. make: a
        function of a module, not a lambda, called with the population and ``beside``. What it
        makes is shared, so nobody changes it; a ``replace`` of the population begins with nothing.
        """
        return self._memo.of(make, self, *beside)

    def _rows(self, group: int) -> slice:
        start, stop = np.searchsorted(self.group, [group, group + 1])
        return slice(int(start), int(stop))


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answers to one batch of queries.

    mean: (queries, readouts), the pseudobulk in ``value_type``; lower, upper: the 90 %
    predictive interval of the pseudobulk, same shape, or None; in_domain: (queries,) whether
    the question lies inside what the model was fitted on; cells: predicted cells whose group
    is the row of the query in this batch, or None where only the mean is predicted.
    """

    queries: QueryTable
    readouts: tuple[str, ...]
    value_type: ValueType
    mean: NDArray[np.float64]
    in_domain: NDArray[np.bool_]
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None
    cells: Population | None = None

    def __post_init__(self) -> None:
        shape = (len(self.queries), len(self.readouts))
        for name in ("mean", "lower", "upper"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise DataError(
                    f"{name} has shape {array.shape}; expected (queries, readouts) {shape}"
                )
        if self.in_domain.shape != shape[:1]:
            raise DataError(f"in_domain has shape {self.in_domain.shape}; expected {shape[:1]}")
        if (self.lower is None) != (self.upper is None):
            raise DataError("an interval needs both lower and upper")
        if self.lower is not None and self.upper is not None and np.any(self.lower > self.upper):
            raise DataError("an interval has its lower bound above its upper bound")
        if not np.isfinite(self.mean).all():
            row = int(np.argwhere(~np.isfinite(self.mean))[0][0])
            raise DataError(
                f"the prediction for query {row} is not finite; a model answers every query "
                "with a number and says by in_domain how far it may be trusted"
            )
