"""What is kept between models is the number that would have been computed."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.metric import Terms
from cellula.evaluation.bootstrap import unit_weights
from cellula.evaluation.metrics.correlation import Pearson
from cellula.evaluation.score import Aggregates, resampled


def moments(seed: int) -> Terms:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
    values = np.column_stack([np.ones(12), x, y, x * x, y * y, x * y])
    return Terms(values, np.full(12, ""), np.zeros(12, np.int64))


@pytest.mark.requirement("E3")
def test_a_second_question_gives_the_same_bytes() -> None:
    metric, terms, unit = Pearson(), moments(0), np.repeat(np.arange(4), 3)
    weights = unit_weights(4, 50, np.random.default_rng(1))
    sums = Aggregates(metric)
    every, some = np.ones(12, bool), np.arange(12) < 9
    for mask in (every, some, every):
        value, values = sums.of(terms, unit, mask, weights)
        assert value == resampled(metric, terms, unit, mask, np.ones((1, 4)))[0]
        np.testing.assert_array_equal(values, resampled(metric, terms, unit, mask, weights))


def test_other_terms_and_other_weights_are_told_apart() -> None:
    unit, mask = np.repeat(np.arange(4), 3), np.ones(12, bool)
    draws = [unit_weights(4, 50, np.random.default_rng(seed)) for seed in (1, 2)]
    sums = Aggregates(Pearson())
    found = {
        sums.of(terms, unit, mask, weights)[1].tobytes()
        for terms in (moments(0), moments(1))
        for weights in draws
    }
    assert len(found) == 4
