"""The leak report: did anything of the held-out profiles reach training?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.perturbation import components
from cellula.data.splits import Fold, held_out_labels

__all__ = ["leak_report"]

#: A feature that correlates this well with the held-out response was computed from it.
TELLTALE = 0.999
#: With fewer labels than this a perfect correlation is no proof.
FEWEST_LABELS = 8
#: With fewer readouts than this equal profiles happen by chance.
FEWEST_READOUTS = 5


def leak_report(
    data: Dataset,
    subject: str,
    kind: ClaimKind,
    folds: Sequence[Fold],
    over: str | None = None,
    computed_on: Mapping[str, NDArray[np.int64]] | None = None,
) -> Evidence:
    """Look for held-out information in training, in every fold.

    subject: the claim. computed_on: name of a feature table or space -> positions of the
    profiles it was computed on (a space fitted per fold is named ``name/fold``). The payload
    lists each check with how many profiles or labels leak (0 is clean), of how many, and
    examples.
    """
    checks = [
        _shared_rows(folds),
        _shared_labels(data, kind, folds, over),
        _duplicates(data, folds),
        _computed_on(folds, computed_on or {}),
        _telltale_features(data, folds),
    ]
    if kind is ClaimKind.UNSEEN_PERTURBATION:
        checks.append(_seen_in_combination(data, folds))
    return Evidence("leakage", subject, {"checks": checks, "folds": len(folds)})


def _check(name: str, found: Sequence[str], total: int, note: str) -> dict[str, Any]:
    distinct = list(dict.fromkeys(found))
    return {
        "name": name,
        "count": len(distinct),
        "total": total,
        "examples": distinct[:5],
        "is_leak": bool(distinct),
        "note": note,
    }


def _shared_rows(folds: Sequence[Fold]) -> dict[str, Any]:
    found: list[str] = []
    for fold in folds:
        shared = np.intersect1d(fold.train, fold.test)
        shared = np.union1d(shared, np.intersect1d(fold.control, fold.test))
        found += [f"{fold.name}: row {row}" for row in shared]
    total = sum(len(fold.test) for fold in folds)
    return _check("shared_profiles", found, total, "held-out profiles that are also training data")


def _shared_labels(
    data: Dataset, kind: ClaimKind, folds: Sequence[Fold], over: str | None
) -> dict[str, Any]:
    labels = held_out_labels(data, kind, over)
    treated = ~data.is_control
    found: list[str] = []
    held = 0
    for fold in folds:
        train = labels.codes[fold.train[treated[fold.train]]]
        test = np.unique(labels.codes[fold.test])
        held += len(test)
        shared = np.intersect1d(train, test)
        found += [f"{fold.name}: {labels.categories[code]}" for code in shared]
    what = over or kind.value.removeprefix("unseen_")
    return _check("shared_units", found, held, f"held-out {what} labels that training has too")


def _duplicates(data: Dataset, folds: Sequence[Fold]) -> dict[str, Any]:
    """Equal values; in narrow tables equal values of the same perturbation and context."""
    is_narrow = len(data.readouts) < FEWEST_READOUTS
    keys = _row_hashes(data)
    if is_narrow:
        question = data.queries().keys().astype(np.uint64)
        keys = keys ^ (question * np.uint64(0x9E3779B97F4A7C15))
    found: list[str] = []
    names = data.obs.index.astype(str)
    for fold in folds:
        same = np.isin(keys[fold.test], keys[fold.train])
        found += [f"{fold.name}: {names[row]}" for row in fold.test[same]]
    total = sum(len(fold.test) for fold in folds)
    note = "held-out profiles whose values also stand in training"
    return _check("duplicate_profiles", found, total, note)


def _row_hashes(data: Dataset) -> NDArray[np.uint64]:
    """A 64-bit hash of every profile's values; equal rows have equal hashes."""
    rng = np.random.default_rng(20240229)
    weights = rng.integers(1, 2**63, size=(len(data.readouts),), dtype=np.uint64) | np.uint64(1)
    hashes = np.zeros(data.n_profiles, np.uint64)
    size = max(1, 4_000_000 // max(1, len(data.readouts)))
    for start in range(0, data.n_profiles, size):
        block = data.dense(np.arange(start, min(start + size, data.n_profiles)))
        bits = np.ascontiguousarray(block + 0.0).view(np.uint64)
        mixed = (bits ^ (bits >> np.uint64(29))) * weights
        hashes[start : start + size] = (mixed ^ (mixed >> np.uint64(32))).sum(
            axis=1, dtype=np.uint64
        )
    return hashes


def _computed_on(
    folds: Sequence[Fold], computed_on: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any]:
    found: list[str] = []
    for name, rows in computed_on.items():
        table, _, only = name.partition("/")
        for fold in folds:
            if only and only != fold.name:
                continue
            shared = len(np.intersect1d(rows, fold.test))
            if shared:
                found.append(f"{table} in {fold.name}: {shared} held-out profiles")
    note = "features or spaces computed on held-out profiles"
    return _check("computed_on_held_out", found, len(computed_on), note)


def _telltale_features(data: Dataset, folds: Sequence[Fold]) -> dict[str, Any]:
    """Features that repeat the held-out response almost exactly."""
    found: list[str] = []
    total = 0
    for label in ("context", "perturbation"):
        table: pd.DataFrame | None = getattr(data, f"{label}_features")
        if table is None or not data.has_role(label):
            continue
        total += table.shape[1]
        for fold in folds:
            found += [f"{label} feature {name}" for name in _telltale(data, label, table, fold)]
    note = f"features that correlate above {TELLTALE} with the held-out response"
    return _check("telltale_features", found, total, note)


def _telltale(data: Dataset, label: str, table: pd.DataFrame, fold: Fold) -> list[str]:
    labels = data.labels(label)
    codes = labels.codes[fold.test]
    present = np.unique(codes)
    names = [str(name) for name in labels.categories[present]]
    if len(names) < FEWEST_LABELS or not set(names) <= set(table.index):
        return []
    values = data.dense(fold.test)
    position = np.searchsorted(present, codes)
    sums = np.zeros((len(present), values.shape[1]))
    np.add.at(sums, position, values)
    response = sums / np.bincount(position, minlength=len(present))[:, None]
    features = table.loc[names].to_numpy(np.float64)
    correlation = np.abs(_correlation(features, response)).max(axis=1)
    return [str(table.columns[i]) for i in np.flatnonzero(correlation > TELLTALE)]


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlation of every column of x with every column of y; 0 where constant."""

    def standard(a: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = a - a.mean(axis=0)
        norm = np.sqrt((centred**2).sum(axis=0))
        return np.asarray(np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 1e-12))

    return np.asarray(standard(x).T @ standard(y))


def _seen_in_combination(data: Dataset, folds: Sequence[Fold]) -> dict[str, Any]:
    labels = data.labels("perturbation")
    parts = [components(str(name)) for name in labels.categories]
    treated = ~data.is_control
    found: list[str] = []
    held = 0
    for fold in folds:
        hidden = {part for code in np.unique(labels.codes[fold.test]) for part in parts[code]}
        held += len(hidden)
        seen = np.unique(labels.codes[fold.train[treated[fold.train]]])
        for code in seen:
            found += [
                f"{part} in {labels.categories[code]}" for part in parts[code] if part in hidden
            ]
    note = "held-out perturbations that training saw inside another label"
    return _check("seen_in_combination", found, held, note)
