"""Answers made of real profiles: drawn from a pool, as many as the question has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.prediction import Population, Prediction
from cellula.evaluation.comparison import group_means
from cellula.evaluation.question import distinct, joint_codes, label_codes

__all__ = ["drawn_answer", "is_population"]

Codes = NDArray[np.int64]


def is_population(real: Dataset) -> bool:
    """Whether a question of the treated profiles has more than one of them."""
    keys = real.treated.queries().keys()
    return len(np.unique(keys)) < len(keys)


def drawn_answer(
    real: Dataset, asked: Codes, pool: Codes, rng: np.random.Generator | None
) -> Prediction:
    """The distinct questions of the profiles ``asked``, answered from the profiles ``pool``.

    The mean is that of the pool in the question's context, of the whole pool where the context
    has none of it. The cells are drawn from the same, as many as the question has profiles and
    none twice; no cells without ``rng``, or where a question has one profile at most.
    """
    profiles = real.take(asked)
    questions = distinct(profiles)
    every, rows = joint_codes([profiles.queries(), questions])
    size = np.bincount(every, minlength=int(max(every.max(), rows.max())) + 1)[rows]
    (of_question, of_pool), names = label_codes(
        [questions.context, real.take(pool).queries().context]
    )
    is_known = np.bincount(of_pool, minlength=len(names)) > 0
    means = group_means(real.values[pool], of_pool, len(names))
    whole = group_means(real.values[pool], np.zeros(len(pool), np.int64), 1)
    mean = np.where(is_known[of_question][:, None], means[of_question], whole)
    return Prediction(
        queries=questions,
        readouts=real.readouts,
        value_type=real.value_type,
        mean=mean,
        in_domain=is_known[of_question],
        cells=None
        if rng is None or size.max(initial=0) < 2
        else _cells(real, pool, of_pool, of_question, size, rng),
    )


def _cells(
    real: Dataset,
    pool: Codes,
    of_pool: Codes,
    of_question: Codes,
    size: Codes,
    rng: np.random.Generator,
) -> Population:
    drawn = []
    for context, number in zip(of_question, size, strict=True):
        own = pool[of_pool == context]
        candidates = own if len(own) else pool
        drawn.append(np.sort(rng.permutation(candidates)[:number]))
    group = np.repeat(np.arange(len(drawn)), [len(rows) for rows in drawn])
    return Population(real.values[np.concatenate(drawn)], group)
