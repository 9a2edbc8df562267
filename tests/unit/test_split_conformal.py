"""Split-conformal intervals: coverage on new units, and what they do without enough units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Fitted, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import compare
from cellula.evaluation.metrics.interval import Coverage, IntervalWidth
from cellula.evaluation.score import score
from cellula.evaluation.uncertainty.split_conformal import ConformalFitted, unit_quantile

READOUTS = ("a", "b")


@dataclass(frozen=True)
class Constant:
    """Predicts one value for everything."""

    value: float = 0.0
    value_type: ValueType = ValueType.LN_IC50

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        for batch in queries.batches(50):
            mean = np.full((len(batch), 2), self.value)
            yield Prediction(batch, READOUTS, self.value_type, mean, np.ones(len(batch), bool))

    def state(self) -> State:
        return State({"value": np.array([self.value])}, {"kind": "constant"})


class ConstantModel:
    """Restores :class:`Constant`."""

    name: ClassVar[str] = "constant"
    options_type: ClassVar[type[Options]] = Options
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind))
    references: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Any) -> None:
        self.options = options

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> Fitted:
        return Constant()

    def restore(self, state: State) -> Fitted:
        assert state.meta == {"kind": "constant"}
        return Constant(float(state.arrays["value"][0]))


def _units(n_units: int, rng: np.random.Generator, spread: tuple[float, ...] = (1.0,)) -> Dataset:
    """Exchangeable units: a large effect of the unit, little noise within it.

    Every unit has the same perturbations, of the given spreads, each in a random number of
    profiles; ``profile`` numbers the profiles, as if each were a unit.
    """
    rows: list[tuple[str, str]] = []
    values: list[NDArray[np.float64]] = []
    for unit in range(n_units):
        effect = rng.normal(size=2)
        for number, sigma in enumerate(spread):
            for _ in range(int(rng.pareto(1.0) + 1.0) % 60 + 1):
                rows.append((f"P{number}", f"u{unit}"))
                values.append(sigma * (effect + 0.1 * rng.normal(size=2)))
    obs = pd.DataFrame(rows, columns=["perturbation", "donor"])
    obs["context"], obs["replicate"] = "x", [f"r{i}" for i in range(len(obs))]
    obs.index = [f"s{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=list(READOUTS))
    return Dataset(AnnData(np.array(values), obs, var), ValueType.LN_IC50)


def _calibrated(
    data: Dataset, run: RunContext, unit: str = "donor", difficulty: str = "none"
) -> ConformalFitted:
    method = registry.create("uncertainty", "split_conformal", {"difficulty": difficulty})
    found = method.calibrate(Constant(), data, None, unit, run)
    assert isinstance(found, ConformalFitted)
    return found


def _coverage(fitted: Fitted, data: Dataset, run: RunContext) -> tuple[float, float]:
    answers = fitted.predict(data.queries(), None, run)
    compared = compare(data, answers, controls=None, unit="donor")
    return score(Coverage(), compared).value, score(IntervalWidth(), compared).value


def _mean_coverage(run: RunContext, unit: str, n_seeds: int = 100) -> float:
    found = []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        fitted = _calibrated(_units(11, rng), run, unit)
        found.append(_coverage(fitted, _units(60, rng), run)[0])
    return float(np.mean(found))


@pytest.mark.requirement("L2")
def test_new_units_are_covered(run: RunContext) -> None:
    assert 0.88 <= _mean_coverage(run, "donor") <= 0.93


def test_profiles_as_units_cover_too_little(run: RunContext) -> None:
    """The fault that the weights of units prevent."""
    assert _mean_coverage(run, "replicate") < 0.87


@pytest.mark.parametrize("n_units", [8, 9])
def test_nine_units_are_needed_for_ninety_percent(n_units: int, run: RunContext) -> None:
    data = _units(n_units, np.random.default_rng(0))
    fitted = _calibrated(data, run)
    (answer,) = fitted.predict(data.queries().take(slice(0, 5)), None, run)
    if n_units == 8:
        assert answer.lower is None
        assert fitted.half_width is None
        assert fitted.reason == "8 calibration unit(s) of donor; an interval of 90% needs 9"
    else:
        assert answer.lower is not None
        assert fitted.half_width is not None
        assert fitted.reason == ""
        means = compare(data, Constant().predict(data.queries(), None, run), controls=None,
                        unit="donor").observed  # fmt: skip
        np.testing.assert_allclose(fitted.half_width, np.abs(means).max(axis=0))


def test_quantile_weighs_units_not_groups() -> None:
    """One unit of 1,000 large scores is one of ten; its weight is 1/11."""
    scores = np.r_[np.full(1000, 9.0), np.arange(1.0, 10.0)][:, None]
    unit = np.r_[np.zeros(1000, np.int64), np.arange(1, 10)]
    assert unit_quantile(scores, unit, 0.8)[0] == 9.0
    assert unit_quantile(scores, unit, 0.7)[0] == 8.0
    assert unit_quantile(scores, np.arange(1009), 0.1)[0] == 9.0
    assert unit_quantile(scores, unit, 0.95)[0] == np.inf


def test_hard_perturbations_get_wider_intervals(run: RunContext) -> None:
    spread = (0.2, 0.2, 3.0)
    rng = np.random.default_rng(3)
    data, new = _units(60, rng, spread), _units(300, rng, spread)
    plain, scaled = (_calibrated(data, run, difficulty=d) for d in ("none", "perturbation"))
    assert set(scaled.scales) == {"P0", "P1", "P2"}
    assert scaled.scales["P2"] > 1.5 > 1.0 > scaled.scales["P0"]
    cover_plain, width_plain = _coverage(plain, new, run)
    cover_scaled, width_scaled = _coverage(scaled, new, run)
    assert 0.85 <= cover_scaled <= 0.95
    assert 0.85 <= cover_plain <= 0.95
    hard = new.take((new.obs["perturbation"] == "P2").to_numpy())
    assert _coverage(scaled, hard, run)[0] > _coverage(plain, hard, run)[0] + 0.05
    assert _coverage(scaled, hard, run)[0] > 0.8
    assert width_scaled > 0
    assert width_plain > 0


def test_few_groups_keep_the_common_scale(run: RunContext) -> None:
    fitted = _calibrated(
        _units(15, np.random.default_rng(0), (0.2, 3.0)), run, "donor", "perturbation"
    )
    assert fitted.scales == {}


def test_bounds_respect_the_value_type(run: RunContext) -> None:
    fitted = ConformalFitted(
        Constant(0.5, ValueType.LOG1P), READOUTS, 0.9, np.array([1.0, 0.2]), {}, 20
    )
    (answer,) = fitted.predict(QueryTable.of(["P"], ["x"]), None, run)
    assert answer.lower is not None
    assert answer.upper is not None
    np.testing.assert_allclose(answer.lower, [[0.0, 0.3]])
    np.testing.assert_allclose(answer.upper, [[1.5, 0.7]])


@pytest.mark.parametrize("n_units", [4, 30])
def test_state_restores_equal_predictions(n_units: int, run: RunContext) -> None:
    data = _units(n_units, np.random.default_rng(0), (0.2, 3.0))
    fitted = _calibrated(data, run, difficulty="perturbation")
    method = registry.create("uncertainty", "split_conformal", {})
    again = method.restore(fitted.state(), ConstantModel(Options()))
    one, two = (next(part.predict(data.queries(), None, run)) for part in (fitted, again))
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_equal(one.lower, two.lower)
    assert again.reason == fitted.reason
    assert isinstance(again, Fitted)


def test_residuals_that_are_already_there_serve_as_well(run: RunContext) -> None:
    data = _units(20, np.random.default_rng(0))
    held_out = compare(
        data, Constant().predict(data.queries(), None, run), controls=None, unit="donor"
    )
    method = registry.create("uncertainty", "split_conformal", {})
    again = method.calibrate_on(Constant(), held_out, "donor")
    np.testing.assert_array_equal(again.half_width, _calibrated(data, run).half_width)
