"""Does the response rise and fall along the dose, along time, as it should?

A curve is one perturbation in one context at one of the other (dose or time, individual), fold
by fold. A model that answers every dose with the same value is right on average and knows
nothing of the dose: along the curve it correlates 0.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.query import QueryTable
from cellula.evaluation.metrics.moments import MIN_GROUPS, Strata, correlation, moments
from cellula.evaluation.metrics.sums import missing, pooled_terms
from cellula.evaluation.question import describe

__all__ = ["DoseAgreement", "TimeCourseAgreement"]

#: What the column of an axis holds.
NOUNS = {"dose_molar": "dose", "time_s": "time"}

#: A distance from the mean below this share of the largest value is rounding, not variation.
TOLERANCE = 1e-12

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Axis = Literal["dose_molar", "time_s"]


def _definition(name: str, axis: Axis, other: str) -> MetricDefinition:
    noun = NOUNS[axis]
    return MetricDefinition(
        name=name,
        version=1,
        equation=(
            f"mean over readouts of the Pearson correlation over the {noun}s of a curve of "
            "observed with predicted values, both centred in the curve; 0 where the prediction is "
            f"constant; a curve = the groups of one perturbation, context, {other} and individual, "
            "fold by fold"
        ),
        layer="phenotype",
        space="readouts",
        genes="all readouts whose observed values vary along the curve, equal weight",
        control="none",
        aggregation=(
            f"equal-weight mean over curves with at least {MIN_GROUPS} {noun}s and an observation "
            "that varies"
        ),
        direction="higher",
        ideal=1.0,
    )


@final
class DoseAgreement:
    """Pearson correlation over the doses of a perturbation in a context, -1 to 1, averaged."""

    definition: ClassVar[MetricDefinition] = _definition("dose_agreement", "dose_molar", "time")

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of every group."""
        return _terms(comparison, "dose_molar")

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return correlation(sums)


@final
class TimeCourseAgreement:
    """Pearson correlation over the times of a perturbation in a context, -1 to 1, averaged."""

    definition: ClassVar[MetricDefinition] = _definition("time_course_agreement", "time_s", "dose")

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of every group."""
        return _terms(comparison, "time_s")

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return correlation(sums)


def _terms(comparison: Comparison, axis: Axis) -> Terms:
    groups = comparison.groups
    if axis not in groups.columns:
        why = f"the questions have no {NOUNS[axis]}: there is no curve"
        return pooled_terms(np.full((len(groups), 1), np.nan), np.full(len(groups), why))
    curves = _curves(comparison, axis)
    is_there = missing(observed=comparison.observed, predicted=comparison.predicted) == ""
    x = _centred(comparison.observed, curves.codes, is_there)
    y = _centred(comparison.predicted, curves.codes, is_there)
    terms = moments(x, y, curves)
    points = np.column_stack([curves.codes, groups[axis].to_numpy(np.float64)])[is_there]
    distinct = np.unique(points, axis=0)[:, 0].astype(np.int64)
    count = np.bincount(distinct, minlength=len(curves.names))
    lacks = np.array(
        [
            f"{name} has {n} {NOUNS[axis]}(s) with a value, a curve needs {MIN_GROUPS}"
            for name, n in zip(curves.names, count, strict=True)
        ],
        dtype=str,
    )
    is_short = is_there & (count < MIN_GROUPS)[curves.codes]
    reasons = np.where(is_short, lacks[curves.codes], terms.reasons)
    return Terms(np.where(is_short[:, None], np.nan, terms.values), reasons, curves.codes)


def _curves(comparison: Comparison, axis: Axis) -> Strata:
    """The curve of every group, in the order of the labels."""
    questions = QueryTable.from_frame(comparison.groups.drop(columns=axis))
    _, first, codes = np.unique(questions.keys(), return_index=True, return_inverse=True)
    names = np.array([describe(questions, int(row)) for row in first], dtype=str)
    return Strata(codes.astype(np.int64), names).within(comparison.fold)


def _centred(values: Floats, codes: Codes, is_there: NDArray[np.bool_]) -> Floats:
    """Values less the mean of their curve: (groups, readouts); 0 where that is rounding only.

    So a row of a table that holds several curves is told along them and not between them.
    """
    kept = np.where(is_there[:, None], values, 0.0)
    order = np.argsort(codes, kind="stable")
    first = np.flatnonzero(np.diff(codes[order], prepend=-1))
    if not len(first):
        return values
    count = np.add.reduceat(is_there[order].astype(np.float64), first)
    mean = np.add.reduceat(kept[order], first, axis=0) / np.maximum(count, 1.0)[:, None]
    largest = np.maximum.reduceat(np.abs(kept)[order], first, axis=0)
    centred = values - mean[codes]
    return np.where(np.abs(centred) <= TOLERANCE * largest[codes], 0.0, centred)
