"""Graphs from any table of pairs of genes: the files of STRING, BioGRID, or a laboratory's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Provenance
from cellula.core.errors import DataError
from cellula.data.knowledge.graph import KnowledgeGraph

__all__ = ["PairColumns", "pair_graph"]


@dataclass(frozen=True, slots=True)
class PairColumns:
    """What the columns of a table of pairs are.

    left, right: the two names; weight: how sure or strong a pair is, None where all weigh 1;
    least: pairs of a lower weight are left out; called: name in the table -> symbol, names that
    it lacks stay as they are (STRING knows proteins by ``9606.ENSP...``).
    """

    left: str
    right: str
    weight: str | None = None
    least: float = 0.0
    called: Mapping[str, str] = field(default_factory=dict)


def pair_graph(
    table: pd.DataFrame, columns: PairColumns, file: str, provenance: Provenance, version: str = ""
) -> KnowledgeGraph:
    """Genes joined where a row of the table names both; the names are sorted.

    A pair that is there twice, or in both directions, has its largest weight; a gene paired with
    itself is no edge. Raises DataError, naming row and remedy, on a missing column, a row without
    a name, a weight that is negative or no number, or where no pair is left.
    """
    names = [columns.left, columns.right, *([columns.weight] if columns.weight else [])]
    absent = [name for name in names if name not in table.columns]
    if absent:
        raise DataError(
            f"{file} has no column {', '.join(map(repr, absent))}; it has: "
            f"{', '.join(map(repr, map(str, table.columns)))}"
        )
    ends = [_names(table[name], columns.called, file) for name in names[:2]]
    weight = np.ones(len(table))
    if columns.weight is not None:
        weight = _weights(table[columns.weight], file)
    codes, genes = pd.factorize(np.concatenate(ends), sort=True)
    left, right = codes[: len(table)], codes[len(table) :]
    is_edge = (left != right) & (weight >= columns.least) & (weight > 0)
    if not is_edge.any():
        raise DataError(
            f"{file}: of {len(table)} rows none is a pair of two genes of weight {columns.least:g} "
            "or more; lower 'least' or name other columns"
        )
    order = np.flatnonzero(is_edge)[np.argsort(weight[is_edge], kind="stable")]
    ends_of = pd.DataFrame(
        {"a": np.minimum(left, right), "b": np.maximum(left, right), "w": weight}
    )
    pairs = ends_of.iloc[order].drop_duplicates(["a", "b"], keep="last")
    half = sp.csr_matrix((pairs["w"], (pairs["a"], pairs["b"])), (len(genes), len(genes)))
    return KnowledgeGraph(tuple(map(str, genes)), sp.csr_matrix(half + half.T), provenance, version)


def _names(column: pd.Series[Any], called: Mapping[str, str], file: str) -> NDArray[Any]:
    missing = np.flatnonzero(column.isna().to_numpy())
    if len(missing):
        raise DataError(
            f"{file}: row {missing[0]} has no {str(column.name)!r} (and {len(missing) - 1} other "
            "rows like it); drop these rows or keep others with 'where'"
        )
    texts = column.astype(str)
    return np.asarray([called.get(text, text) for text in texts], object)


def _weights(column: pd.Series[Any], file: str) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
    if len(wrong):
        raise DataError(
            f"{file}: row {wrong[0]} has the weight {column.iloc[wrong[0]]!r} (and "
            f"{len(wrong) - 1} other rows are like it); expected 0 or more: leave the weight out, "
            "or keep rows that have one with 'where'"
        )
    return np.asarray(numbers, np.float64)
