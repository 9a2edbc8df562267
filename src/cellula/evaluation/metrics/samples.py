"""The cells of a group, and what metrics make of them once: as long as the group is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.memo import Memo
from cellula.core.metric import Terms
from cellula.core.prediction import Population
from cellula.evaluation.metrics.sums import mean_terms
from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.compact import compact
from cellula.kernels.pair_distances import squared_distances
from cellula.kernels.sorted_columns import Columns, sorted_columns

__all__ = [
    "Sample",
    "columns",
    "distance_rows",
    "distances",
    "is_small",
    "population_terms",
    "row_blocks",
    "values",
]

#: Pairs whose distances are held together: 2^22 numbers are 32 MiB.
MOST_PAIRS = 2**22

Made = TypeVar("Made")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """The cells of one group of one side; cells: (cells, readouts), dense or CSR."""

    cells: Any
    _memo: Memo = field(default_factory=Memo, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return int(self.cells.shape[0])

    def derived(self, make: Callable[..., Made], *beside: object) -> Made:
        """What a pure function makes of this sample and what stands beside it, made once.

        As :meth:`cellula.core.prediction.Population.derived`.
        """
        return self._memo.of(make, self, *beside)


def population_terms(
    comparison: Comparison, distance: Callable[[Sample, Sample], float], min_cells: int
) -> Terms:
    """Terms of a mean over groups of a distance between observed and predicted cells.

    A group has a value when both sides hold at least ``min_cells`` cells. The samples of a
    comparison of one group are kept with it, for the metrics that come after; those of several
    groups would fill the memory and are not.
    """
    n_groups = len(comparison.groups)
    found = np.full(n_groups, np.nan)
    observed, predicted = comparison.observed_cells, comparison.predicted_cells
    if observed is None or predicted is None:
        side = "observation" if observed is None else "prediction"
        return mean_terms(found, np.full(n_groups, f"the {side} carries no cells"))
    reasons: list[str] = []
    with one_blas_thread():
        for group in range(n_groups):
            x, y = (_sample(cells, group, n_groups) for cells in (observed, predicted))
            if min(len(x), len(y)) < min_cells:
                reasons.append(f"fewer than {min_cells} observed or predicted cells")
                continue
            is_finite = x.derived(_is_finite) and y.derived(_is_finite)
            found[group] = distance(x, y) if is_finite else np.nan
            is_number = np.isfinite(found[group])
            reasons.append("" if is_number else "a cell has a value that is no number")
    return mean_terms(found, np.array(reasons, dtype=str))


def values(sample: Sample) -> Any:
    """The cells (cells, readouts), CSR where most of their values are 0, else dense.

    However the cells are kept, see :func:`~cellula.kernels.compact.compact`.
    """
    return sample.derived(_values)


def columns(sample: Sample) -> Columns:
    """The values of every readout, sorted."""
    return sample.derived(_columns)


def distances(x: Sample, y: Sample) -> Floats:
    """Squared Euclidean distances of all pairs: (cells of x, cells of y), 0 between equal cells.

    Where the pairs are few they are kept, beside y: let x be the observed side.
    """
    return y.derived(_distances, x) if is_small(x, y) else _distances(y, x)


def distance_rows(x: Sample, rows: slice, y: Sample) -> Floats:
    """:func:`distances` of some cells of x, see :func:`row_blocks`."""
    if is_small(x, y):
        return distances(x, y)[rows]
    return squared_distances(values(x)[rows], values(y))


def row_blocks(x: Sample, *others: Sample) -> list[slice]:
    """The cells of x, so many together as may have distances from all of each other sample."""
    size = max(1, MOST_PAIRS // max(map(len, others)))
    return [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]


def is_small(x: Sample, y: Sample) -> bool:
    """Whether the distances of all pairs may be held together."""
    return len(x) * len(y) <= MOST_PAIRS


# -- what is made of a sample -----------------------------------------------------------------
def _sample(cells: Population, group: int, n_groups: int) -> Sample:
    return cells.derived(_only) if n_groups == 1 else Sample(cells.block(group))


def _only(cells: Population) -> Sample:
    return Sample(cells.block(0))


def _is_finite(sample: Sample) -> bool:
    cells = sample.cells
    return bool(np.isfinite(cells.data if sp.issparse(cells) else cells).all())


def _values(sample: Sample) -> Any:
    return compact(sample.cells)


def _columns(sample: Sample) -> Columns:
    return sorted_columns(values(sample))


def _distances(y: Sample, x: Sample) -> Floats:
    return squared_distances(values(x), values(x) if x is y else values(y))
