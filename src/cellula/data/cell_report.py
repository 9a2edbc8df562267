"""The cells of a study, as a report of bounded cost: limits, who is beyond them, doublets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.canonical import plain
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.doublets import COUNTS, DoubletOptions, doublet_scores
from cellula.data.quality import QualityCheck
from cellula.data.single_cell_quality import CellQualityOptions, cell_quality

__all__ = ["CellReportOptions", "cell_report", "recovered_counts"]

#: Cells are tried first on so few that a matrix without counts costs nothing.
TRIED = 200
#: How far a recovered count may be from a whole number, and up to which count that is asked.
TOLERANCE, LARGEST = 0.02, 200.0
#: What the smallest value of a cell may count.
SMALLEST = (1, 2, 3)


class CellReportOptions(Options):
    """How much is looked at and where the lines are."""

    limits: CellQualityOptions = CellQualityOptions(doublets=None)
    """The limits of depth, genes and mitochondrial share; doublets are looked for apart."""
    doublets: DoubletOptions = DoubletOptions()
    """How doublets are looked for."""
    max_doublets: float = Field(default=0.2, gt=0, le=1)
    """The share of doublets beyond which many "cells" are two, and responses are mixtures."""
    max_scored: int = Field(default=2000, ge=100)
    """The most cells that doublets are looked for in: an even sample over batches."""
    max_values: int = Field(default=300_000_000, ge=1)
    """With more stored values than this nothing is measured, and the report says so."""
    max_levels: int = Field(default=20, ge=1)
    """How many levels of a role are listed, those with the largest share beyond first."""


def cell_report(
    data: Dataset, run: RunContext, options: CellReportOptions | None = None
) -> Evidence | None:
    """Evidence ``cell_quality`` of counts, or of log1p values that counts can be read off.

    As :func:`cellula.data.single_cell_quality.cell_quality`, with the share of cells beyond a
    limit in every context and batch and the doublets of a sample. ``is_applicable`` is False,
    with the reason, where log1p values hold no counts or there are too many. None where the
    values are no counts of any kind. Deterministic in the run's seed.
    """
    given = options or CellReportOptions()
    if not isinstance(data.data, AnnData):
        return None
    if data.value_type not in {ValueType.COUNTS, ValueType.LOG1P}:
        return None
    inputs = {"data": data.digest()}
    stored = data.values.nnz if sp.issparse(data.values) else data.values.size
    if stored > given.max_values:
        return _not_measured(f"{stored} values are more than {given.max_values}", inputs)
    counted, source = _counted(data)
    if counted is None:
        return _not_measured(source, inputs)
    quality = cell_quality(counted, run, given.limits)
    is_beyond = ~quality.is_good
    doublets, check = _doublets(counted, run, given)
    found = quality.evidence.payload
    payload = {
        "is_applicable": True,
        "reason": "",
        **found,
        "not_measured": [name for name in found["not_measured"] if name != "doublet_score"],
        "counts_from": source,
        "mads": {
            "n_counts": given.limits.depth_mads,
            "n_genes": given.limits.genes_mads,
            "mitochondrial_share": given.limits.mitochondrial_mads,
        },
        "beyond": [
            row for role in ("context", "batch") for row in _shares(data, role, is_beyond, given)
        ],
        "doublets": doublets,
        "checks": [*found["checks"], *([plain(asdict(check))] if check else [])],
    }
    return Evidence("cell_quality", "data", plain(payload), inputs)


def _not_measured(reason: str, inputs: Mapping[str, str]) -> Evidence:
    payload = {"is_applicable": False, "reason": reason, "checks": []}
    return Evidence("cell_quality", "data", payload, inputs)


def _counted(data: Dataset) -> tuple[Dataset | None, str]:
    """The data with their counts, and where those are from; None and why there are none."""
    if data.value_type is ValueType.COUNTS:
        return data, "the values"
    if COUNTS in data.data.layers:
        return data, "the layer counts"
    found = recovered_counts(data)
    if found is None:
        return None, "no counts can be read off the log1p values, and no layer holds them"
    return found, "the log1p values: multiples of the smallest of every cell"


def recovered_counts(data: Dataset) -> Dataset | None:
    """The counts that log1p of scaled counts was made from; None where there are none.

    Scaling gives a cell's counts one factor, so expm1 of its values are whole multiples of one
    number: of the smallest value, which counts one, two or three. All cells must be so.
    """
    values = sp.csr_matrix(data.values, copy=True).astype(np.float64)
    values.eliminate_zeros()
    tried = np.unique(np.linspace(0, values.shape[0] - 1, TRIED).astype(np.int64))
    if _whole(values[tried]) is None:
        return None
    counts = _whole(values)
    if counts is None:
        return None
    old = data.data
    made = AnnData(counts, obs=old.obs.copy(), var=pd.DataFrame(index=old.var_names))
    return replace(data.unchecked(made), value_type=ValueType.COUNTS)


def _whole(logs: sp.csr_matrix) -> sp.csr_matrix | None:
    """The counts of cells as whole numbers; None where a cell has values that are none."""
    sizes = np.diff(logs.indptr)
    filled = np.flatnonzero(sizes)
    values = np.expm1(logs.data)
    if not len(values) or not np.isfinite(values).all() or values.min() <= 0:
        return None
    smallest = np.minimum.reduceat(values, logs.indptr[filled])
    ratio = values / np.repeat(smallest, sizes[filled])
    row = np.repeat(np.arange(len(filled)), sizes[filled])
    factor = np.zeros(len(filled))
    for times in SMALLEST:
        scaled = ratio * times
        is_off = (np.abs(scaled - np.rint(scaled)) > TOLERANCE) & (scaled <= LARGEST)
        is_whole = np.bincount(row, is_off, minlength=len(filled)) == 0
        factor[is_whole & (factor == 0)] = times
    if (factor == 0).any():
        return None
    counts = np.rint(ratio * np.repeat(factor, sizes[filled]))
    return sp.csr_matrix((counts, logs.indices, logs.indptr), shape=logs.shape)


def _shares(
    data: Dataset, role: str, is_beyond: NDArray[np.bool_], given: CellReportOptions
) -> list[dict[str, Any]]:
    """Cells and the share beyond a limit of every level of a role, the largest share first."""
    if not data.has_role(role):
        return []
    labels = data.labels(role)
    sizes = np.bincount(labels.codes, minlength=len(labels.categories))
    share = np.bincount(labels.codes, is_beyond, minlength=len(sizes)) / np.maximum(sizes, 1)
    order = np.argsort(-share, kind="stable")[: given.max_levels]
    return [
        {
            "role": role,
            "level": str(labels.categories[code]),
            "n_cells": int(sizes[code]),
            "share": float(share[code]),
        }
        for code in order
    ]


def _doublets(
    data: Dataset, run: RunContext, given: CellReportOptions
) -> tuple[dict[str, Any], QualityCheck | None]:
    """What was found in a sample, and the check of its share; no check where none was scored."""
    rows = _sample(data, given.max_scored)
    scores, limits = doublet_scores(data.take(rows), run, given.doublets)
    batch = (
        np.asarray(data.labels("batch").astype(str), object)[rows]
        if data.has_role("batch")
        else np.full(len(rows), "all", object)
    )
    limit = np.array([limits[name] for name in batch])
    is_scored = ~np.isnan(scores.to_numpy())
    n_scored, n_called = int(is_scored.sum()), int((scores.to_numpy() > limit).sum())
    told: dict[str, Any] = {
        "n_cells": data.n_profiles,
        "n_sampled": len(rows),
        "n_scored": n_scored,
        "n_called": n_called,
        "share": n_called / n_scored if n_scored else None,
        "expected_rate": given.doublets.expected_rate,
        "limits": dict(limits),
        "reason": "" if n_scored else "too few cells or genes a batch to simulate doublets",
    }
    if not n_scored:
        return told, None
    note = (
        f"{n_called} of {n_scored} cells look like simulated doublets; beyond the limit too many "
        "cells are two, and a response is a mixture"
    )
    share = n_called / n_scored
    is_ok = share <= given.max_doublets
    return told, QualityCheck("doublets", share, given.max_doublets, is_ok, note)


def _sample(data: Dataset, most: int) -> NDArray[np.int64]:
    """All rows, or ``most`` of them, even over batches; ascending."""
    n = data.n_profiles
    if n <= most:
        return np.arange(n)
    codes = data.labels("batch").codes if data.has_role("batch") else np.zeros(n, np.int8)
    order = np.argsort(codes, kind="stable")
    return np.sort(order[np.linspace(0, n - 1, most).astype(np.int64)])
