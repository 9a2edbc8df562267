"""What a file holds, told before anything is declared: sizes, modalities, guesses, roles offered.

A guess is said to be one: what the numbers are and what a column means, only its owner knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.value_type import ValueType
from cellula.io.modalities import WHOLE, measured_tables

__all__ = ["describe_content", "guess_value_type", "offered_roles"]

#: Role -> words of column names that offer it, the most telling first.
WORDS: Mapping[str, tuple[str, ...]] = {
    "perturbation": (
        "perturbation", "pert_iname", "condition", "treatment", "compound", "drug", "drugid",
        "guide", "gene_target", "stim", "sgrna",
    ),
    "control": ("is_control", "control", "pert_type", "xptype", "vehicle"),
    "context": (
        "context", "cell_type", "celltype", "cell_line", "cell_id", "clustername", "cluster",
        "tissue", "region", "louvain", "leiden",
    ),
    "donor": ("donor", "patient", "patientid", "subject", "donor_id"),
    "replicate": ("replicate", "rep", "biorep"),
    "batch": (
        "batch", "batchid", "plate", "rna_plate", "det_plate", "lane", "run", "library",
        "dataset", "mfc_plate_name", "pool_id",
    ),
    "dose_molar": ("dose", "pert_dose", "concentration", "dose_molar", "conc"),
    "time_s": ("time", "pert_time", "timepoint", "duration", "hours", "time_s"),
    "individual": ("individual", "individual_id"),
}  # fmt: skip
NUMERIC = ("dose_molar", "time_s")
#: log values above this are none: e^30 counts in one cell there are not.
MOST_LOG = 30.0
#: So many values of a matrix tell what it holds.
SAMPLE = 200_000
SPATIAL = ("spatial", "x_spatial")


def describe_content(content: Any, file: str) -> dict[str, object]:
    """Sizes, columns, modalities, coordinates, guessed value types and offered roles of a content.

    content: a table, an AnnData or a MuData. Keys whose value is a guess say so in the value.
    """
    if isinstance(content, pd.DataFrame):
        return {
            "file": file,
            "rows": len(content),
            "columns": [f"{name} ({kind})" for name, kind in content.dtypes.items()],
            "roles": offered_roles(content),
        }
    if isinstance(content, AnnData):
        found = {"file": file} | _matrix(content) | {"roles": offered_roles(content.obs)}
        return found | _beside(content)
    found = {
        "file": file,
        "profiles": content.n_obs,
        "modalities": list(content.mod),
        "coordinates": _coordinates(content.obsm, content.mod),
        "obs": _columns(content.obs),
        "roles": offered_roles(content.obs),
    }
    for name, part in content.mod.items():
        found |= {f"{name}:{key}": value for key, value in _matrix(part).items()}
    return found


def guess_value_type(matrix: Any) -> str:
    """What the numbers of a matrix may be, and why: ``"counts? whole numbers, none negative"``.

    matrix: shape (profiles, readouts), dense or sparse. The word before the question mark is a
    :class:`ValueType`; where there are no numbers it is ``unknown``.
    """
    values = _sample(matrix)
    if not values.size:
        return "unknown? there are no values"
    low, high = float(values.min()), float(values.max())
    is_whole = bool(np.all(values == np.floor(values)))
    has_zeros = bool((values == 0).any()) or (sp.issparse(matrix) and matrix.nnz < _size(matrix))
    if low < 0:
        if abs(float(np.median(values))) < 1:
            return f"{ValueType.Z_SCORE}? both signs around 0 (log folds look the same)"
        return f"{ValueType.QUANTITY}? both signs, not around 0"
    if is_whole:
        if high <= 1:
            return f"{ValueType.FRACTION}? only 0 and 1"
        return f"{ValueType.COUNTS}? whole numbers, none negative"
    if high <= 1:
        return f"{ValueType.FRACTION}? between 0 and 1 (viabilities look the same)"
    if high <= MOST_LOG:
        word, why = (ValueType.LOG1P, "with zeros") if has_zeros else (ValueType.LOG2, "no zero")
        return f"{word}? fractions from {low:g} to {high:g}, {why}"
    return f"{ValueType.QUANTITY}? fractions up to {high:g}: no logarithm of counts"


def offered_roles(obs: pd.DataFrame) -> dict[str, list[str]]:
    """Role -> the columns whose names offer it, the likeliest first; one of one value last.

    A column of numbers is offered as a dose or a time only, and text as neither.
    """
    offered: dict[str, list[str]] = {}
    for role, words in WORDS.items():
        fitting = []
        for column in map(str, obs.columns):
            rank = _rank(column.lower(), words)
            if rank is not None and _fits(obs[column], role, is_named=rank[0] == 0):
                is_constant = obs[column].astype(str).nunique() < 2
                fitting.append((is_constant, rank, column))
        if fitting:
            offered[role] = [column for _, _, column in sorted(fitting)]
    return offered


def _rank(name: str, words: Sequence[str]) -> tuple[int, int] | None:
    if name in words:
        return 0, words.index(name)
    parts = name.replace(".", "_").replace(" ", "_").split("_")
    ranks = [place for place, word in enumerate(words) if word in parts]
    return (1, ranks[0]) if ranks else None


def _fits(column: pd.Series[Any], role: str, *, is_named: bool) -> bool:
    """Whether the values may be the role's; numbers are labels only where the name is exact."""
    is_truth = pd.api.types.is_bool_dtype(column)
    is_number = pd.api.types.is_numeric_dtype(column) and not is_truth
    if role in NUMERIC:
        return is_number or pd.to_numeric(column.astype(object), errors="coerce").notna().all()
    if role == "control":
        return not is_number
    return not is_truth and (is_named or not is_number)


def _beside(content: AnnData) -> dict[str, object]:
    """Readouts that stand in obsm beside X, as the modalities that a study may name."""
    tables = measured_tables(content)
    found: dict[str, object] = {}
    if not tables:
        return found
    found["modalities"] = [WHOLE, *tables]
    for key in tables:
        values = np.asarray(content.obsm[key])
        found |= {f"{key}:readouts": len(tables[key]), f"{key}:values": _range(values)}
        found[f"{key}:value_type"] = guess_value_type(values)
    return found


def _matrix(content: AnnData) -> dict[str, object]:
    measured = measured_tables(content)
    found: dict[str, object] = {
        "profiles": content.n_obs,
        "readouts": content.n_vars,
        "values": _range(content.X),
        "value_type": guess_value_type(content.X),
        "obs": _columns(content.obs),
        "layers": [f"{name}: {guess_value_type(content.layers[name])}" for name in content.layers],
        "coordinates": _coordinates({k: v for k, v in content.obsm.items() if k not in measured}),
    }
    return found


def _coordinates(obsm: Mapping[str, Any], skipped: Mapping[str, Any] | None = None) -> list[str]:
    """Entries of obsm, spatial ones named as such."""
    return [
        f"{key} ({entry.shape[1]}{', a place in space' if key.lower() in SPATIAL else ''})"
        for key, entry in obsm.items()
        if key not in (skipped or {}) and getattr(entry, "ndim", 0) == 2
    ]


def _columns(obs: pd.DataFrame) -> list[str]:
    return [f"{name} ({obs[name].nunique()})" for name in obs.columns]


def _size(matrix: Any) -> int:
    return int(matrix.shape[0]) * int(matrix.shape[1])


def _sample(matrix: Any) -> NDArray[np.float64]:
    """Finite values, evenly taken; of a sparse matrix the stored ones."""
    if matrix is None:
        return np.empty(0)
    stored = np.asarray(matrix.data if sp.issparse(matrix) else matrix).ravel()
    if stored.dtype.kind not in "iufb":
        return np.empty(0)
    values = stored[:: max(1, len(stored) // SAMPLE)].astype(np.float64)
    return np.asarray(values[np.isfinite(values)])


def _range(matrix: Any) -> str:
    """The least and the greatest value, missing ones aside, and the number type."""
    if matrix is None:
        return "none: X is empty, the values stand in a layer"
    stored = np.asarray(matrix.data if sp.issparse(matrix) else matrix)
    there = stored[~np.isnan(stored)]
    if not there.size:
        return f"all missing ({stored.dtype})" if stored.size else f"none ({stored.dtype})"
    low, high = float(there.min()), float(there.max())
    if sp.issparse(matrix) and matrix.nnz < _size(matrix):
        low, high = min(low, 0.0), max(high, 0.0)
    missing = stored.size - there.size
    less = f", {missing:,} missing" if missing else ""
    return f"{low:g} to {high:g} ({stored.dtype}{less})"
