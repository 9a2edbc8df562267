"""A differential equation with a learned term: its solver, its kinetics and what it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.models.hybrid.growth_field import GrowthBatch, GrowthField
from cellula.models.hybrid.integrator import states_at
from cellula.models.hybrid.neural_ode import FittedNeuralOde, NeuralOde, NeuralOdeOptions
from cellula.models.learned.blocks.trainer import TrainOptions
from cellula.models.mechanistic.growth_kinetics import GrowthKinetics, GrowthKineticsOptions
from cellula.models.mechanistic.growth_rates import growth_change
from growth_example import DAYS, DOSES, HOURS, growth, held_out

OPTIONS = NeuralOdeOptions(
    hours=HOURS,
    step_h=12.0,
    train=TrainOptions(epochs=150, batch=512, learning_rate=0.01, patience=150),
)


def test_the_error_of_the_solver_falls_with_the_fourth_power() -> None:
    start = torch.tensor([[1.0], [2.0]]).double()

    def error(step: float) -> float:
        found = states_at(lambda t, x: -x * (1 + t), start, 0.0, [0.7, 2.0], step)
        truth = [start * np.exp(-t - t * t / 2) for t in (0.7, 2.0)]
        return float(max((a - b).abs().max() for a, b in zip(found, truth, strict=True)))

    assert error(0.05) < 1e-6
    assert 12 < error(0.1) / error(0.05) < 20


def test_gradients_pass_through_the_solver() -> None:
    rate = torch.tensor(0.3, requires_grad=True).double()
    (end,) = states_at(lambda t, x: -rate * x, torch.ones(1).double(), 0.0, [2.0], 0.1)
    (slope,) = torch.autograd.grad(end.sum(), rate)
    assert float(slope) == pytest.approx(-2 * np.exp(-0.6), rel=1e-5)


def test_a_new_equation_is_the_kinetics(run: RunContext) -> None:
    data = growth(noise=0.1)
    fitted = GrowthKinetics(GrowthKineticsOptions(hours=HOURS)).fit(data, None, run)
    known = fitted.parameters
    field = GrowthField(known, np.append(DAYS, np.inf), width=4, step_h=2.0)
    rng = np.random.default_rng(0)
    drug, line = rng.integers(0, 2, 20), rng.integers(0, 3, 20)
    dose, rate = rng.uniform(-9, -6, 20), rng.uniform(0.01, 0.05, 20)
    told, added = field(GrowthBatch.of(drug, line, dose, rate))
    truth = growth_change(
        known.values[drug, line][:, None], dose[:, None], rate[:, None], DAYS[None]
    )
    assert np.allclose(told.detach()[:, :3], truth, atol=1e-4)
    assert not added.any()


def rmse(fitted: object, asked: object, run: RunContext) -> float:
    (told,) = fitted.predict(asked.queries(), None, run)  # type: ignore[attr-defined]
    return float(np.sqrt(np.mean((told.mean - asked.dense()) ** 2)))  # type: ignore[attr-defined]


@pytest.mark.requirement("A5", "a hybrid finds what the kinetics leave out, and leaves what fits")
def test_it_learns_what_the_kinetics_leave_out(run: RunContext) -> None:
    known, asked = held_out(growth(noise=0.02, bend=1.5), DOSES[3])
    train, valid = held_out(known, DOSES[5])
    kinetics = GrowthKinetics(GrowthKineticsOptions(hours=HOURS)).fit(train, valid, run)
    hybrid = NeuralOde(OPTIONS).fit(train, valid, run)
    assert hybrid.belief > 0
    assert rmse(hybrid, train.treated, run) < 0.7 * rmse(kinetics, train.treated, run)
    assert rmse(hybrid, asked, run) < rmse(kinetics, asked, run)


def test_without_belief_it_is_the_kinetics(run: RunContext) -> None:
    data = growth(noise=0.1)
    hybrid = NeuralOde(OPTIONS).fit(data, None, run)
    assert isinstance(hybrid, FittedNeuralOde)
    kinetics = GrowthKinetics(GrowthKineticsOptions(hours=HOURS)).fit(data, None, run)
    (one,) = replace(hybrid, belief=0.0).predict(data.queries(), None, run)
    (two,) = kinetics.predict(data.queries(), None, run)
    assert np.allclose(one.mean, two.mean, atol=0.02)


def test_controls_are_needed(run: RunContext) -> None:
    with pytest.raises(DataError, match="'neural_ode' counts growth from that of untreated"):
        NeuralOde(OPTIONS).fit(growth().treated, None, run)
