"""Whom do the data speak for? Who, which tissue, which platform: counted, and what is one-sided."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.canonical import plain
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.model import Options

__all__ = ["SourcesBiasOptions", "association", "sources_bias"]

#: Aspect -> the question that a reader asks of it.
QUESTIONS: Mapping[str, str] = {
    "who": "who the profiles come from",
    "tissue": "which tissue or cell type they are of",
    "platform": "which platform or run measured them",
}


class SourcesBiasOptions(Options):
    """Which columns tell what, and where one-sidedness begins.

    Columns are roles or other obs columns, whatever the case of their letters; those that the
    data do not have are skipped.
    """

    who: tuple[str, ...] = (
        *("donor", "individual", "donor_id", "patient", "sex", "gender", "age"),
        *("development_stage", "self_reported_ethnicity", "ethnicity", "ancestry", "race"),
        *("disease", "organism", "species"),
    )
    """Columns that tell who the profiles come from."""
    tissue: tuple[str, ...] = (
        *("context", "tissue", "organ", "region", "cell_type", "celltype", "cell_line"),
        *("tissue_type", "tissue_factor"),
    )
    """Columns that tell which tissue or cell type they are of."""
    platform: tuple[str, ...] = (
        *("batch", "replicate", "assay", "platform", "technology", "instrument", "chemistry"),
        *("suspension_type", "library", "lab", "laboratory", "site", "dataset", "study"),
    )
    """Columns that tell which platform or run measured them."""
    max_share: float = Field(default=0.55, gt=0, le=1)
    """The largest share of the profiles that one level may have; about half of two is even."""
    max_association: float = Field(default=0.9, gt=0, le=1)
    """The association at which two columns can hardly be told apart."""
    max_levels: int = Field(default=20, ge=1)
    """How many levels of a column are listed, most frequent first; numbers of more are a range."""


def sources_bias(data: Dataset, options: SourcesBiasOptions | None = None) -> Evidence:
    """Evidence ``sources_bias``: the table of sources and everything in it that is one-sided.

    Columns: for every column found its aspect, levels with profiles and shares, the largest
    share, the effective number of levels exp(-sum p log p), and how many profiles have no value.
    Associations: between columns of different aspects, and of each with the perturbation, from
    0 to 1 (see :func:`association`). Findings: an aspect without a column, a column of one
    level, a level beyond ``max_share``, an association beyond ``max_association``, missing
    values, and a licence, a jurisdiction or a citation that is not known. Nothing is raised: a
    bias is to be shown.
    """
    limits = options or SourcesBiasOptions()
    columns = _columns(data, limits)
    rows = [_row(data, aspect, name, limits) for name, aspect in columns.items()]
    pairs = _associations(data, columns, rows)
    findings = [
        *_missing_aspects(rows),
        *(finding for row in rows for finding in _column_findings(row, limits)),
        *_pair_findings(pairs, limits),
        *_provenance_findings(data),
        *_weight_findings(data),
    ]
    provenance = data.provenance
    payload = {
        "n_profiles": data.n_profiles,
        "columns": rows,
        "associations": pairs,
        "provenance": {
            "files": sorted(provenance.sources),
            "license": provenance.license,
            "jurisdiction": provenance.jurisdiction,
            "residency": list(provenance.residency),
            "citation": provenance.citation,
        },
        "findings": findings,
    }
    return Evidence("sources_bias", "data", plain(payload), {"data": data.digest()})


def association(first: pd.Series[Any], second: pd.Series[Any]) -> float:
    """Bias-corrected Cramér's V of two columns of labels, from 0 to 1 [bergsma2013]_.

    first, second: (profiles,), rows in which either is missing are left out. 0 where one of
    them has one level; 1 where each level of the one goes with one level of the other.
    """
    table = _counted(first, second)
    n = table.sum()
    if min(table.shape, default=0) < 2 or n < 2:
        return 0.0
    wanted = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    squared = float(((table - wanted) ** 2 / wanted).sum()) / n
    rows, columns = table.shape
    corrected = max(0.0, squared - (rows - 1) * (columns - 1) / (n - 1))
    height = rows - (rows - 1) ** 2 / (n - 1)
    width = columns - (columns - 1) ** 2 / (n - 1)
    room = min(height, width) - 1
    return float(np.sqrt(min(corrected / room, 1.0))) if room > 0 else 0.0


def _counted(first: pd.Series[Any], second: pd.Series[Any]) -> NDArray[np.float64]:
    """How often every pair of labels occurs: (labels of first, labels of second), both sorted."""
    is_there = (first.notna() & second.notna()).to_numpy()
    (row, rows), (column, columns) = (
        pd.factorize(labels[is_there], sort=True) for labels in (first, second)
    )
    pairs = np.bincount(row * len(columns) + column, minlength=len(rows) * len(columns))
    return pairs.reshape(len(rows), len(columns)).astype(np.float64)


def _columns(data: Dataset, limits: SourcesBiasOptions) -> dict[str, str]:
    """Name of the obs column -> aspect, in the order of the options."""
    there = {str(name).casefold(): str(name) for name in data.obs.columns}
    return {
        there[wanted.casefold()]: aspect
        for aspect in QUESTIONS
        for wanted in getattr(limits, aspect)
        if wanted.casefold() in there
    }


def _row(data: Dataset, aspect: str, name: str, limits: SourcesBiasOptions) -> dict[str, Any]:
    """What one column holds."""
    column = data.obs[name]
    known = _known(column)
    told: dict[str, Any] = {
        "aspect": aspect,
        "column": name,
        "n_missing": len(column) - len(known),
        "is_number": bool(_is_measure(known, limits)),
    }
    if told["is_number"]:
        low, middle, high = np.quantile(known.to_numpy(np.float64), [0.0, 0.5, 1.0])
        return told | {"n_levels": known.nunique(), "low": low, "median": middle, "high": high}
    counts = known.astype(str).value_counts()
    counts = counts.sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    share = counts.to_numpy(np.float64) / max(len(known), 1)
    levels = [
        {"level": str(level), "n_profiles": int(count), "share": float(count) / len(known)}
        for level, count in counts.head(limits.max_levels).items()
    ]
    return told | {
        "n_levels": len(counts),
        "largest_share": float(share[0]) if len(share) else 0.0,
        "n_effective": float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0,
        "levels": levels,
    }


def _known(column: pd.Series[Any]) -> pd.Series[Any]:
    """The values that are there; no measurement is infinite."""
    known = column.dropna()
    if pd.api.types.is_float_dtype(known):
        return known[np.isfinite(known.to_numpy(np.float64))]
    return known


def _is_measure(column: pd.Series[Any], limits: SourcesBiasOptions) -> bool:
    """Whether a column holds measured numbers rather than labels."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(is_number) and column.nunique() > limits.max_levels


def _associations(
    data: Dataset, columns: Mapping[str, str], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Every pair of columns of different aspects, and each with the perturbation."""
    usable = {row["column"] for row in rows if not row["is_number"] and row["n_levels"] > 1}
    aspects = {name: aspect for name, aspect in columns.items() if name in usable}
    if data.has_role("perturbation"):
        aspects["perturbation"] = "perturbation"
    return [
        {"first": first, "second": second, "value": association(data.obs[first], data.obs[second])}
        for first, second in combinations(aspects, 2)
        if aspects[first] != aspects[second]
    ]


def _finding(kind: str, subject: str, note: str) -> dict[str, str]:
    return {"kind": kind, "subject": subject, "note": note}


def _missing_aspects(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    found = {row["aspect"] for row in rows}
    return [
        _finding("not_told", aspect, f"no column tells {question}")
        for aspect, question in QUESTIONS.items()
        if aspect not in found
    ]


def _column_findings(row: Mapping[str, Any], limits: SourcesBiasOptions) -> list[dict[str, str]]:
    name, found = row["column"], []
    if row["n_missing"]:
        found.append(_finding("missing", name, f"{row['n_missing']} profiles have no value"))
    if row["is_number"] or not row["levels"]:
        return found
    first = row["levels"][0]
    if row["n_levels"] == 1:
        found.append(_finding("one_level", name, f"all profiles are of {first['level']!r}"))
    elif first["share"] > limits.max_share:
        note = f"{first['level']!r} has {first['share']:.0%} of the profiles"
        found.append(_finding("dominated", name, note))
    return found


def _pair_findings(pairs: list[dict[str, Any]], limits: SourcesBiasOptions) -> list[dict[str, str]]:
    return [
        _finding(
            "inseparable",
            f"{pair['first']}, {pair['second']}",
            f"association {pair['value']:.2f}: an effect of the one may be the other's",
        )
        for pair in pairs
        if pair["value"] >= limits.max_association
    ]


def _weight_findings(data: Dataset) -> list[dict[str, str]]:
    """Vectors of weights that were trained on files of these data, or that tell no source."""
    mine = set(data.provenance.sources.values())
    found = []
    for name, told in data.provenance.embeddings.items():
        card = told.get("checkpoint")
        if card is None:
            found.append(_finding("not_told", name, "which weights made the vectors is not told"))
            continue
        shared = sorted(file for file, digest in card["trained_on"].items() if digest in mine)
        if shared:
            note = f"the weights saw {', '.join(shared)}: what a claim holds out is not new to them"
            found.append(_finding("seen_in_pretraining", name, note))
    return found


def _provenance_findings(data: Dataset) -> list[dict[str, str]]:
    told = {
        "license": data.provenance.license not in {"", "unknown"},
        "jurisdiction": bool(data.provenance.jurisdiction),
        "citation": bool(data.provenance.citation),
    }
    return [
        _finding("not_told", name, f"the {name} of the data is not told")
        for name, is_told in told.items()
        if not is_told
    ]
