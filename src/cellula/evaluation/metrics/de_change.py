"""Whether what the experiment calls changes as predicted: direction and order of the changes.

The readouts are those that the observed cells call: see :mod:`cellula.evaluation.metrics.de_table`.
A change is the difference of pseudobulks from the same real controls, in the value type's own
scale (of log1p values: a log fold change). A prediction needs a mean only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.change import change_from
from cellula.evaluation.metrics.de_table import CALLED, CONTROL, NONE_CALLED, observed_tested
from cellula.evaluation.metrics.sums import mean_terms, missing, ratio

__all__ = ["DeDirection", "DeSpearman"]

#: Fewest called readouts of a rank correlation: two points always correlate perfectly.
MIN_READOUTS = 3

Floats = NDArray[np.float64]


def _definition(
    name: str, equation: str, needs: str, references: tuple[str, ...]
) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        version=1,
        equation=equation,
        layer="gene",
        space="readouts",
        genes=CALLED,
        control=CONTROL,
        aggregation=f"equal-weight mean over groups with {needs}",
        direction="higher",
        ideal=1.0,
        references=(*references, "mann1947", "benjamini1995"),
        needs_cells=True,
    )


@final
class DeDirection:
    """Share of the called readouts that are predicted to change in the right direction, 0 to 1.

    No predicted change counts half, as a guess would. An answer that moves everything the way that
    most readouts go scores well where responses are one-sided: read it beside the mean response.
    A factor of all changes plays no part.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "de_direction",
        "mean over groups of the share of called readouts with sign(predicted - control) = "
        "sign(observed - control), no predicted change counted half, no observed change left out",
        "a called readout whose observed mean changes",
        (),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Share of right directions of the group, and 1."""
        return _terms(comparison, _direction, "the means of the called readouts do not change")

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class DeSpearman:
    """Spearman correlation [spearman1904]_ of changes over the called readouts, -1 to 1.

    Of log1p values: of log fold changes. An answer that changes all readouts alike has 0. A factor
    of all changes plays no part.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "de_spearman",
        "mean over groups of the Pearson correlation over called readouts of average ranks of "
        "(observed - control) with those of (predicted - control); 0 where the predicted changes "
        "are all equal",
        f"at least {MIN_READOUTS} called readouts whose observed changes differ",
        ("spearman1904",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Rank correlation of the group, and 1."""
        few = f"fewer than {MIN_READOUTS} called readouts, or their observed changes are equal"
        return _terms(comparison, _spearman, few)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _terms(
    comparison: Comparison, agreement: Callable[[Floats, Floats], float], empty: str
) -> Terms:
    """Terms of a mean over groups of the agreement of observed with predicted changes.

    agreement: from the observed changes of all readouts, NaN in those that are not called, and the
    predicted ones; NaN where the called readouts give no value, whose reason is ``empty``.
    """
    n_groups = len(comparison.groups)
    values = np.full(n_groups, np.nan)
    if comparison.reference is None:
        reason = "there are no controls to take a change from"
        return mean_terms(values, np.full(n_groups, reason))
    tested = observed_tested(comparison)
    observed = change_from(comparison.observed, comparison.reference)
    predicted = change_from(comparison.predicted, comparison.reference)
    sides = missing(
        control=comparison.reference,
        observed=comparison.observed,
        predicted=comparison.predicted,
    )
    reasons = np.where(sides == "", tested.reasons, sides)
    reasons = np.where((reasons == "") & ~tested.significant.any(axis=1), NONE_CALLED, reasons)
    for group in np.flatnonzero(reasons == ""):
        called = np.where(tested.significant[group], observed[group], np.nan)
        values[group] = agreement(called, predicted[group])
    return mean_terms(values, np.where((reasons == "") & np.isnan(values), empty, reasons))


def _direction(called: Floats, predicted: Floats) -> float:
    truth, said = np.sign(np.nan_to_num(called)), np.sign(predicted)
    has = truth != 0
    if not has.any():
        return float("nan")
    return float(np.mean(np.where(said[has] == 0, 0.5, said[has] == truth[has])))


def _spearman(called: Floats, predicted: Floats) -> float:
    is_called = ~np.isnan(called)
    if is_called.sum() < MIN_READOUTS:
        return float("nan")
    x, y = (rankdata(side[is_called]) - (is_called.sum() + 1) / 2 for side in (called, predicted))
    if not x.any():
        return float("nan")
    both = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / both, -1.0, 1.0)) if both > 0 else 0.0
