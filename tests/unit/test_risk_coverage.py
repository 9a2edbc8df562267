"""Risk against coverage, and abstention: doubt that knows lowers the error, another does not."""

from __future__ import annotations

import math

import conformal_example as example
import numpy as np
import pytest

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.evaluation.risk_coverage import abstention_gain, group_errors, risk_coverage
from cellula.evaluation.uncertainty.abstention import group_doubt
from cellula.evaluation.uncertainty.question_distance import QuestionDistance


def test_the_curve_of_a_worked_example() -> None:
    """Errors 1, 4, 9, 16 in four units, the second and third in doubt the wrong way round."""
    error, doubt = np.array([1.0, 9.0, 4.0, 16.0]), np.arange(4.0)
    found = risk_coverage(error, doubt, np.arange(4))
    np.testing.assert_allclose(found.kept, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(found.risk**2, [1.0, 5.0, 14 / 3, 7.5])
    np.testing.assert_allclose(found.best**2, [1.0, 2.5, 14 / 3, 7.5])
    assert found.area == pytest.approx(found.risk.mean())
    assert 0 < found.excess < 1
    assert list(found.frame().columns) == ["kept", "risk", "best"]


def test_the_best_doubt_the_worst_and_none() -> None:
    error = np.random.default_rng(0).exponential(size=400)
    unit = np.arange(400)
    assert risk_coverage(error, error, unit).excess == pytest.approx(0.0)
    assert risk_coverage(error, np.zeros(400), unit).excess == pytest.approx(1.0)
    assert risk_coverage(error, -error, unit).excess > 1.0
    shuffled = np.random.default_rng(1).permutation(error)
    assert risk_coverage(error, shuffled, unit).excess == pytest.approx(1.0, abs=0.25)
    assert math.isnan(risk_coverage(np.ones(3), np.arange(3.0), np.arange(3)).excess)


def test_a_unit_weighs_the_same_however_many_groups_it_has() -> None:
    error = np.r_[np.full(98, 4.0), 1.0]
    unit = np.r_[np.zeros(98, np.int64), 1]
    found = risk_coverage(error, np.zeros(99), unit)
    assert found.risk[-1] ** 2 == pytest.approx(2.5)


@pytest.mark.requirement("B1", "E10")
@pytest.mark.parametrize("by", ["distance", "spread", "estimated"])
def test_declining_the_doubtful_fifth_lowers_the_error(by: str, run: RunContext) -> None:
    rng = np.random.default_rng(0)
    train = example.units(40, rng, start=1000, farthest=0.1)
    distance = QuestionDistance.of(train) if by != "spread" else None
    held = example.held_out(example.units(200, rng), run)
    method = registry.create("uncertainty", "abstention", {"by": by})
    fitted = method.calibrate_on(example.Zero(), held, distance)
    new = example.units(300, rng, start=5000)
    found = example.held_out(new, run)
    doubt = np.concatenate(
        [fitted.doubt(part) for part in example.Zero().predict(found_queries(found), None, run)]
    )
    if by != "estimated":
        np.testing.assert_array_equal(doubt, group_doubt(found, distance))
    gain = abstention_gain(group_errors(found), doubt, found.unit, 0.2, rng)
    assert gain.lower > 0.1
    assert gain.kept < gain.whole
    assert gain.n_units == 300
    # the threshold that was learned declines about as much of new questions
    inside = np.concatenate([part.in_domain for part in fitted.predict(new.queries(), None, run)])
    assert 0.72 <= inside.mean() <= 0.88
    # doubt that knows nothing gains nothing
    idle = abstention_gain(group_errors(found), rng.random(len(doubt)), found.unit, 0.2, rng)
    assert idle.lower < 0 < idle.upper


def found_queries(found: Comparison) -> QueryTable:
    """The questions of groups."""
    return QueryTable.from_frame(found.groups)


def test_one_doubt_for_all_declines_nothing(run: RunContext) -> None:
    gain = abstention_gain(np.ones(5), np.ones(5), np.arange(5), 0.2, run.rng)
    assert math.isnan(gain.value)
    assert "1 different doubt" in gain.reason


def test_an_abstaining_model_is_restored_and_none_comes_back_into_domain(run: RunContext) -> None:
    rng = np.random.default_rng(0)
    held = example.held_out(example.units(60, rng), run)
    distance = QuestionDistance.of(example.units(40, rng, start=1000))
    for by in ("distance", "spread", "estimated"):
        method = registry.create("uncertainty", "abstention", {"by": by})
        fitted = method.calibrate_on(example.Zero(), held, distance)
        again = method.restore(fitted.state(), example.ZeroModel(Options()))
        queries = example.units(50, rng, start=100).queries()
        for one, two in zip(
            fitted.predict(queries, None, run), again.predict(queries, None, run), strict=True
        ):
            np.testing.assert_array_equal(one.in_domain, two.in_domain)


def test_what_is_missing_is_named(run: RunContext) -> None:
    silent = example.Zero(has_spread=False)
    held = example.held_out(example.units(20, np.random.default_rng(0)), run, silent)
    with pytest.raises(DataError, match=r"QuestionDistance\.of"):
        registry.create("uncertainty", "abstention", {}).calibrate_on(silent, held)
    with pytest.raises(DataError, match="no interval of its own"):
        registry.create("uncertainty", "abstention", {"by": "spread"}).calibrate_on(silent, held)
    with pytest.raises(DataError, match="expected one of each"):
        risk_coverage(np.ones(2), np.ones(3), np.arange(2))
