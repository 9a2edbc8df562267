"""Do batches shift profiles, and could a correction tell that shift from the perturbations?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.model import Options
from cellula.core.numerals import plural
from cellula.core.value_type import ValueType

__all__ = ["STRATA", "BatchOptions", "Confounding", "batch_report", "confounding"]


#: Roles that move profiles by themselves: batches are compared where all of these are equal.
STRATA = ("context", "perturbation", "dose_molar", "time_s")


class BatchOptions(Options):
    """How hard the check looks and where it draws the line."""

    alpha: float = Field(default=0.01, gt=0, lt=1)
    """The largest p-value of a shift; a shift needs a share that matters, too."""
    min_variance_explained: float = Field(default=0.02, ge=0, le=1)
    """The least share of the scatter that batches explain where they are shifted."""
    max_confounding: float = Field(default=0.9, gt=0, le=1)
    """Squared canonical correlation of batch and perturbation that is confounding."""
    min_informative: float = Field(default=10.0, gt=0)
    """Effective profiles behind every difference of batches at which it is harmless."""
    permutations: int = Field(default=499, ge=99)
    """How often batch labels are permuted; the least p-value is 1 / (permutations + 1)."""
    components: int = Field(default=20, ge=1)
    """The most principal components that are compared."""
    max_profiles: int = Field(default=2000, ge=20)
    """The most profiles compared, even over strata and batches; bounds the time."""
    max_readouts: int = Field(default=2000, ge=1)
    """The most variable readouts that the components are made of."""
    seed: int = 0
    """Seed of the permutations."""


@dataclass(frozen=True, slots=True)
class Confounding:
    """How far batches can be told from perturbations.

    squared_correlation: the largest squared canonical correlation between batch and
    perturbation beyond the trivial one: 0 balanced, 1 inseparable. n_informative: how many
    profiles, in effect, the worst-determined difference between batches rests on.
    """

    squared_correlation: float
    n_informative: float
    is_confounded: bool


def confounding(
    batch: pd.Categorical, perturbation: pd.Categorical, options: BatchOptions | None = None
) -> Confounding:
    """Whether additive effects of batch and perturbation, (profiles,) each, can be separated.

    With N the (batches, perturbations) table of counts and row and column sums r, c, the
    information on batch effects beside perturbation effects is L = diag(r) - N diag(1/c) N';
    its second smallest eigenvalue is zero exactly when some batches share no perturbation
    (controls count as one) with the others: then the difference between them cannot be told
    from that of their perturbations. The squared canonical correlations are the eigenvalues of
    diag(r)^-1/2 N diag(1/c) N' diag(r)^-1/2.
    """
    limits = options or BatchOptions()
    table = pd.crosstab(batch, perturbation).to_numpy(np.float64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if len(table) < 2:
        return Confounding(0.0, float(table.sum()), False)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    explained = (table / columns) @ table.T
    information = np.linalg.eigvalsh(np.diag(rows) - explained)[1]
    scale = np.sqrt(np.outer(rows, rows))
    squared = float(np.clip(np.linalg.eigvalsh(explained / scale)[-2], 0.0, 1.0))
    n_informative = float(max(information, 0.0))
    is_confounded = squared >= limits.max_confounding and n_informative < limits.min_informative
    return Confounding(squared, n_informative, is_confounded or squared > 1 - 1e-9)


def batch_report(data: Dataset, options: BatchOptions | None = None) -> Evidence:
    """Evidence ``batch``: a shift between batches and its confounding with the perturbation.

    The shift is tested on controls where two batches share them, else on all profiles, always
    within strata of equal context, perturbation, dose and time: the share of the scatter on the
    leading principal components that batches explain, against permutations of the batch
    labels within strata [anderson2001]_. Where a donor or replicate role gives at least two
    units a batch, the unit is their mean; else it is the profile, and a difference between
    replicates that are nested in batches counts as a shift. Counts are compared as log1p of
    counts per ten thousand. ``variance_explained`` is corrected for the number of batches;
    ``is_shifted`` needs both a small p-value and a share that matters.
    """
    limits = options or BatchOptions()
    inputs = {"data": data.digest()}
    if not data.has_role("batch"):
        return _not_applicable("the profiles have no batch role", 0, inputs)
    batch = data.labels("batch")
    if len(batch.categories) < 2:
        return _not_applicable("all profiles are of one batch", len(batch.categories), inputs)
    mixed = Confounding(0.0, float(data.n_profiles), False)
    if data.has_role("perturbation"):
        mixed = confounding(batch, data.labels("perturbation"), limits)
    sample = _sample(data, batch, limits)
    if sample is None:
        reason = "no two batches share a context, perturbation, dose and time measured twice"
        if not mixed.is_confounded:
            return _not_applicable(reason, len(batch.categories), inputs)
        payload = _payload(reason, len(batch.categories), mixed)
        return Evidence("batch", "data", payload, inputs)
    scores = _components(data, sample, limits)
    statistic, p_value, explained = _permutation_test(scores, sample, limits)
    payload = _payload(sample.note, len(batch.categories), mixed) | {
        "statistic": statistic,
        "p_value": p_value,
        "variance_explained": explained,
        "alpha": limits.alpha,
        "min_variance_explained": limits.min_variance_explained,
        "is_shifted": p_value <= limits.alpha and explained >= limits.min_variance_explained,
    }
    return Evidence("batch", "data", payload, inputs)


def _not_applicable(reason: str, n_batches: int, inputs: dict[str, str]) -> Evidence:
    payload = _payload(reason, n_batches, Confounding(0.0, 0.0, False))
    return Evidence(
        "batch", "data", payload | {"is_applicable": False, "confounding": None}, inputs
    )


def _payload(reason: str, n_batches: int, mixed: Confounding) -> dict[str, Any]:
    return {
        "is_applicable": True,
        "reason": reason,
        "n_batches": n_batches,
        "statistic": None,
        "p_value": None,
        "variance_explained": None,
        "confounding": mixed.squared_correlation,
        "is_confounded": mixed.is_confounded,
        "is_shifted": False,
    }


@dataclass(frozen=True, slots=True)
class _Sample:
    """The profiles that are compared: rows, and codes of their unit, batch and stratum."""

    rows: NDArray[np.int64]
    unit: NDArray[np.int64]
    batch: NDArray[np.int64]
    stratum: NDArray[np.int64]
    note: str


def _sample(data: Dataset, batch: pd.Categorical, limits: BatchOptions) -> _Sample | None:
    """Rows whose stratum has two units in two batches or more; None when there are none."""
    control = np.flatnonzero(data.is_control)
    for rows, what in ((control, "control"), (np.arange(data.n_profiles), "")):
        found = _strata(data, batch, rows, what, limits) if len(rows) else None
        if found is not None:
            return found
    return None


def _strata(
    data: Dataset, batch: pd.Categorical, rows: NDArray[np.int64], what: str, limits: BatchOptions
) -> _Sample | None:
    frame = pd.DataFrame({"row": rows, "batch": batch.codes[rows].astype(np.int64)})
    names = [role for role in STRATA if data.has_role(role)]
    codes = [data.labels(role).codes[rows] for role in names] or [np.zeros(len(rows), np.int8)]
    frame["stratum"] = np.unique(np.stack(codes), axis=1, return_inverse=True)[1].ravel()
    frame["unit"], unit_name = _units(data, frame)
    groups = frame.groupby("stratum")
    usable = (groups["batch"].transform("nunique") >= 2) & (
        groups["unit"].transform("nunique") > groups["batch"].transform("nunique")
    )
    frame = frame[usable]
    if len(frame) < 4:
        return None
    if len(frame) > limits.max_profiles:
        places = np.linspace(0, len(frame) - 1, limits.max_profiles).astype(np.int64)
        frame = frame.sort_values(["stratum", "batch", "row"], kind="stable").iloc[places]
    n_batches, n_strata, n_units = (frame[name].nunique() for name in ("batch", "stratum", "unit"))
    profiles = plural(len(frame), f"{what} profile".strip())
    strata = f"{n_strata:,} {'stratum' if n_strata == 1 else 'strata'}"
    note = f"{profiles}, {plural(n_batches, 'batch')}, {strata}; unit: {unit_name} ({n_units:,})"
    row, unit, code, stratum = (
        frame[name].to_numpy(np.int64) for name in ("row", "unit", "batch", "stratum")
    )
    return _Sample(row, unit, code, stratum, note)


def _units(data: Dataset, frame: pd.DataFrame) -> tuple[NDArray[np.int64], str]:
    """Codes of the unit: donor or replicate within a batch where it has two, else the profile."""
    for role in ("donor", "replicate"):
        if not data.has_role(role):
            continue
        codes = data.labels(role).codes[frame["row"]]
        unit = frame.assign(code=codes).groupby(["stratum", "batch", "code"]).ngroup()
        per_batch = frame.assign(unit=unit).groupby(["stratum", "batch"])["unit"].nunique()
        if (per_batch >= 2).all():
            return unit.to_numpy(np.int64), role
    return np.arange(len(frame)), "profile"


def _components(data: Dataset, sample: _Sample, limits: BatchOptions) -> NDArray[np.float64]:
    """Principal-component scores of the rows, centred within strata: (rows, components)."""
    block = data.values[sample.rows]
    if data.value_type is ValueType.COUNTS:
        block = _log_normalised(block)
    values = np.asarray(block.toarray() if sp.issparse(block) else block, np.float64)
    variance = values.var(axis=0)
    if values.shape[1] > limits.max_readouts:
        keep = np.sort(np.argsort(-variance, kind="stable")[: limits.max_readouts])
        values = values[:, keep]
    centred = values - _group_means(values, sample.stratum)[sample.stratum]
    if centred.shape[1] <= limits.components:
        return centred
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    wanted = min(limits.components, int((size > size[0] * 1e-10).sum()) or 1)
    scores: NDArray[np.float64] = left[:, :wanted] * size[:wanted]
    return scores


def _log_normalised(counts: Any) -> Any:
    total = np.asarray(counts.sum(axis=1), np.float64).ravel()
    scale = 1e4 / np.where(total > 0, total, 1.0)
    if sp.issparse(counts):
        return sp.csr_matrix(sp.diags(scale) @ counts).log1p()
    return np.log1p(np.asarray(counts) * scale[:, None])


def _group_means(values: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means of the rows of every code 0..max: (codes, columns); zero where a code is empty."""
    size = np.bincount(codes)
    sums = np.stack([np.bincount(codes, column) for column in values.T], axis=1)
    means: NDArray[np.float64] = sums / np.maximum(size, 1)[:, None]
    return means


def _permutation_test(
    scores: NDArray[np.float64], sample: _Sample, limits: BatchOptions
) -> tuple[float, float, float]:
    """Pseudo-F of batch within strata, its p-value and the corrected share of scatter."""
    unit = np.unique(sample.unit, return_inverse=True)[1]
    means = _group_means(scores, unit)
    first = np.unique(unit, return_index=True)[1]
    batch, stratum = sample.batch[first], np.unique(sample.stratum[first], return_inverse=True)[1]
    centred = means - _group_means(means, stratum)[stratum]
    total = float((centred**2).sum())
    cells = np.unique(np.stack([stratum, batch]), axis=1).shape[1]
    between_df = cells - int(stratum.max()) - 1
    within_df = len(batch) - cells
    if total <= 0 or between_df < 1 or within_df < 1:
        return 0.0, 1.0, 0.0
    rng = np.random.default_rng(limits.seed)
    order = np.argsort(stratum, kind="stable")
    observed = _between(centred, stratum, batch)
    larger = 0
    for _ in range(limits.permutations):
        shuffled = batch.copy()
        shuffled[order] = batch[np.lexsort((rng.random(len(batch)), stratum))]
        larger += _between(centred, stratum, shuffled) >= observed * (1 - 1e-12)
    within = total - observed
    statistic = (observed / between_df) / (within / within_df) if within > 0 else float("inf")
    explained = (observed - between_df * within / within_df) / (total + within / within_df)
    p_value = (1 + larger) / (1 + limits.permutations)
    return min(statistic, 1e300), p_value, float(max(explained, 0.0))


def _between(
    centred: NDArray[np.float64], stratum: NDArray[np.int64], batch: NDArray[np.int64]
) -> float:
    """Sum of squares of the means of batches within strata."""
    codes = np.unique(stratum * (int(batch.max()) + 1) + batch, return_inverse=True)[1]
    means = _group_means(centred, codes)
    return float((means**2 * np.bincount(codes)[:, None]).sum())
