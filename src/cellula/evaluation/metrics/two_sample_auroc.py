"""Can a classifier tell predicted from real cells?"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from cellula.core.comparison import Comparison
from cellula.core.matrix import dense
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import Sample, population_terms
from cellula.evaluation.metrics.sums import ratio

__all__ = ["FEWEST", "TwoSampleAuroc", "separability"]

#: Most components that the classifier sees, parts of the cross-validation, fewest cells a side.
COMPONENTS, PARTS, FEWEST = 50, 3, 6
#: Components with less of the variance of the first are rounding.
SMALLEST = 1e-12

Floats = NDArray[np.float64]


@final
class TwoSampleAuroc:
    """Area under the ROC of a classifier that tells predicted from real cells [lopezpaz2017]_.

    .5: it cannot, 1: it always can. Any difference counts: of means, spread, zeros, or a cell
    that was copied.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="two_sample_auroc",
        version=1,
        equation=(
            "mean over groups of the area under the ROC of logistic regression (L2, C = 1) on at "
            f"most {COMPONENTS} standardised principal components of all cells of the group, "
            f"scores of {PARTS} held-out parts, ranked within their part"
        ),
        layer="cell",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space",
        control="none",
        aggregation=f"equal-weight mean over groups with at least {FEWEST} cells on each side",
        direction="target",
        ideal=0.5,
        references=("lopezpaz2017",),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """AUROC of the group, and 1."""
        return population_terms(comparison, _separability, min_cells=FEWEST)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _separability(x: Sample, y: Sample) -> float:
    return separability(dense(x.cells), dense(y.cells))


def separability(x: Floats, y: Floats) -> float:
    """Area under the ROC, held out, of a classifier that tells x (n, d) from y (m, d).

    At least 6 rows each; .5 where all are equal. See :class:`TwoSampleAuroc`.
    """
    scores = _scores(np.concatenate([x, y]))
    if not scores.shape[1]:
        return 0.5  # all cells are equal
    side = np.repeat([0, 1], [len(x), len(y)])
    part = np.concatenate([_parts(scores[side == label]) for label in (0, 1)])
    areas = [_area(scores, side, part == number) for number in range(PARTS)]
    return float(np.mean(areas))


def _scores(cells: Floats) -> Floats:
    """Standardised principal components of the cells: (cells, at most COMPONENTS)."""
    centred = cells - cells.mean(axis=0)
    n, d = centred.shape
    gram = centred @ centred.T if n <= d else centred.T @ centred
    last = len(gram) - 1
    size, vectors = eigh(gram, subset_by_index=[max(last - COMPONENTS + 1, 0), last])
    kept = size > max(float(size[-1]), 0.0) * SMALLEST if size[-1] > 0 else size > 0
    size, vectors = size[kept][::-1], vectors[:, kept][:, ::-1]
    left = vectors if n <= d else centred @ vectors / np.sqrt(size)
    return np.asarray(left * np.sqrt(n), np.float64)


def _parts(scores: Floats) -> NDArray[np.int64]:
    """The part of every cell of one side: dealt along the first component, so that neither the
    order of the cells nor chance decides.
    """
    rank = np.argsort(np.argsort(np.abs(scores[:, 0]), kind="stable"), kind="stable")
    return np.asarray(rank % PARTS, np.int64)


def _area(scores: Floats, side: NDArray[np.int64], held: NDArray[np.bool_]) -> float:
    """Area under the ROC on a part, by a classifier fitted on the others."""
    model = LogisticRegression(max_iter=1000).fit(scores[~held], side[~held])
    told, truth = model.decision_function(scores[held]), side[held]
    n_positive = int(truth.sum())
    ranks = rankdata(np.round(told, 9))[truth == 1].sum() - n_positive * (n_positive + 1) / 2
    return float(ranks / (n_positive * (len(truth) - n_positive)))
