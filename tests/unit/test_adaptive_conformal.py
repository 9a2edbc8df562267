"""Intervals that look at the question: their level holds where it is said to hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import conformal_example as example
import numpy as np
import pandas as pd
import pytest

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.evaluation.uncertainty.difficulty import difficulty_of
from cellula.evaluation.uncertainty.question_distance import QuestionDistance

SEEDS = {30: 40, 100: 16, 300: 6}
#: What is asked of coverage over held-out units.
LOW, HIGH = 0.87, 0.935


def calibrated(
    n_units: int, seed: int, run: RunContext, options: dict[str, Any], fitted: Any = None
) -> tuple[Any, np.random.Generator]:
    """A method calibrated on n units, and a stream for new ones."""
    rng = np.random.default_rng(seed)
    train = example.units(40, rng, start=1000, farthest=0.1)
    data = example.units(n_units, rng)
    inner = fitted or example.Zero()
    method = registry.create("uncertainty", "adaptive_conformal", options)
    held = example.held_out(data, run, inner)
    return method.calibrate_on(inner, held, "perturbation", QuestionDistance.of(train)), rng


def coverage(n_units: int, run: RunContext, options: dict[str, Any], *, joint: bool = False) -> Any:
    """Mean coverage of new units and that of the nearer and the farther half of questions."""
    found = []
    for seed in range(SEEDS[n_units]):
        fitted, rng = calibrated(n_units, seed, run, options)
        new = example.held_out(example.units(150, rng, start=5000), run, fitted)
        inside = example.is_inside(new)
        held = inside.all(axis=1) if joint else inside.mean(axis=1)
        far = new.groups["dose_molar"].to_numpy() > 1e-6 * 10**1.5
        found.append((held.mean(), held[~far].mean(), held[far].mean()))
    return np.mean(found, axis=0)


@pytest.mark.requirement("E10", "B1")
@pytest.mark.parametrize("n_units", SEEDS)
@pytest.mark.parametrize("difficulty", ["none", "spread", "distance", "estimated"])
def test_new_units_are_covered(n_units: int, difficulty: str, run: RunContext) -> None:
    overall, near, far = coverage(n_units, run, {"difficulty": difficulty})
    assert LOW <= overall <= HIGH
    if difficulty != "none":
        assert min(near, far) >= 0.85
    else:  # the fault that a difficulty mends
        assert near > 0.95
        assert far < 0.88


@pytest.mark.requirement("E10", "B1")
@pytest.mark.parametrize("n_units", SEEDS)
def test_every_stratum_of_distance_is_covered(n_units: int, run: RunContext) -> None:
    overall, near, far = coverage(n_units, run, {"strata": 2})
    assert LOW <= overall <= 0.95
    assert 0.86 <= near <= 0.965
    assert 0.85 <= far <= 0.95


@pytest.mark.requirement("E10")
@pytest.mark.parametrize("n_units", SEEDS)
@pytest.mark.parametrize("difficulty", ["none", "spread"])
def test_a_band_holds_all_readouts_at_once(n_units: int, difficulty: str, run: RunContext) -> None:
    options = {"band": True, "difficulty": difficulty}
    assert LOW <= coverage(n_units, run, options, joint=True)[0] <= HIGH
    marginal = {"band": False, "difficulty": difficulty}
    assert coverage(n_units, run, marginal, joint=True)[0] < 0.8


def test_a_difficulty_gives_narrower_intervals_of_the_same_level(run: RunContext) -> None:
    widths = {}
    for difficulty in ("none", "spread"):
        fitted, rng = calibrated(300, 0, run, {"difficulty": difficulty})
        new = example.held_out(example.units(200, rng, start=5000), run, fitted)
        widths[difficulty] = float(np.mean(new.upper - new.lower))
    assert widths["spread"] < 0.9 * widths["none"]


@pytest.mark.parametrize(("n_units", "strata"), [(60, 4), (30, 4), (20, 3), (9, 1)])
def test_bins_are_as_many_as_units_allow(n_units: int, strata: int, run: RunContext) -> None:
    fitted, _ = calibrated(n_units, 1, run, {"strata": 4})
    assert len(fitted.limits) + 1 == strata
    assert min(fitted.n_units) >= 9
    assert fitted.half_width.shape == (len(fitted.limits) + 1, len(example.READOUTS))
    assert np.isfinite(fitted.half_width).all()


def test_eight_units_give_no_interval(run: RunContext) -> None:
    fitted, rng = calibrated(8, 0, run, {"strata": 2, "difficulty": "spread", "band": True})
    (answer,) = fitted.predict(example.units(5, rng).queries(), None, run)
    assert answer.lower is None
    assert fitted.reason == "8 calibration unit(s) of perturbation; an interval of 90% needs 9"


def test_the_scale_of_a_unit_is_estimated_without_it(run: RunContext) -> None:
    """An error of one unit moves the difficulty of all others, not its own."""
    held = example.held_out(example.units(40, np.random.default_rng(0)), run)
    residual = np.random.default_rng(1).uniform(0.5, 2.0, (len(held.unit), 1))
    far = np.log10(held.groups["dose_molar"].to_numpy()) + 6
    grown = np.where((held.unit == 3)[:, None], 50 * residual, residual)
    _, before = difficulty_of("distance", held, residual, far)
    _, after = difficulty_of("distance", held, grown, far)
    # up to the clipping, a common factor of all others moves the intercept alone
    np.testing.assert_allclose(before[held.unit == 3], after[held.unit == 3], rtol=1e-9)
    assert not np.allclose(before[held.unit != 3], after[held.unit != 3])


@pytest.mark.parametrize(
    "options",
    [
        {"difficulty": "spread"},
        {"difficulty": "distance", "strata": 2},
        {"difficulty": "estimated"},
        {"band": True, "strata": 3},
    ],
)
def test_state_restores_equal_intervals(options: dict[str, Any], run: RunContext) -> None:
    fitted, rng = calibrated(60, 0, run, options)
    method = registry.create("uncertainty", "adaptive_conformal", options)
    again = method.restore(fitted.state(), example.ZeroModel(Options()))
    queries = example.units(20, rng).queries()
    one, two = (next(part.predict(queries, None, run)) for part in (fitted, again))
    np.testing.assert_array_equal(one.lower, two.lower)
    np.testing.assert_array_equal(one.upper, two.upper)
    assert again.n_units == fitted.n_units


def test_an_answer_does_not_depend_on_the_other_questions(run: RunContext) -> None:
    fitted, rng = calibrated(60, 0, run, {"difficulty": "distance", "strata": 2})
    queries = example.units(20, rng).queries()
    (whole,) = fitted.predict(queries, None, run)
    (one,) = fitted.predict(queries.take(slice(7, 8)), None, run)
    np.testing.assert_array_equal(whole.upper[7:8], one.upper)


def test_what_is_missing_is_named(run: RunContext) -> None:
    data = example.units(20, np.random.default_rng(0))
    silent = example.Zero(has_spread=False)
    held = example.held_out(data, run, silent)
    method = registry.create("uncertainty", "adaptive_conformal", {"difficulty": "spread"})
    with pytest.raises(DataError, match="no interval of its own"):
        method.calibrate_on(silent, held, "perturbation")
    method = registry.create("uncertainty", "adaptive_conformal", {"strata": 2})
    with pytest.raises(DataError, match=r"QuestionDistance\.of"):
        method.calibrate_on(silent, held, "perturbation")
    several = example.held_out(data, run)
    several = replace(several, fold=np.arange(len(several.unit)) % 2)
    with pytest.raises(DataError, match="spread of 2 fits"):
        registry.create("uncertainty", "adaptive_conformal", {"difficulty": "spread"}).calibrate_on(
            silent, several, "perturbation"
        )
    flat = replace(held, lower=held.predicted, upper=held.predicted)
    method = registry.create("uncertainty", "adaptive_conformal", {"difficulty": "spread"})
    with pytest.raises(DataError, match="no width"):
        method.calibrate_on(silent, flat, "perturbation")


def test_distances_by_feature_by_name_and_by_dose() -> None:
    train = example.units(12, np.random.default_rng(0), farthest=0.5)
    distance = QuestionDistance.of(train)
    asked = QueryTable.of(
        ["d0", "d0", "new", "new"], ["x", "y", "x", "x"], dose_molar=[1e-6, 1e-6, 1e-6, 1e-3]
    )
    near, other, new, far = distance.at(asked)
    assert near < other
    assert new < far
    again = QuestionDistance.restore(distance.state().arrays, distance.state().meta)
    np.testing.assert_array_equal(again.at(asked), distance.at(asked))


def test_a_band_over_many_readouts_of_few_units(run: RunContext) -> None:
    """A readout's scale is taken without the unit that it judges, else errors look ordinary."""
    covered = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n, readouts = 30, tuple(f"r{i}" for i in range(150))
        held = Comparison(
            groups=pd.DataFrame({"perturbation": [f"p{i}" for i in range(n)], "context": "x"}),
            unit=np.arange(n),
            units=tuple(f"p{i}" for i in range(n)),
            readouts=readouts,
            observed=rng.standard_t(2, size=(n, len(readouts))),
            predicted=np.zeros((n, len(readouts))),
        )
        method = registry.create("uncertainty", "adaptive_conformal", {"band": True})
        fitted = method.calibrate_on(example.Zero(), held, "perturbation")
        new = np.abs(rng.standard_t(2, size=(300, len(readouts))))
        covered.append((new <= fitted.half_width[0]).all(axis=1).mean())
    assert 0.87 <= np.mean(covered) <= 0.94


def test_beyond_the_doses_of_calibration_the_line_is_flat(run: RunContext) -> None:
    """A dose a million times higher gets the width of the highest that was seen, not more."""
    fitted, _ = calibrated(100, 0, run, {"difficulty": "estimated"})
    line = fitted.difficulty
    highest = line.most.copy()
    beyond = highest + 6.0
    assert line.told_by(beyond[None]) == pytest.approx(line.told_by(highest[None]))
    assert line.told_by(highest[None])[0] > 1.5 * line.told_by(line.centre[None])[0]
