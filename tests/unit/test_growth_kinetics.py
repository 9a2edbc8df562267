"""Kinetics of growth under drugs: the equations, their fit, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.integrate import solve_ivp

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.mechanistic.growth_kinetics import GrowthKinetics, GrowthKineticsOptions
from cellula.models.mechanistic.growth_rates import growth_change, growth_sensitivities
from growth_example import DIVISION, DOSES, HOURS, PLANTED, RATE, growth, held_out

OPTIONS = GrowthKineticsOptions(hours=HOURS)


def answers(data: Dataset, asked: Dataset, run: RunContext, **more: object) -> np.ndarray:
    model = GrowthKinetics(OPTIONS.model_copy(update=more))
    fitted = model.fit(data, None, run)
    return np.concatenate([b.mean for b in fitted.predict(asked.queries(), data.controls, run)])


def test_the_change_is_the_integral_of_the_rates() -> None:
    p, dose, b = PLANTED["toxic"], -7.2, 0.03
    hill = [1 / (1 + (10 ** p[at] / 10**dose) ** np.exp(p[at + 1])) for at in (1, 4)]
    lost = b * p[0] * hill[0] + np.exp(p[3]) * hill[1]
    solved = solve_ivp(
        lambda t, x: [-lost * (1 - np.exp(-np.exp(p[6]) * t))], (0, 72), [0.0], rtol=1e-10
    )
    told = growth_change(p, np.array([dose, dose]), np.array([b, b]), np.array([72.0, np.inf]))
    assert np.allclose(told, [solved.y[0, -1], -lost], rtol=1e-6)


def test_the_derivatives_are_those_of_differences() -> None:
    rng = np.random.default_rng(0)
    dose, rate = rng.uniform(-10, -6, 5), rng.uniform(0.01, 0.05, 5)
    hours = np.array([12.0, 24.0, 48.0, 72.0, np.inf])
    p = PLANTED["toxic"]
    _, told = growth_sensitivities(p, dose, rate, hours)
    for place in range(len(p)):
        step = np.zeros(len(p))
        step[place] = 1e-6
        up, down = (growth_change(p + s * step, dose, rate, hours) for s in (1, -1))
        assert np.allclose(told[:, place], (up - down) / 2e-6, atol=1e-8)


@pytest.mark.requirement("A5", "kinetics of growth are fitted and answer doses never tried")
def test_a_dose_never_tried_is_answered(run: RunContext) -> None:
    known, asked = held_out(growth(noise=0.05, wells=4), DOSES[4])
    truth = held_out(growth(), DOSES[4])[1]
    error = answers(known, truth, run) - truth.dense()
    assert np.sqrt(np.mean(error**2)) < 0.06
    assert np.std(asked.dense() - asked.dense().mean(axis=0)) > 0.3


def test_an_unmeasured_line_has_its_own_division(run: RunContext) -> None:
    data = growth(noise=0.02)
    is_pair = (data.labels("perturbation") == "toxic") & (data.labels("context") == "fast")
    known, asked = data.take(~np.asarray(is_pair)), growth().take(np.asarray(is_pair))
    fitted = GrowthKinetics(OPTIONS).fit(known, None, run)
    (told,) = fitted.predict(asked.queries(), data.controls, run)
    assert np.sqrt(np.mean((told.mean - asked.dense()) ** 2)) < 0.15
    assert not told.in_domain.any()


def test_a_rate_is_a_readout_too(run: RunContext) -> None:
    known, asked = held_out(growth(has_rate=True), DOSES[3])
    told = answers(known, asked, run, rates=(RATE,))
    assert np.abs(told - asked.dense())[:, 3].max() < 0.002


def test_a_dose_beyond_those_tried_is_out_of_domain(run: RunContext) -> None:
    known, asked = held_out(growth(), DOSES[-1])
    fitted = GrowthKinetics(OPTIONS).fit(known, None, run)
    (outside,) = fitted.predict(asked.queries(), None, run)
    (inside,) = fitted.predict(known.treated.queries(), None, run)
    assert not outside.in_domain.any()
    assert inside.in_domain.all()


def test_shrinkage_is_tuned(run: RunContext) -> None:
    data = growth(noise=0.3)
    train, valid = held_out(data, DOSES[3])
    one = GrowthKinetics(OPTIONS).fit(train, valid, run)
    two = GrowthKinetics(OPTIONS.model_copy(update={"shrinkage": 1.0})).fit(train, valid, run)
    assert np.array_equal(one.parameters.values, two.parameters.values)


def test_what_cannot_be_fitted_is_named(run: RunContext) -> None:
    data = growth()
    model = GrowthKinetics(OPTIONS)
    with pytest.raises(DataError, match="no control"):
        model.fit(data.treated, None, run)
    with pytest.raises(DataError, match=r"1 readout.s. of the data have no time: dip_rate_per_h"):
        model.fit(growth(has_rate=True), None, run)
    bare = data.data.copy()
    del bare.obs["dose_molar"]
    with pytest.raises(DataError, match="no role 'dose_molar'"):
        model.fit(Dataset(bare, ValueType.LOG2), None, run)
    rows = data.data.copy()
    rows.obs["time_s"] = 3600.0
    with pytest.raises(DataError, match="the role 'time_s'"):
        model.fit(Dataset(rows, ValueType.LOG2), None, run)
    counts = data.data.copy()
    counts.X = np.abs(counts.X)
    with pytest.raises(DataError, match="hold log1p"):
        model.fit(Dataset(counts, ValueType.LOG1P), None, run)
    fitted = model.fit(data, None, run)
    with pytest.raises(DataError, match="asked for a dose"):
        list(fitted.predict(replace(data.queries(), dose_molar=None), None, run))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hours": {}}, "no readout has a time"),
        ({"hours": {"a": 0}}, "not above 0"),
        ({"hours": {"a": 1}, "rates": ["a"]}, "both a time and a rate"),
    ],
)
def test_options_without_sense_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        GrowthKineticsOptions(**options)  # type: ignore[arg-type]


def test_the_division_of_lines_is_read_off_their_controls(run: RunContext) -> None:
    fitted = GrowthKinetics(OPTIONS).fit(growth(), None, run)
    reference = fitted.answer.reference
    assert reference is not None
    rates = {
        name: mean[0] / 24 for name, mean in zip(reference.contexts, reference.means, strict=True)
    }
    assert rates == pytest.approx(DIVISION)
