"""Two-way offsets: mean of the perturbation plus offset of the context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.response_table import FittedTable, ResponseTable
from cellula.models.baselines.tuning import least_error, train_and_valid

__all__ = ["RowColumnOffset", "RowColumnOffsetOptions", "two_way_offsets"]

#: Shrinkages tried on validation data.
CANDIDATES = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)


class RowColumnOffsetOptions(Options):
    """Options of :class:`RowColumnOffset`."""

    shrinkage: float = Field(default=3.0, gt=0)
    """Measurements at offset 0 that every context is given; tuned on validation data."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class RowColumnOffset:
    """Assumes that a context is more or less sensitive to all treatments alike: a level for each
    treatment plus an offset for each context.

    y[t, c] = a[t] + b[c] by penalised least squares, sum (y - a - b)^2 + k sum b^2: the biases of
    [koren2009]_, those of treatments unpenalised. t is a treatment, c a context; k, tuned on
    validation data, shrinks offsets of contexts that were rarely measured. An unseen context has
    offset 0. In domain: both were seen.
    """

    options: RowColumnOffsetOptions

    name: ClassVar[str] = "row_column_offset"
    options_type: ClassVar[type[Options]] = RowColumnOffsetOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("koren2009",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedTable:
        """Choose the shrinkage on ``valid``, then solve on both."""
        seen, held, both, reference = train_and_valid(train, valid)
        shrinkage = self.options.shrinkage
        with one_blas_thread():
            if held is not None:
                shrinkage = least_error(CANDIDATES, lambda k: _table(seen, k).effects, held)
            table = _table(both, shrinkage)
        return FittedTable(table, Answer.of(train, reference, self.options.cells))

    def restore(self, state: State) -> FittedTable:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedTable.restore(state)


def two_way_offsets(
    bulk: Pseudobulk, shrinkage: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Effects of treatments (treatments, readouts) and offsets of contexts (contexts, readouts).

    Penalised least squares, as the biases of [koren2009]_. In units of the values.
    Exact: one side is eliminated, the other, the smaller of both, solved directly.
    """
    t, c = len(bulk.treatments), len(bulk.contexts)
    ones = np.ones(len(bulk.treatment))
    pairs = sp.csr_matrix((ones, (bulk.treatment, bulk.context)), shape=(t, c))
    rows = sp.csr_matrix((ones, (bulk.treatment, np.arange(len(ones)))), shape=(t, len(ones)))
    columns = sp.csr_matrix((ones, (bulk.context, np.arange(len(ones)))), shape=(c, len(ones)))
    n_row = np.asarray(pairs.sum(1)).ravel()[:, None]
    n_column = np.asarray(pairs.sum(0)).ravel()[:, None] + shrinkage
    by_row, by_column = rows @ bulk.values, columns @ bulk.values
    if c <= t:
        schur = np.diag(n_column.ravel()) - (pairs.T @ pairs.multiply(1 / n_row)).toarray()
        offset = np.linalg.solve(schur, by_column - pairs.T @ (by_row / n_row))
        return (by_row - pairs @ offset) / n_row, offset
    schur = np.diag(n_row.ravel()) - (pairs @ pairs.multiply(1 / n_column.T).T).toarray()
    effect = np.linalg.solve(schur, by_row - pairs @ (by_column / n_column))
    return effect, (by_column - pairs.T @ effect) / n_column


def _table(bulk: Pseudobulk, shrinkage: float) -> ResponseTable:
    effect, offset = two_way_offsets(bulk, shrinkage)
    is_known = np.arange(len(offset) + 1) < len(offset)
    return ResponseTable(
        bulk.treatments,
        bulk.contexts,
        bulk.treatments.with_fallbacks(effect),
        is_known,
        bulk.treatments.is_seen,
        np.concatenate([offset, np.zeros((1, offset.shape[1]))]),
    )
