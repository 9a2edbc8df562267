"""Is the material good enough to learn from? Checks with limits, by kind of data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.canonical import plain
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.model import Options
from cellula.core.value_type import ValueType

__all__ = ["MAD_TO_SD", "QualityCheck", "QualityOptions", "quality_report"]

#: With fewer readouts than this, equal values are no sign of a copied profile.
MIN_READOUTS_FOR_COPIES = 10
#: The MAD of a normal distribution times this is its standard deviation.
MAD_TO_SD = 1.4826


class QualityOptions(Options):
    """The limits. Names beginning with ``max`` are shares of all, from 0 to 1."""

    min_profiles: int = Field(default=20, ge=1)
    """The fewest profiles in all."""
    min_readouts: int = Field(default=1, ge=1)
    """The fewest readouts in all."""
    max_missing: float = Field(default=0.0, ge=0, le=1)
    """Of the values, those that are missing."""
    max_constant_readouts: float = Field(default=0.75, ge=0, le=1)
    """Of the readouts, those with one value in all profiles."""
    max_duplicates: float = Field(default=0.01, ge=0, le=1)
    """Of the profiles, those that repeat another (in narrow tables, in roles and values)."""
    max_zero_profiles: float = Field(default=0.01, ge=0, le=1)
    """Of the profiles, those without any count, where zero means that nothing was found."""
    min_controls: int = Field(default=10, ge=1)
    """The fewest controls of a context that has treated profiles."""
    min_profiles_per_perturbation: int = Field(default=3, ge=1)
    """The fewest profiles of a perturbation."""
    max_outliers: float = Field(default=0.05, ge=0, le=1)
    """Of the profiles, those whose size is beyond ``outlier_mads``."""
    outlier_mads: float = Field(default=5.0, gt=0)
    """How far a size may be from the median, in MADs scaled to standard deviations."""
    min_measured_pairs: float = Field(default=0.1, ge=0, le=1)
    """The least share of the pairs of perturbation and context that have a value."""


@dataclass(frozen=True, slots=True)
class QualityCheck:
    """One number, its limit and whether it keeps it; ``note`` says what was counted."""

    name: str
    value: float
    limit: float
    is_ok: bool
    note: str


def quality_report(data: Dataset, options: QualityOptions | None = None) -> Evidence:
    """Evidence ``quality``: numbers of profiles and readouts, and every check with its limit.

    Which checks apply follows from the value type and the roles: zero profiles where zero
    means "nothing found", controls where the value type needs them, the share of measured
    pairs for tables of one value a pair. Nothing is changed and nothing is raised.
    """
    limits = options or QualityOptions()
    checks = [
        _at_least("profiles", data.n_profiles, limits.min_profiles, "profiles in all"),
        _at_least("readouts", len(data.readouts), limits.min_readouts, "readouts in all"),
        *_value_checks(data, limits),
        *_design_checks(data, limits),
    ]
    payload = {
        "n_profiles": data.n_profiles,
        "n_readouts": len(data.readouts),
        "checks": [plain(asdict(check)) for check in checks],
    }
    return Evidence("quality", "data", payload, {"data": data.digest()})


def _at_least(name: str, value: float, limit: float, note: str) -> QualityCheck:
    return QualityCheck(name, float(value), float(limit), value >= limit, note)


def _at_most(name: str, value: float, limit: float, note: str) -> QualityCheck:
    return QualityCheck(name, float(value), float(limit), value <= limit, note)


def _value_checks(data: Dataset, limits: QualityOptions) -> list[QualityCheck]:
    """Checks of the matrix alone."""
    matrix = data.values
    stored = matrix.data if sp.issparse(matrix) else matrix
    missing = float(np.isnan(stored).sum()) / max(data.n_profiles * len(data.readouts), 1)
    checks = [
        _at_most("missing_values", missing, limits.max_missing, "share of values that are missing")
    ]
    constant = _constant(matrix)
    checks.append(
        _at_most(
            "constant_readouts",
            float(constant.mean()),
            limits.max_constant_readouts,
            f"{int(constant.sum())} readouts have one value in all profiles",
        )
    )
    is_zero = _zero_rows(matrix)
    copies = _copies(data, is_zero)
    checks.append(
        _at_most(
            "duplicate_profiles",
            copies / data.n_profiles,
            limits.max_duplicates,
            f"{copies} profiles repeat another"
            if len(data.readouts) >= MIN_READOUTS_FOR_COPIES
            else f"{copies} rows repeat another in all roles and values",
        )
    )
    if data.value_type in {ValueType.COUNTS, ValueType.LOG1P, ValueType.CONCENTRATION}:
        note = f"{int(is_zero.sum())} profiles are zero in every readout"
        checks.append(
            _at_most("zero_profiles", float(is_zero.mean()), limits.max_zero_profiles, note)
        )
    return [*checks, _outliers(data, limits)]


def _constant(matrix: Any) -> NDArray[np.bool_]:
    """Which readouts have one value: shape (readouts,)."""
    if sp.issparse(matrix):
        low, high = matrix.min(axis=0).toarray().ravel(), matrix.max(axis=0).toarray().ravel()
    else:
        low, high = np.min(matrix, axis=0), np.max(matrix, axis=0)
    is_constant: NDArray[np.bool_] = np.asarray(low == high, bool)
    return is_constant


def _zero_rows(matrix: Any) -> NDArray[np.bool_]:
    is_zero: NDArray[np.bool_] = np.asarray(abs(matrix).sum(axis=1)).ravel() == 0
    return is_zero


def _copies(data: Dataset, is_zero: NDArray[np.bool_]) -> int:
    """How many profiles equal an earlier one; in narrow tables roles must be equal, too."""
    matrix = data.values
    if len(data.readouts) < MIN_READOUTS_FOR_COPIES:
        table = data.obs[list(data.roles)].astype(str).reset_index(drop=True)
        values = pd.DataFrame(data.dense(), columns=[f"{i}" for i in range(len(data.readouts))])
        return int(pd.concat([table, values], axis=1).duplicated().sum())
    if sp.issparse(matrix):
        csr = sp.csr_matrix(matrix, copy=True)
        csr.sum_duplicates()
        csr.eliminate_zeros()
        rows = [
            csr.indices[a:b].tobytes() + csr.data[a:b].tobytes()
            for a, b in zip(csr.indptr[:-1], csr.indptr[1:], strict=True)
        ]
    else:
        rows = [row.tobytes() for row in np.ascontiguousarray(matrix)]
    kept = [row for row, zero in zip(rows, is_zero, strict=True) if not zero]
    return len(kept) - len(set(kept))


def _outliers(data: Dataset, limits: QualityOptions) -> QualityCheck:
    """Profiles whose size is far from the median, in median absolute deviations.

    The size is the log of the sum for values that add up, compared within a context, else the
    mean of all readouts, compared over all.
    """
    matrix = data.values
    total = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    adds_up = data.value_type in {ValueType.COUNTS, ValueType.LOG1P}
    size = np.log1p(total) if adds_up else total / len(data.readouts)
    by_context = adds_up and data.has_role("context")
    strata = data.labels("context").codes if by_context else np.zeros(len(size), np.int8)
    deviation = (size - pd.Series(size).groupby(strata).transform("median")).abs()
    mad = deviation.groupby(strata).transform("median") * MAD_TO_SD
    far = (deviation > limits.outlier_mads * mad) & (mad > 0)
    what = "log total" if adds_up else "mean value"
    note = f"{int(far.sum())} profiles have a {what} beyond {limits.outlier_mads:g} scaled MADs"
    return _at_most("outliers", float(far.mean()), limits.max_outliers, note)


def _design_checks(data: Dataset, limits: QualityOptions) -> list[QualityCheck]:
    """Checks of the roles: controls, repeats of a perturbation, filled pairs."""
    checks: list[QualityCheck] = []
    if data.has_role("is_control"):
        checks.append(_controls(data, limits.min_controls))
    if not data.has_role("perturbation"):
        return checks
    treated = pd.Series(np.asarray(data.labels("perturbation"))[~data.is_control])
    counts = treated.value_counts()
    fewest = int(counts.min()) if len(counts) else 0
    few = [str(label) for label in counts.index[counts < limits.min_profiles_per_perturbation]]
    note = f"the fewest profiles a perturbation has, of {len(counts)} perturbations"
    if few:
        shown = ", ".join(sorted(few)[:5])
        note += f"; {len(few)} have fewer than {limits.min_profiles_per_perturbation}: {shown}"
    limit = limits.min_profiles_per_perturbation
    checks.append(_at_least("profiles_per_perturbation", fewest, limit, note))
    if data.value_type.is_absolute and data.has_role("context"):
        checks.append(_measured_pairs(data, limits.min_measured_pairs))
    return checks


def _controls(data: Dataset, limit: int) -> QualityCheck:
    """The fewest controls that a context with treated profiles has."""
    if not data.has_role("context"):
        return _at_least("controls", int(data.is_control.sum()), limit, "controls in all")
    context = np.asarray(data.labels("context"), object)
    treated = pd.unique(context[~data.is_control])
    counts = pd.Series(context[data.is_control]).value_counts().reindex(treated, fill_value=0)
    if not len(counts):
        return _at_least("controls", int(data.is_control.sum()), limit, "all are controls")
    note = f"controls in the context that has fewest, {counts.idxmin()}, of {len(counts)}"
    return _at_least("controls", int(counts.min()), limit, note)


def _measured_pairs(data: Dataset, limit: float) -> QualityCheck:
    perturbation, context = data.labels("perturbation"), data.labels("context")
    width = len(context.categories)
    pairs = np.unique(perturbation.codes.astype(np.int64) * width + context.codes)
    whole = len(perturbation.categories) * width
    note = f"{len(pairs):,} of {whole:,} pairs of perturbation and context are measured"
    return _at_least("measured_pairs", len(pairs) / whole, limit, note)
