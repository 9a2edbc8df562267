"""A submission beside the experiment: two sparse matrices over the same genes and perturbations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError

__all__ = ["Panel", "Side", "panel", "stacked"]

Csr = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Side:
    """The cells of one side.

    matrix: data, indices and indptr of a CSR matrix (cells, genes) with sorted, unique indices
    and finite values; codes: (cells,) 0 for a control, k + 1 for the k-th perturbation, -1 for a
    cell that does not count; shape: (groups, genes), the controls being group 0.
    """

    matrix: Csr
    codes: Codes
    shape: tuple[int, int]

    def with_values(self, data: NDArray[Any]) -> Side:
        """The same cells with other values (values,) at the same places."""
        return Side((data, *self.matrix[1:]), self.codes, self.shape)

    def without_controls(self) -> Side:
        """The same cells, of which no control counts."""
        return Side(self.matrix, np.where(self.codes == 0, -1, self.codes), self.shape)

    @property
    def n_controls(self) -> int:
        """How many controls there are."""
        return int(np.count_nonzero(self.codes == 0))

    def group_sizes(self) -> NDArray[np.int64]:
        """Cells of every group: (groups,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=self.shape[0])

    def ordered(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The cells that count in the order of their groups, and where each group begins."""
        kept = np.flatnonzero(self.codes >= 0)
        order = kept[np.argsort(self.codes[kept], kind="stable")]
        bounds = np.searchsorted(self.codes[order], np.arange(self.shape[0] + 1))
        return order, bounds.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Panel:
    """Real and predicted cells of the same perturbations over the same genes.

    own_gene: (perturbations,) the column of the gene that a perturbation targets, -1 for none.
    """

    perturbations: tuple[str, ...]
    genes: tuple[str, ...]
    own_gene: NDArray[np.int64]
    real: Side
    predicted: Side


def panel(real: AnnData, predicted: AnnData, *, perturbation: str, control: str) -> Panel:
    """Align a submission with the experiment.

    perturbation: the obs column of labels on both sides; control: the label of controls, which
    the submission may lack. A perturbation whose label is a gene targets it. Raises DataError
    naming what differs: genes, perturbations, a column that is absent, values that are not finite.
    """
    labels = {
        "the experiment": _labels(real, perturbation, "the experiment"),
        "the submission": _labels(predicted, perturbation, "the submission"),
    }
    names = sorted(set(labels["the experiment"]) - {control})
    if control not in set(labels["the experiment"]):
        raise DataError(
            f"the experiment has no control cells: no {perturbation} is {control!r}; "
            "name the label of its controls"
        )
    _require_same("perturbation", names, sorted(set(labels["the submission"]) - {control}))
    genes = tuple(map(str, real.var_names))
    _require_unique(genes)
    _require_same("gene", genes, tuple(map(str, predicted.var_names)))
    places = {gene: place for place, gene in enumerate(genes)}
    order = [places[str(gene)] for gene in predicted.var_names]
    sides = [
        _side(content, labels[who], [control, *names], who)
        for content, who in (
            (real, "the experiment"),
            (_arranged(predicted, genes, order), "the submission"),
        )
    ]
    own = np.array([places.get(name, -1) for name in names], np.int64)
    return Panel(tuple(names), genes, own, *sides)


def stacked(controls: Side, side: Side) -> Side:
    """The controls of one side above the perturbed cells of another, as one side."""
    rows = np.flatnonzero(controls.codes == 0)
    top = _csr(controls)[rows]
    data, indices, indptr = side.matrix
    joined = (
        np.concatenate([top.data, data]),
        np.concatenate([top.indices, indices]),
        np.concatenate([top.indptr, top.indptr[-1] + np.asarray(indptr[1:], np.int64)]),
    )
    codes = np.concatenate([np.zeros(len(rows), np.int64), side.without_controls().codes])
    return Side(joined, codes, side.shape)


def _csr(side: Side) -> sp.csr_matrix:
    return sp.csr_matrix(side.matrix, shape=(len(side.codes), side.shape[1]))


def _labels(content: AnnData, column: str, who: str) -> NDArray[Any]:
    if column not in content.obs:
        there = ", ".join(map(str, content.obs.columns)) or "none"
        raise DataError(f"{who} has no obs column {column!r}; it has: {there}")
    values = content.obs[column]
    if values.isna().any():
        row = int(np.flatnonzero(values.isna())[0])
        raise DataError(f"{who}: cell {row} has no {column}; label every cell")
    return np.asarray(values.astype(str))


def _require_same(what: str, expected: Sequence[str], found: Sequence[str]) -> None:
    """Raise DataError naming the first few that are missing or too many."""
    known, there = set(expected), set(found)
    missing = [name for name in expected if name not in there]
    extra = [name for name in found if name not in known]
    for names, word in ((missing, "lacks"), (extra, "has unknown")):
        if names:
            shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
            raise DataError(
                f"the submission {word} {len(names)} {what}(s): {shown}; it must hold exactly "
                f"those {len(expected)} of the experiment"
            )


def _require_unique(genes: Sequence[str]) -> None:
    if len(set(genes)) != len(genes):
        twice = pd.Index(genes)
        first = twice[twice.duplicated()][0]
        raise DataError(f"the gene {first!r} occurs more than once; make the names unique")


def _arranged(content: AnnData, genes: Sequence[str], order: Sequence[int]) -> AnnData:
    """The submission with its genes in the order of the experiment."""
    return content if list(order) == list(range(len(genes))) else content[:, list(genes)]


def _side(content: AnnData, labels: NDArray[Any], names: Sequence[str], who: str) -> Side:
    if content.X is None:
        raise DataError(f"{who} has no matrix X; write its values into X")
    matrix = sp.csr_matrix(content.X)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if matrix.dtype.kind not in "iuf":
        matrix = matrix.astype(np.float64)
    if matrix.dtype.kind == "f" and not np.isfinite(matrix.data).all():
        row = int(np.searchsorted(matrix.indptr, np.argmin(np.isfinite(matrix.data)), "right")) - 1
        raise DataError(f"{who}: cell {row} holds a value that is not finite; every value counts")
    codes = pd.Index(names).get_indexer(pd.Index(labels))
    data = matrix.data if matrix.dtype.itemsize >= 4 else matrix.data.astype(np.float32)
    shape = (len(names), matrix.shape[1])
    return Side((data, matrix.indices, matrix.indptr), codes.astype(np.int64), shape)
