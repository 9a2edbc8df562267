"""As many cells as the real population has: of answers made of real profiles, and of any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset, Matrix
from cellula.core.matrix import dense, loaded
from cellula.core.prediction import Population, Prediction
from cellula.evaluation.question import distinct, joint_codes, label_codes

__all__ = ["as_many_cells", "drawn_answer", "is_population", "part_means"]

#: Profiles that are summed together.
BLOCK = 8192


def part_means(profiles: Matrix, part: NDArray[np.int64], n_parts: int) -> NDArray[np.float64]:
    """Means of some parts of the profiles: (n_parts, readouts); 0 for a part without any.

    profiles: (profiles, readouts), dense, CSR or on disk; part: (profiles,) codes. Of few parts of
    many profiles: products with a sparse matrix, block by block in the order of the profiles.
    """
    total = np.zeros((n_parts, profiles.shape[1]))
    for start in range(0, len(part), BLOCK):
        own = part[start : start + BLOCK]
        block = loaded(profiles[start : start + BLOCK])
        shape = (n_parts, len(own))
        sums = sp.csr_matrix((np.ones(len(own)), (own, np.arange(len(own)))), shape=shape) @ block
        total += dense(sums)
    return np.asarray(total / np.maximum(np.bincount(part, minlength=n_parts), 1)[:, None])


def is_population(profiles: Dataset) -> bool:
    """Whether a question of the profiles has more than one of them."""
    keys = profiles.queries().keys()
    return len(np.unique(keys)) < len(keys)


def drawn_answer(asked: Dataset, pool: Dataset, rng: np.random.Generator | None) -> Prediction:
    """The distinct questions of some profiles, answered from the profiles of a pool.

    The mean is that of the pool in the question's context, of the whole pool where the context
    has none of it. The cells are drawn from the same, as many as the question has profiles and
    none twice; no cells without ``rng``, or where no question has two profiles.
    """
    questions = distinct(asked)
    every, rows = joint_codes([asked.queries(), questions])
    size = np.bincount(every, minlength=int(max(every.max(), rows.max())) + 1)[rows]
    (of_question, of_pool), names = label_codes([questions.context, pool.queries().context])
    is_known = np.bincount(of_pool, minlength=len(names)) > 0
    mean = part_means(pool.values, of_pool, len(names))[of_question]
    if not is_known[of_question].all():
        whole = part_means(pool.values, np.zeros(pool.n_profiles, np.int64), 1)
        mean = np.where(is_known[of_question][:, None], mean, whole)
    cells = None
    if rng is not None and size.max(initial=0) > 1:
        candidates = [np.flatnonzero(of_pool == code) for code in range(len(names))]
        drawn = [
            np.sort(rng.permutation(candidates[code] if is_known[code] else len(of_pool))[:number])
            for code, number in zip(of_question, size, strict=True)
        ]
        group = np.repeat(np.arange(len(drawn)), [len(part) for part in drawn])
        cells = Population(pool.values[np.concatenate(drawn)], group)
    return Prediction(
        queries=questions,
        readouts=pool.readouts,
        value_type=pool.value_type,
        mean=mean,
        in_domain=is_known[of_question],
        cells=cells,
    )


def as_many_cells(comparison: Comparison, rng: np.random.Generator) -> Comparison:
    """At most as many predicted as observed cells in every group, drawn where there are more.

    Some distances between populations depend on how many cells there are, and a prediction may
    have any number of them: beside a replicate all are judged by no more than it has.
    """
    observed, predicted = comparison.observed_cells, comparison.predicted_cells
    if observed is None or predicted is None:
        return comparison
    size = np.bincount(observed.group, minlength=len(comparison.groups))
    order = np.lexsort((rng.random(len(predicted.group)), predicted.group))
    start = np.searchsorted(predicted.group, predicted.group[order])
    is_kept = np.arange(len(order)) - start < size[predicted.group[order]]
    if is_kept.all():
        return comparison
    rows = np.sort(order[is_kept])
    return replace(
        comparison, predicted_cells=Population(predicted.values[rows], predicted.group[rows])
    )
