"""Stacking: weights from what the members had not seen, never worse than the best of them."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, StudyError
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.models.baselines.out_of_fold import HeldOut, held_out_kind
from cellula.models.baselines.stack import FittedStack, convex_weights, super_learner_weights
from cellula.testing.examples import action_potentials, ic50_table, single_cells

MEMBERS = ("mean_response", "row_column_offset", "ridge")


def part(truth: np.ndarray, predicted: np.ndarray) -> HeldOut:
    """Moments of one held-out part: truth (values,), predicted (members, values)."""
    center = predicted.mean(axis=0)
    p, y = predicted - center, truth - center
    return HeldOut(p @ p.T / len(y), p @ y / len(y), float(y @ y) / len(y))


def parts(weights: list[float], noise: float, seed: int = 0, n: int = 5) -> list[HeldOut]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        predicted = rng.normal(size=(len(weights), 200))
        made.append(part(np.array(weights) @ predicted + noise * rng.normal(size=200), predicted))
    return made


def test_planted_weights_are_found() -> None:
    planted = [0.6, 0.0, 0.4]
    weights = super_learner_weights(parts(planted, 0.05))
    np.testing.assert_allclose(weights, planted, atol=0.02)
    assert weights.sum() == pytest.approx(1.0)


def test_moments_give_the_squared_error() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.normal(size=50), rng.normal(size=(3, 50))
    weights = np.array([0.2, 0.5, 0.3])
    expected = np.mean((weights @ predicted - truth) ** 2)
    assert part(truth, predicted).error(weights) == pytest.approx(expected)


def test_weights_are_never_negative() -> None:
    weights = convex_weights(parts([1.5, -0.5], 0.0))
    np.testing.assert_allclose(weights, [1.0, 0.0], atol=1e-6)


def test_a_mixture_that_does_not_hold_elsewhere_gives_way_to_the_best_member() -> None:
    rng = np.random.default_rng(1)
    made = []
    for number in range(2):  # member 0 is good everywhere, 1 and 2 each on one part only
        truth = rng.normal(size=50)
        predicted = np.stack([truth + 0.5 * rng.normal(size=50) for _ in range(3)])
        predicted[2 - number] += 5.0 * rng.normal(size=50)
        predicted[1 + number] = truth
        made.append(part(truth, predicted))
    assert super_learner_weights(made).tolist() == [1.0, 0.0, 0.0]


def test_equal_members_share_one_prediction() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=50)
    same = np.stack([truth + 0.1] * 3)
    weights = convex_weights([part(truth, same)])
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()


@pytest.mark.requirement("K11", "E11")
def test_it_is_no_worse_than_its_best_member(run: RunContext) -> None:
    errors: dict[str, list[float]] = {name: [] for name in (*MEMBERS, "stack")}
    for seed in range(3):
        data = ic50_table(seed, n_contexts=60, n_perturbations=12)
        line = data.labels("context").codes
        rows = [line < 36, (line >= 36) & (line < 48), line >= 48]
        train, valid, test = (data.take(one) for one in rows)
        for name, found in errors.items():
            options = {"members": MEMBERS} if name == "stack" else {}
            fitted = create("model", name, options).fit(train, valid, run)
            (batch,) = fitted.predict(test.queries(), None, run)
            found.append(float(np.mean((batch.mean - test.dense()) ** 2)))
    mean = {name: float(np.mean(found)) for name, found in errors.items()}
    assert mean["stack"] <= 1.02 * min(mean[name] for name in MEMBERS)


def test_without_validation_data_all_weigh_the_same(run: RunContext) -> None:
    fitted = create("model", "stack", {"members": MEMBERS}).fit(ic50_table(), None, run)
    assert isinstance(fitted, FittedStack)
    np.testing.assert_allclose(fitted.weights, 1 / 3)


def test_one_member_is_that_member(run: RunContext) -> None:
    data = single_cells()
    options = {"members": ["additive"], "cells": 0}
    stack = create("model", "stack", options).fit(data, None, run)
    alone = create("model", "additive", {"cells": 0}).fit(data, None, run)
    queries = data.treated.queries()
    answers = [next(one.predict(queries, data.controls, run)) for one in (stack, alone)]
    np.testing.assert_allclose(answers[0].mean, answers[1].mean, atol=1e-12)
    np.testing.assert_array_equal(answers[0].in_domain, answers[1].in_domain)


def held(data: Dataset, column: str, label: str) -> ClaimKind:
    is_held = np.asarray(data.labels(column) == label) & ~data.is_control
    return held_out_kind(data.take(~is_held), data.take(is_held))


@pytest.mark.requirement("E6")
def test_the_split_is_recognised() -> None:
    cells = single_cells()
    assert held(cells, "perturbation", "G3") is ClaimKind.UNSEEN_PERTURBATION
    assert held(cells, "perturbation", "G0+G1") is ClaimKind.UNSEEN_COMBINATION
    assert held(cells, "context", "type1") is ClaimKind.UNSEEN_CONTEXT
    assert held(action_potentials(), "dose_molar", "1e-06") is ClaimKind.UNSEEN_DOSE
    table = ic50_table()
    rows = np.arange(table.n_profiles) % 10 == 0
    assert held_out_kind(table.take(~rows), table.take(rows)) is ClaimKind.UNSEEN_PAIR
    twice = np.random.default_rng(0).random(cells.n_profiles) < 0.5
    assert held_out_kind(cells.take(twice), cells.take(~twice)) is ClaimKind.RANDOM


@pytest.mark.parametrize("members", [["stack"], ["ridge", "ridge"], ["nonsense"], []])
def test_members_that_cannot_be_are_refused(members: list[str]) -> None:
    with pytest.raises(StudyError, match="members"):
        create("model", "stack", {"members": members})


def test_a_member_that_cannot_be_fitted_says_why(run: RunContext) -> None:
    with pytest.raises(DataError, match="additive"):
        create("model", "stack", {"members": ["additive"]}).fit(ic50_table(), None, run)
