"""From additive terms to scores: strata, rows and intervals over the unit of replication."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import final

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.metric import Metric, Score, Terms
from cellula.evaluation.bootstrap import interval
from cellula.evaluation.metrics.sums import ratio
from cellula.evaluation.question import labels_of
from cellula.kernels.blas_threads import one_blas_thread

__all__ = [
    "Aggregates",
    "bootstrap_values",
    "has_value",
    "resampled",
    "resampled_blocks",
    "row_codes",
    "score",
    "score_rows",
    "stratum_values",
]

#: What a row of a score table is by default.
ROW = ("perturbation", "context")
#: Sums of one code that are finished together: 2^18 numbers are 2 MiB, about what a cache holds.
CACHED = 2**18
#: Resampled sums that are held at once: 2^22 numbers are 32 MiB.
LARGEST_BLOCK = 2**22

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@final
class Aggregates:
    """The equal-weight mean over strata of a metric, of everything and of every resample.

    A baseline and a replicate stand beside every model of a study; where the terms, the groups
    that count and the weights are the same, the sums are not made again.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._known: dict[tuple[int, int, bytes], tuple[Terms, Floats, float, Floats]] = {}
        self._values: dict[tuple[int, bytes], tuple[Terms, float]] = {}

    def of(self, terms: Terms, unit: Codes, mask: Mask, weights: Floats) -> tuple[float, Floats]:
        """The aggregate over the groups in ``mask``, and that of every resample: (resamples,).

        unit: (groups,), the unit of every group of these terms; weights: (resamples, units).
        """
        key = id(terms), id(weights), mask.tobytes()
        if key not in self._known:
            value = self.value(terms, unit, mask)
            values = resampled(self._metric, terms, unit, mask, weights)
            # Terms and weights are held, so that nothing else can get their identity.
            self._known[key] = terms, weights, value, values
        _, _, value, values = self._known[key]
        return value, values

    def value(self, terms: Terms, unit: Codes, mask: Mask) -> float:
        """The aggregate over the groups in ``mask`` alone; NaN where there is none."""
        key = id(terms), mask.tobytes()
        if key not in self._values:
            self._values[key] = terms, _point(self._metric, terms, unit, mask)
        return self._values[key][1]


def score(
    metric: Metric,
    comparison: Comparison,
    *,
    weights: Floats | None = None,
    level: float = 0.95,
    unit: str = "",
    aggregates: Aggregates | None = None,
) -> Score:
    """The metric over all groups, with a percentile interval where weights are given.

    Terms are summed over the groups of a stratum, finished, and averaged over the strata that
    have a value, each with equal weight. weights: (resamples, units) from
    :func:`~cellula.evaluation.bootstrap.unit_weights`; one unit alone has no interval. ``unit``
    names the unit of replication in the row. aggregates: of this metric, kept between calls.
    Where there is no value the row says why.
    """
    terms = metric.terms(comparison)
    mask = has_value(terms)
    n_units = len(np.unique(comparison.unit[mask]))
    value = _point(metric, terms, comparison.unit, mask)
    lower = upper = float("nan")
    if weights is not None and n_units > 1 and np.isfinite(value):
        sums = Aggregates(metric) if aggregates is None else aggregates
        lower, upper = interval(sums.of(terms, comparison.unit, mask, weights)[1], level)
    return Score(
        metric=metric.definition.id,
        value=value,
        reason="" if np.isfinite(value) else _reason(metric, terms, mask),
        n_groups=int(mask.sum()),
        lower=lower,
        upper=upper,
        unit=unit,
        n_units=n_units,
    )


def score_rows(metric: Metric, comparison: Comparison, by: tuple[str, ...] = ROW) -> list[Score]:
    """One score for every perturbation x context, in the order of their labels.

    by: only ``perturbation`` or only ``context`` pools the groups of all others; the label that
    is not named stays "". Every row is there; where the groups of a row do not give a value it
    is NaN with a reason.
    """
    terms = metric.terms(comparison)
    mask = has_value(terms)
    rows, frame = row_codes(comparison, by)
    values = stratum_values(metric, terms.values, rows, len(frame), mask)
    n_groups = np.bincount(rows[mask], minlength=len(frame))
    first = np.unique(rows, return_index=True)[1]
    return [
        Score(
            metric=metric.definition.id,
            value=float(values[row]),
            reason=""
            if np.isfinite(values[row])
            else str(terms.reasons[first[row]]) or _undetermined(metric, int(n_groups[row])),
            perturbation=labels.get("perturbation", ""),
            context=labels.get("context", ""),
            n_groups=int(n_groups[row]),
        )
        for row, labels in enumerate(frame.to_dict("records"))
    ]


def bootstrap_values(metric: Metric, comparison: Comparison, weights: Floats) -> Floats:
    """The metric in every resample of the units: (resamples,); NaN where it has no value."""
    terms = metric.terms(comparison)
    return resampled(metric, terms, comparison.unit, has_value(terms), weights)


def has_value(terms: Terms) -> Mask:
    """Which groups have terms: (groups,)."""
    return np.asarray(terms.reasons == "", bool)


def row_codes(comparison: Comparison, by: tuple[str, ...] = ROW) -> tuple[Codes, pd.DataFrame]:
    """Code of the perturbation x context of every group, and the labels of every code."""
    columns = [labels_of(comparison.groups[name]) for name in by]
    joint = np.zeros(len(comparison.groups), np.int64)
    for part, names in columns:
        joint = joint * len(names) + part
    _, first, codes = np.unique(joint, return_index=True, return_inverse=True)
    labels = {
        name: np.asarray(names, object)[part[first]]
        for name, (part, names) in zip(by, columns, strict=True)
    }
    return codes.astype(np.int64), pd.DataFrame(labels)


def stratum_values(
    metric: Metric, values: Floats, codes: Codes, n_codes: int, mask: Mask
) -> Floats:
    """The metric within every code: (n_codes,); NaN where its groups give no value."""
    ones = np.ones((1, 1))
    unit = np.zeros(len(codes), np.int64)
    blocks = resampled_blocks(metric, values, codes, n_codes, unit, mask, ones)
    return np.concatenate([part[:, 0] for part in blocks]) if n_codes else np.empty(0)


def resampled(metric: Metric, terms: Terms, unit: Codes, mask: Mask, weights: Floats) -> Floats:
    """Equal-weight mean over strata in every resample, over the groups in ``mask``.

    A stratum of a single unit is drawn with it, and counts as often; one of several units is
    there in every resample, and counts once.
    """
    if len(unit) and weights.shape[1] <= int(unit.max()):
        raise DataError(
            f"weights for {weights.shape[1]} units, but the groups belong to "
            f"{int(unit.max()) + 1}; draw weights for len(comparison.units) units"
        )
    owner = _owners(terms.stratum, unit, mask)
    total, count = _of_units(metric, terms, mask & (owner >= 0), owner, weights)
    rows = np.flatnonzero(mask & (owner < 0))
    strata, codes = np.unique(terms.stratum[rows], return_inverse=True)
    everyone = np.ones(len(rows), bool)
    for part in resampled_blocks(
        metric, _some(terms.values, rows), codes, len(strata), unit[rows], everyone, weights
    ):
        is_value = np.isfinite(part)
        total += np.where(is_value, part, 0.0).sum(axis=0)
        count += is_value.sum(axis=0)
    return ratio(total, count)


def _of_units(
    metric: Metric, terms: Terms, mask: Mask, owner: Codes, weights: Floats
) -> tuple[Floats, Floats]:
    """Sum of the values of the strata of single units, and their number, in every resample.

    The groups of a stratum get one weight, and weights enter a metric relative to one another
    only: its value is the same whenever it is drawn, and is made once.
    """
    strata, first, codes = np.unique(terms.stratum[mask], return_index=True, return_inverse=True)
    everyone = np.ones(len(codes), bool)
    values = stratum_values(metric, terms.values[mask], codes, len(strata), everyone)
    own, is_value = owner[mask][first], np.isfinite(values)
    sums, n = (
        np.bincount(own[is_value], part, weights.shape[1])
        for part in (values[is_value], np.ones(int(is_value.sum())))
    )
    return (weights * sums).sum(axis=1), (weights * n).sum(axis=1)


def _owners(stratum: Codes, unit: Codes, mask: Mask) -> Codes:
    """Of every group the unit that its stratum is all of, -1 where there are several: (groups,).

    Only groups in ``mask`` count.
    """
    n_strata = int(stratum.max(initial=-1)) + 1
    least, most = np.full(n_strata, np.iinfo(np.int64).max), np.full(n_strata, -1)
    np.minimum.at(least, stratum[mask], unit[mask])
    np.maximum.at(most, stratum[mask], unit[mask])
    return np.where(least == most, most, -1)[stratum]


def resampled_blocks(
    metric: Metric,
    values: Floats,
    codes: Codes,
    n_codes: int,
    unit: Codes,
    mask: Mask,
    weights: Floats,
) -> Iterator[Floats]:
    """The metric of every code in every resample, some codes at a time: (codes, resamples).

    values: (groups, terms); codes, unit, mask: (groups,); weights: (resamples, units).
    The sums of every unit are made once and multiplied by the weights, on one thread and in
    blocks of a size that no thread decides: a code at a time where its terms are many, else many
    codes in one sparse matrix.
    """
    n_terms = values.shape[1]
    order = np.argsort(codes, kind="stable")
    order = order[mask[order]]
    sorted_codes = codes[order]
    size = max(1, LARGEST_BLOCK // (n_terms * max(len(weights), 1)))
    for start in range(0, n_codes, size):
        stop = min(start + size, n_codes)
        first, last = np.searchsorted(sorted_codes, [start, stop])
        rows = order[first:last]
        if stop - start == 1:
            yield _of_one_code(metric, _some(values, rows), unit[rows], weights)[None]
        else:
            own = codes[rows] - start
            yield _of_codes(metric, values[rows], (own, stop - start), unit[rows], weights)


def _of_one_code(metric: Metric, values: Floats, unit: Codes, weights: Floats) -> Floats:
    """The metric of the groups (groups, terms) in every resample: (resamples,)."""
    order = np.argsort(unit, kind="stable")
    present, first = np.unique(unit[order], return_index=True)
    n_terms = values.shape[1]
    table = _some(values, order)
    if len(first) < len(table):
        table = np.add.reduceat(table, first, axis=0)
    size = max(1, CACHED // n_terms)
    with one_blas_thread():
        parts = [
            metric.finish(np.dot(weights[start : start + size, present], table))
            for start in range(0, len(weights), size)
        ]
    return np.concatenate([np.empty(0), *parts])


def _some(values: Floats, rows: Codes) -> Floats:
    """Some rows; the array itself where these are all of them in their order."""
    is_all = len(rows) == len(values) and np.array_equal(rows, np.arange(len(rows)))
    return values if is_all else values[rows]


def _of_codes(
    metric: Metric, values: Floats, codes: tuple[Codes, int], unit: Codes, weights: Floats
) -> Floats:
    """The metric of the groups of every code in every resample: (codes, resamples)."""
    own, n_codes = codes
    n_terms = values.shape[1]
    row = own[:, None] * n_terms + np.arange(n_terms)
    sums = sp.csr_matrix(
        (values.ravel(), (row.ravel(), np.repeat(unit, n_terms))),
        shape=(n_codes * n_terms, weights.shape[1]),
    )
    block = (sums @ np.ascontiguousarray(weights.T)).reshape(n_codes, n_terms, len(weights))
    return metric.finish(np.moveaxis(block, 1, 2))


def _point(metric: Metric, terms: Terms, unit: Codes, mask: Mask) -> float:
    if not mask.any():
        return float("nan")
    ones = np.ones((1, int(unit.max()) + 1))
    return float(resampled(metric, terms, unit, mask, ones)[0])


def _reason(metric: Metric, terms: Terms, mask: Mask) -> str:
    """The most frequent reason of the groups, or that their sums give no value."""
    if len(mask) == 0:
        return "there is no group to score"
    if mask.any():
        return _undetermined(metric, int(mask.sum()))
    (reason, count), *_ = Counter(map(str, terms.reasons)).most_common(1)
    return f"none of {len(mask)} groups has a value; for {count}: {reason}"


def _undetermined(metric: Metric, n_groups: int) -> str:
    definition = metric.definition
    return f"{n_groups} group(s) do not determine {definition.name} ({definition.aggregation})"
