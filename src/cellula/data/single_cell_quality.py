"""Which cells are good? Depth, genes, mitochondrial share and doublets, with adaptive limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.canonical import plain
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.data.doublets import DoubletOptions, counts_of, doublet_scores
from cellula.data.quality import MAD_TO_SD, QualityCheck

__all__ = [
    "CellLimits",
    "CellQuality",
    "CellQualityOptions",
    "cell_measures",
    "cell_quality",
    "good_cells",
]


class CellQualityOptions(Options):
    """The limits. MADs are scaled to standard deviations of a normal distribution."""

    depth_mads: float = Field(default=5.0, gt=0)
    """How far the log of a cell's depth may be from the median, in MADs."""
    genes_mads: float = Field(default=5.0, gt=0)
    """How far the log of its number of genes may be from the median."""
    mitochondrial_mads: float = Field(default=3.0, gt=0)
    """How far its mitochondrial share may be above the median."""
    max_mitochondrial: float = Field(default=0.2, gt=0, le=1)
    """The mitochondrial share that no adaptive limit exceeds."""
    mitochondrial_prefix: str = "MT-"
    """How the names of mitochondrial genes begin, whatever the case of the letters."""
    strata: tuple[str, ...] = ("batch",)
    """The roles within whose levels limits are found, where the profiles have them."""
    max_dropped: float = Field(default=0.2, ge=0, le=1)
    """The share of cells beyond the limits at which the data are out of order."""
    doublets: DoubletOptions | None = DoubletOptions()
    """None: doublets are not looked for."""


@dataclass(frozen=True, slots=True)
class CellLimits:
    """The limits of one measure in one stratum; infinite where there is none."""

    measure: str
    stratum: str
    median: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class CellQuality:
    """What was measured on every cell, the limits, and which cells keep them.

    measures: one row a cell, columns n_counts, n_genes, mitochondrial_share (a share, NaN
    where no gene is mitochondrial) and doublet_score (a probability, NaN where not scored);
    is_beyond: the same cells, one True/False column a reason; evidence: ``cell_quality``.
    """

    measures: pd.DataFrame
    limits: tuple[CellLimits, ...]
    is_beyond: pd.DataFrame
    evidence: Evidence

    @property
    def is_good(self) -> NDArray[np.bool_]:
        """Which cells are within all limits: shape (cells,)."""
        return ~np.asarray(self.is_beyond.to_numpy(bool).any(axis=1))


def cell_measures(data: Dataset, mitochondrial_prefix: str = "MT-") -> pd.DataFrame:
    """Depth, genes and mitochondrial share of every cell, one row a cell.

    n_counts: the sum of its counts; n_genes: genes with a count; mitochondrial_share: counts of
    genes whose name begins with the prefix over n_counts (NaN where there is no such gene, 0 in
    an empty cell). Raises DataError where the data hold no counts.
    """
    counts = counts_of(data)
    total = np.asarray(counts.sum(axis=1), np.float64).ravel()
    names = pd.Index(data.readouts).str.upper()
    is_mitochondrial = np.asarray(names.str.startswith(mitochondrial_prefix.upper()), bool)
    share = np.full(len(total), np.nan)
    if is_mitochondrial.any():
        part = np.asarray(counts[:, is_mitochondrial].sum(axis=1), np.float64).ravel()
        share = part / np.where(total > 0, total, 1.0)
    table = {
        "n_counts": total,
        "n_genes": np.diff(counts.indptr).astype(np.int64),
        "mitochondrial_share": share,
    }
    return pd.DataFrame(table, index=data.obs.index)


def cell_quality(
    data: Dataset, run: RunContext, options: CellQualityOptions | None = None
) -> CellQuality:
    """Measures, adaptive limits and the cells beyond them, reported as ``cell_quality``.

    A limit is the median of a stratum and so many MADs [mccarthy2017]_: of the logs of depth
    and genes on both sides, of the mitochondrial share above, there at most
    ``max_mitochondrial``. Where the MAD is zero nothing but that is a limit. The evidence holds
    every limit and check in the form of the quality report. Nothing is dropped here; see
    :func:`good_cells`. Raises DataError where the data hold no counts.
    """
    given = options or CellQualityOptions()
    measures = cell_measures(data, given.mitochondrial_prefix)
    strata = _strata(data, given.strata)
    limits = [
        limit
        for name in strata.categories
        for limit in _limits(str(name), measures[np.asarray(strata == name)], given)
    ]
    if given.doublets is None:
        measures["doublet_score"] = np.nan
    else:
        scores, valleys = doublet_scores(data, run, given.doublets)
        measures["doublet_score"] = scores
        limits += _doublet_limits(scores, valleys, _strata(data, ("batch",)))
    is_beyond = _beyond(data, measures, limits, given)
    evidence = _report(data, measures, limits, is_beyond, given)
    return CellQuality(measures, tuple(limits), is_beyond, evidence)


def good_cells(data: Dataset, quality: CellQuality) -> Dataset:
    """The cells within all limits, with their measures as obs columns.

    quality: of these same cells. Raises DataError on other cells, and when none is left.
    """
    if list(quality.measures.index) != list(data.obs.index):
        raise DataError(
            "this quality was measured on other cells, or in another order; call cell_quality "
            "on the data that are to be filtered"
        )
    if not quality.is_good.any():
        raise DataError(
            "no cell is within all limits; loosen them: the evidence says how many cells each "
            "of them drops"
        )
    kept = data.take(quality.is_good)
    for name, column in quality.measures[quality.is_good].items():
        kept.data.obs[name] = column
    return kept


def _strata(data: Dataset, roles: tuple[str, ...]) -> pd.Categorical:
    """The level of every cell, those of several roles joined; one level "all" without roles."""
    there = [role for role in roles if data.has_role(role)]
    if not there:
        return pd.Categorical(["all"] * data.n_profiles)
    text = data.obs[there[0]].astype(str)
    for role in there[1:]:
        text = text + " / " + data.obs[role].astype(str)
    return pd.Categorical(text)


def _limits(name: str, part: pd.DataFrame, given: CellQualityOptions) -> list[CellLimits]:
    """Limits of depth, genes and mitochondrial share in one stratum."""
    found = []
    for measure, mads in (("n_counts", given.depth_mads), ("n_genes", given.genes_mads)):
        logs = np.log1p(part[measure].to_numpy(np.float64))
        middle, reach = _middle_and_reach(logs, mads)
        lower, upper = float(np.expm1(middle - reach)), float(np.expm1(middle + reach))
        found.append(CellLimits(measure, name, float(np.expm1(middle)), lower, upper))
    share = part["mitochondrial_share"].to_numpy(np.float64)
    if not np.isnan(share).any():
        middle, reach = _middle_and_reach(share, given.mitochondrial_mads)
        upper = min(middle + reach, given.max_mitochondrial)
        found.append(CellLimits("mitochondrial_share", name, middle, float("-inf"), upper))
    return found


def _middle_and_reach(values: NDArray[np.float64], mads: float) -> tuple[float, float]:
    """Median and so many scaled MADs; infinite where the MAD is zero."""
    middle = float(np.median(values))
    mad = float(np.median(np.abs(values - middle))) * MAD_TO_SD
    return middle, mads * mad if mad > 0 else float("inf")


def _doublet_limits(
    scores: pd.Series[Any], valleys: Mapping[str, float], strata: pd.Categorical
) -> list[CellLimits]:
    found = []
    for name, valley in valleys.items():
        part = scores[np.asarray(strata == name)].dropna()
        if len(part):
            median = float(part.median())
            found.append(CellLimits("doublet_score", name, median, float("-inf"), valley))
    return found


def _beyond(
    data: Dataset, measures: pd.DataFrame, limits: list[CellLimits], given: CellQualityOptions
) -> pd.DataFrame:
    """One True/False column a reason: low and high depth and genes, high shares and scores."""
    reasons = {
        name: np.zeros(len(measures), bool)
        for name in (
            "low_n_counts",
            "high_n_counts",
            "low_n_genes",
            "high_n_genes",
            "high_mitochondrial_share",
            "high_doublet_score",
        )
    }
    by_measure = {"doublet_score": _strata(data, ("batch",))}
    strata = _strata(data, given.strata)
    for limit in limits:
        rows = np.asarray(by_measure.get(limit.measure, strata) == limit.stratum)
        values = measures[limit.measure].to_numpy(np.float64)
        reasons[f"high_{limit.measure}"] |= rows & (values > limit.upper)
        if f"low_{limit.measure}" in reasons:
            reasons[f"low_{limit.measure}"] |= rows & (values < limit.lower)
    return pd.DataFrame(reasons, index=measures.index)


def _report(
    data: Dataset,
    measures: pd.DataFrame,
    limits: list[CellLimits],
    is_beyond: pd.DataFrame,
    given: CellQualityOptions,
) -> Evidence:
    """Evidence ``cell_quality``: medians, limits, cells beyond each, and one check of them all."""
    dropped = float(is_beyond.to_numpy(bool).any(axis=1).mean())
    told = ", ".join(f"{int(is_beyond[name].sum())} {name}" for name in is_beyond.columns)
    note = f"share of cells beyond a limit: {told}".replace("_", " ")
    check = QualityCheck(
        "cells_beyond_limits", dropped, given.max_dropped, dropped <= given.max_dropped, note
    )
    missing = [name for name in measures.columns if measures[name].isna().all()]
    payload = {
        "n_cells": data.n_profiles,
        "n_good": data.n_profiles - int(is_beyond.to_numpy(bool).any(axis=1).sum()),
        "n_beyond": {name: int(is_beyond[name].sum()) for name in is_beyond.columns},
        "medians": {
            name: float(measures[name].median()) for name in measures.columns if name not in missing
        },
        "not_measured": missing,
        "limits": [plain(asdict(limit)) for limit in limits],
        "checks": [plain(asdict(check))],
    }
    return Evidence("cell_quality", "data", payload, {"data": data.digest()})
