"""Whether a prediction's cells call the readouts that the experiment's cells call.

Both sides are tested against the same real controls: see
:mod:`cellula.evaluation.metrics.de_table`. A prediction that carries no cells has no value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.change import change_from
from cellula.evaluation.metrics.de_table import (
    CALLED,
    CONTROL,
    NONE_CALLED,
    observed_tested,
    predicted_tested,
)
from cellula.evaluation.metrics.sums import mean_terms, missing, ratio

__all__ = ["DeAuprc", "DeJaccard", "DeOverlap"]

Floats = NDArray[np.float64]

MATCHED = (
    "the p of a group with more predicted than observed cells is that of as many cells as were "
    "observed"
)


def _definition(
    name: str, equation: str, genes: str, references: tuple[str, ...] = ()
) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        version=1,
        equation=f"{equation}; {MATCHED}",
        layer="gene",
        space="readouts",
        genes=genes,
        control=CONTROL,
        aggregation="equal-weight mean over groups with a readout called in the observed cells",
        direction="higher",
        ideal=1.0,
        references=(*references, "mann1947", "benjamini1995"),
        needs_cells=True,
    )


@final
class DeOverlap:
    """Share of the N called readouts that a prediction ranks among its first N, 0 to 1.

    A prediction ranks the readouts that its own cells call before the others, then the larger
    change first, and always N of them, so there is nothing to earn by calling more or fewer. A
    factor of all changes keeps their order and moves the value only by what it calls: hardly, and
    either way. Ties at the N-th place count by the share of them that finds room, so the names of
    readouts play no part, and no change has the share of all readouts that are called.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "de_overlap",
        "mean over groups of |called and first| / N, N = number of called readouts, first = the N "
        "readouts that come first by (called in the predicted cells, then |predicted - control|), "
        "ties at the N-th place in equal shares",
        CALLED,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Overlap of the group, and 1."""
        return _terms(comparison, _overlap)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class DeJaccard:
    """Called on both sides with one direction, over called on either side: 0 to 1.

    It sees how many readouts a prediction calls: a factor of 3 on all changes, or cells without
    spread, call more, which raises an answer that called too few before and lowers any other.
    Copies of cells call no more than the cells did. No change has 0.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "de_jaccard",
        "mean over groups of |called observed and called predicted, with equal sign of the change| "
        "/ |called observed or called predicted|",
        CALLED + ", and likewise in the predicted cells",
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Shared calls of the group, and 1."""
        return _terms(comparison, _jaccard)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class DeAuprc:
    """Average precision of the predicted p for the called readouts and their direction, 0 to 1.

    The area under the precision-recall curve [saito2015]_ of the readouts ordered by the p of the
    predicted cells; a called readout that is predicted to change the other way is not found. (By
    p alone, cells that are all zero would find what is highly expressed, hence easily called.)
    Equal p stand in one step, so the names of readouts play no part; no change has 0. Only the
    order of p counts: cells without spread, or with their changes times 3, differ from controls
    nearly everywhere, lose the order and with it most of the value.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "de_auprc",
        "mean over groups of sum over steps k of (recall_k - recall_(k-1)) precision_k, the steps "
        "being the distinct p of the predicted cells from the smallest; found are called readouts "
        "whose predicted change has the sign of the observed; recall = found / called",
        CALLED,
        ("saito2015",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Average precision of the group, and 1."""
        return _terms(comparison, _precision)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@dataclass(frozen=True, slots=True)
class _Calls:
    """One group: what the experiment calls, what the prediction calls and its p, both changes."""

    real: NDArray[np.bool_]
    said: NDArray[np.bool_]
    p: Floats
    observed: Floats
    predicted: Floats


def _terms(comparison: Comparison, agreement: Callable[[_Calls], float]) -> Terms:
    """Terms of a mean over groups of how far the calls of both sides agree."""
    n_groups = len(comparison.groups)
    values = np.full(n_groups, np.nan)
    if comparison.reference is None:
        reason = "there are no controls to take a change from"
        return mean_terms(values, np.full(n_groups, reason))
    real, said = observed_tested(comparison), predicted_tested(comparison)
    sides = missing(
        control=comparison.reference, observed=comparison.observed, predicted=comparison.predicted
    )
    reasons = np.select([sides != "", real.reasons != ""], [sides, real.reasons], said.reasons)
    is_called = real.significant.any(axis=1)
    reasons = np.where((reasons == "") & ~is_called, NONE_CALLED, reasons)
    observed = change_from(comparison.observed, comparison.reference)
    predicted = change_from(comparison.predicted, comparison.reference)
    for group in np.flatnonzero(reasons == ""):
        values[group] = agreement(
            _Calls(
                real.significant[group],
                said.significant[group],
                said.p[group],
                observed[group],
                predicted[group],
            )
        )
    return mean_terms(values, reasons)


def _overlap(calls: _Calls) -> float:
    n = int(calls.real.sum())
    size = np.abs(calls.predicted)
    order = np.lexsort((-size, ~calls.said))
    last = order[n - 1]
    is_tied = (calls.said == calls.said[last]) & (size == size[last])
    is_above = np.zeros(len(size), bool)
    is_above[order[:n]] = True
    is_above &= ~is_tied
    share = (n - is_above.sum()) / is_tied.sum()
    return float(((calls.real & is_above).sum() + share * (calls.real & is_tied).sum()) / n)


def _is_same_sign(calls: _Calls) -> NDArray[np.bool_]:
    return np.asarray(np.sign(calls.observed) == np.sign(calls.predicted), bool)


def _jaccard(calls: _Calls) -> float:
    shared = calls.real & calls.said & _is_same_sign(calls)
    return float(shared.sum() / (calls.real | calls.said).sum())


def _precision(calls: _Calls) -> float:
    order = np.argsort(calls.p, kind="stable")
    found = np.cumsum((calls.real & _is_same_sign(calls))[order])
    last = np.flatnonzero(np.append(np.diff(calls.p[order]) > 0, True))
    gained = np.diff(found[last] / calls.real.sum(), prepend=0.0)
    return float(np.sum(gained * found[last] / (last + 1)))
