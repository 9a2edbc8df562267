"""Pearson and Spearman correlation over groups: pooled, within perturbation, within context.

The correlation is taken over groups, readout by readout, and averaged over the readouts whose
observed values vary. Ranks are taken once, within stratum and readout, ties averaged. A readout
that the prediction leaves constant correlates 0: a model cannot drop a stratum by refusing to
differ within it. Folds are never mixed within a stratum: the mean of the training part is low
where the held-out part is high, and would correlate negatively though it tells nothing.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.numerals import plural
from cellula.evaluation.metrics.sums import missing, ratio
from cellula.evaluation.question import labels_of

__all__ = [
    "Pearson",
    "PearsonWithinContext",
    "PearsonWithinPerturbation",
    "Spearman",
    "SpearmanWithinContext",
    "SpearmanWithinPerturbation",
]

#: Fewest groups of a stratum: two points always correlate perfectly.
MIN_GROUPS = 3
#: A variance below this share of the mean square is rounding, not variation.
TOLERANCE = 1e-10

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Stratum = Literal["", "perturbation", "context"]


def _definition(name: str, stratum: Stratum, *, is_ranked: bool) -> MetricDefinition:
    place = f"the {stratum}, fold by fold" if stratum else "all groups"
    pooled = (
        f"equal-weight mean over {stratum}s and folds with a value"
        if stratum
        else "pooled over groups"
    )
    return MetricDefinition(
        name=name,
        version=1,
        equation=(
            "mean over readouts of the Pearson correlation over groups of observed with predicted "
            f"{'average ranks' if is_ranked else 'values'} within {place}; "
            "0 where the prediction is constant"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts whose observed values vary, equal weight",
        control="none",
        aggregation=f"{pooled}; at least {MIN_GROUPS} groups and an observation that varies",
        direction="higher",
        ideal=1.0,
        references=("spearman1904",) if is_ranked else (),
    )


@final
class Pearson:
    """Pearson correlation over all groups, -1 to 1."""

    definition: ClassVar[MetricDefinition] = _definition("pearson", "", is_ranked=False)

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of every group."""
        return _terms(comparison, "", is_ranked=False)

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return _correlation(sums)


@final
class PearsonWithinPerturbation:
    """Pearson correlation over the contexts of a perturbation, averaged over perturbations."""

    definition: ClassVar[MetricDefinition] = _definition(
        "pearson_within_perturbation", "perturbation", is_ranked=False
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of every group."""
        return _terms(comparison, "perturbation", is_ranked=False)

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return _correlation(sums)


@final
class PearsonWithinContext:
    """Pearson correlation over the perturbations of a context, averaged over contexts."""

    definition: ClassVar[MetricDefinition] = _definition(
        "pearson_within_context", "context", is_ranked=False
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of every group."""
        return _terms(comparison, "context", is_ranked=False)

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return _correlation(sums)


@final
class Spearman:
    """Spearman rank correlation [spearman1904]_ over all groups, -1 to 1."""

    definition: ClassVar[MetricDefinition] = _definition("spearman", "", is_ranked=True)

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of the ranks of every group."""
        return _terms(comparison, "", is_ranked=True)

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return _correlation(sums)


@final
class SpearmanWithinPerturbation:
    """Spearman correlation [spearman1904]_ over the contexts of a perturbation, averaged."""

    definition: ClassVar[MetricDefinition] = _definition(
        "spearman_within_perturbation", "perturbation", is_ranked=True
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of the ranks of every group."""
        return _terms(comparison, "perturbation", is_ranked=True)

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return _correlation(sums)


@final
class SpearmanWithinContext:
    """Spearman correlation [spearman1904]_ over the perturbations of a context, averaged."""

    definition: ClassVar[MetricDefinition] = _definition(
        "spearman_within_context", "context", is_ranked=True
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of the ranks of every group."""
        return _terms(comparison, "context", is_ranked=True)

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return _correlation(sums)


def _terms(comparison: Comparison, stratum: Stratum, *, is_ranked: bool) -> Terms:
    """1, and x, y, xx, yy, xy of every readout: (groups, 1 + 5 readouts)."""
    x, y = comparison.observed, comparison.predicted
    codes, names = np.zeros(len(x), np.int64), np.array(["the comparison"])
    if stratum:
        codes, labels = labels_of(comparison.groups[stratum])
        names = np.char.add(f"{stratum} ", np.asarray(labels, str))
        if comparison.fold is not None:
            joint = codes * (int(comparison.fold.max(initial=0)) + 1) + comparison.fold
            _, first, joint = np.unique(joint, return_index=True, return_inverse=True)
            names, codes = names[codes[first]], joint.astype(np.int64)
    reasons = missing(observed=x, predicted=y)
    is_there = reasons == ""
    if is_ranked:
        x, y = _ranks(x, codes, is_there), _ranks(y, codes, is_there)
    of_stratum = _reasons(x[is_there], codes[is_there], names)
    reasons = np.where(is_there, of_stratum[codes], reasons)
    values = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    return Terms(np.where((reasons == "")[:, None], values, np.nan), reasons, codes)


def _reasons(x: Floats, codes: Codes, names: NDArray[np.str_]) -> NDArray[np.str_]:
    """Why a stratum has no correlation, "" where it has: (strata,)."""
    count = np.bincount(codes, minlength=len(names))
    is_varied = np.zeros(len(names), bool)
    if len(codes):
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(_is_new(codes[order]))
        low, high = (ufunc.reduceat(x[order], starts) for ufunc in (np.minimum, np.maximum))
        is_varied[codes[order[starts]]] = (high > low).any(axis=1)
    reasons = [
        f"{name} has {plural(n, 'group')}, a correlation needs {MIN_GROUPS}"
        if n < MIN_GROUPS
        else ("" if varies else f"the observed values of {name} do not vary")
        for name, n, varies in zip(names, count, is_varied, strict=True)
    ]
    return np.array(reasons, dtype=str)


def _correlation(sums: Floats) -> Floats:
    """Mean over readouts of the correlation, from moments (..., 1 + 5 readouts).

    NaN below 3 groups and where no observed readout varies.
    """
    n = sums[..., :1]
    moments = np.divide(sums[..., 1:], n, out=np.zeros(sums[..., 1:].shape), where=n > 0)
    x, y, xx, yy, xy = np.moveaxis(moments.reshape(*n.shape[:-1], 5, -1), -2, 0)
    variance_x, variance_y = xx - x * x, yy - y * y
    is_counted = variance_x > TOLERANCE * xx
    is_varied = is_counted & (variance_y > TOLERANCE * yy)
    product = np.sqrt(np.where(is_varied, variance_x * variance_y, 1.0))
    value = np.where(is_varied, np.clip((xy - x * y) / product, -1.0, 1.0), 0.0)
    mean = ratio(value.sum(axis=-1), is_counted.sum(axis=-1).astype(np.float64))
    return np.asarray(np.where(n[..., 0] >= MIN_GROUPS, mean, np.nan), np.float64)


# -- ranks ------------------------------------------------------------------------------------
def _is_new(ordered: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a sorted array begins a new value: same shape."""
    is_new = np.ones(len(ordered), bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return is_new


def _ranks(values: Floats, codes: Codes, is_there: NDArray[np.bool_]) -> Floats:
    """Ranks 1, 2, ... of the groups that are there, per stratum and readout, ties averaged."""
    result = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        result[is_there, column] = _column_ranks(values[is_there, column], codes[is_there])
    return result


def _column_ranks(values: Floats, codes: Codes) -> Floats:
    order = np.lexsort((values, codes))
    is_first = _is_new(codes[order])
    begin = np.flatnonzero(is_first | _is_new(values[order]))
    length = np.diff(np.r_[begin, len(values)])
    middle = np.repeat(begin + (length - 1) / 2.0, length)
    origin = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    ranks = np.empty(len(values))
    ranks[order] = middle - origin + 1.0
    return ranks
