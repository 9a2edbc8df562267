"""Correlation of the predicted with the observed change of gene sets."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.numerals import plural
from cellula.evaluation.metrics.change import centred_change, row_correlation
from cellula.evaluation.metrics.sums import mean_terms, missing, no_terms, ratio

__all__ = ["GeneSetConcordance"]

#: Fewest members of a set among the readouts, and fewest such sets.
MIN_MEMBERS, MIN_SETS = 2, 3

Floats = NDArray[np.float64]


@final
class GeneSetConcordance:
    """Pearson correlation over gene sets of observed with predicted mean changes, -1 to 1.

    Whether the pathways that respond are those that were predicted, whatever gene of them: errors
    that differ between the genes of a set average out. Sets that share genes are not independent,
    and enter as they are. What all perturbations do to the sets earns as much as it does gene by
    gene, so read it beside the mean response; a factor of all changes plays no part, and no change
    has 0.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="gene_set_concordance",
        version=1,
        equation=(
            "mean over groups of the Pearson correlation over gene sets of the mean over members "
            "of (observed - control) with that of (predicted - control); 0 where the predicted "
            "change is the same in all sets"
        ),
        layer="pathway",
        space="gene sets of the comparison",
        genes=f"members of gene sets of which at least {MIN_MEMBERS} are readouts, equal weight",
        control="mean of the real controls of the group's context, on both sides",
        aggregation=f"equal-weight mean over groups; at least {MIN_SETS} sets, an observed change "
        "that varies over sets",
        direction="higher",
        ideal=1.0,
        references=("subramanian2005",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Correlation of the group, and 1."""
        n_groups = len(comparison.groups)
        if comparison.gene_sets is None:
            return no_terms(n_groups, "there are no gene sets; give some in a .gmt file")
        if comparison.reference is None:
            return no_terms(n_groups, "there are no controls to take a change from")
        members = comparison.gene_sets.members
        members = members[members.sum(axis=1) >= MIN_MEMBERS]
        if len(members) < MIN_SETS:
            reason = (
                f"{plural(len(members), 'gene set')} with at least {MIN_MEMBERS} members among "
                f"the readouts, a correlation needs {MIN_SETS}"
            )
            return no_terms(n_groups, reason)
        mean = sp.csr_matrix(members / members.sum(axis=1, keepdims=True))
        observed, predicted, reference = (
            np.asarray((mean @ side.T).T, np.float64)
            for side in (comparison.observed, comparison.predicted, comparison.reference)
        )
        sides = missing(
            control=comparison.reference,
            observed=comparison.observed,
            predicted=comparison.predicted,
        )
        truth = centred_change(observed, reference)
        flat = "the observed change is the same in all gene sets"
        reasons = np.where((sides == "") & ((truth**2).sum(axis=1) == 0), flat, sides)
        values = row_correlation(truth, centred_change(predicted, reference))
        return mean_terms(values, reasons)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])
