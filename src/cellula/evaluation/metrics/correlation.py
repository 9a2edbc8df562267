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
from cellula.evaluation.metrics.moments import MIN_GROUPS, Strata, correlation, moments
from cellula.evaluation.question import labels_of

__all__ = [
    "Pearson",
    "PearsonWithinContext",
    "PearsonWithinPerturbation",
    "Spearman",
    "SpearmanWithinContext",
    "SpearmanWithinPerturbation",
]

Floats = NDArray[np.float64]
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
        return correlation(sums)


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
        return correlation(sums)


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
        return correlation(sums)


@final
class Spearman:
    """Spearman rank correlation [spearman1904]_ over all groups, -1 to 1."""

    definition: ClassVar[MetricDefinition] = _definition("spearman", "", is_ranked=True)

    def terms(self, comparison: Comparison) -> Terms:
        """Moments of the ranks of every group."""
        return _terms(comparison, "", is_ranked=True)

    def finish(self, sums: Floats) -> Floats:
        """Correlation from moments."""
        return correlation(sums)


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
        return correlation(sums)


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
        return correlation(sums)


def _terms(comparison: Comparison, stratum: Stratum, *, is_ranked: bool) -> Terms:
    """Moments within the labels of a stratum, fold by fold; over all groups without a stratum."""
    x, y = comparison.observed, comparison.predicted
    if not stratum:
        whole = Strata(np.zeros(len(x), np.int64), np.array(["the comparison"]))
        return moments(x, y, whole, is_ranked=is_ranked)
    codes, labels = labels_of(comparison.groups[stratum])
    strata = Strata(codes, np.char.add(f"{stratum} ", np.asarray(labels, str)))
    return moments(x, y, strata.within(comparison.fold), is_ranked=is_ranked)
