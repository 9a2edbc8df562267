"""Stacking: weights from what the members had not seen, never worse than the best of them."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, StudyError
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.models.baselines.out_of_fold import HeldOut, held_out_kind, response_strata
from cellula.models.baselines.stack import FittedStack, stratum_weights, super_learner_weights
from cellula.testing.examples import action_potentials, ic50_table, single_cells

MEMBERS = ("mean_response", "row_column_offset", "ridge")


def part(truth: np.ndarray, predicted: np.ndarray) -> HeldOut:
    """Moments of one held-out part: truth (values,), predicted (members, values)."""
    return HeldOut.of(truth[None], predicted[:, None], np.zeros(len(truth), np.int64))


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
    np.testing.assert_allclose(weights, [planted], atol=0.02)
    assert weights.sum() == pytest.approx(1.0)


def test_moments_give_the_squared_error() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.normal(size=50), rng.normal(size=(3, 50))
    weights = np.array([0.2, 0.5, 0.3])
    expected = np.mean((weights @ predicted - truth) ** 2)
    assert part(truth, predicted).errors(weights) == pytest.approx([expected])


def test_weights_are_never_negative() -> None:
    weights = stratum_weights(parts([1.5, -0.5], 0.0), 1.0)
    np.testing.assert_allclose(weights, [[1.0, 0.0]], atol=1e-6)


def test_a_mixture_that_does_not_hold_elsewhere_gives_way_to_the_best_member() -> None:
    rng = np.random.default_rng(1)
    made = []
    for number in range(2):  # member 0 is good everywhere, 1 and 2 each on one part only
        truth = rng.normal(size=50)
        predicted = np.stack([truth + 0.5 * rng.normal(size=50) for _ in range(3)])
        predicted[2 - number] += 5.0 * rng.normal(size=50)
        predicted[1 + number] = truth
        made.append(part(truth, predicted))
    assert super_learner_weights(made).tolist() == [[1.0, 0.0, 0.0]]


def test_equal_members_share_one_prediction() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=50)
    same = np.stack([truth + 0.1] * 3)
    weights = stratum_weights([part(truth, same)], 1.0)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()


def strata_parts(seed: int, other: bool, n: int = 5) -> list[HeldOut]:
    """Member 0 is right in stratum 0 and, where ``other``, member 1 in stratum 1."""
    rng = np.random.default_rng(seed)
    stratum = np.repeat([0, 1], 40)
    made = []
    for _ in range(n):
        truth = rng.normal(size=(6, 80))
        predicted = truth + rng.normal(size=(2, 6, 80))
        predicted[0][:, :40] = truth[:, :40] + 0.1 * rng.normal(size=(6, 40))
        good = int(other)
        predicted[good][:, 40:] = truth[:, 40:] + 0.1 * rng.normal(size=(6, 40))
        made.append(HeldOut.of(truth, predicted, stratum))
    return made


@pytest.mark.requirement("K12")
def test_readouts_that_respond_are_weighed_by_who_knows_them() -> None:
    weights = super_learner_weights(strata_parts(0, other=True))
    np.testing.assert_allclose(weights, [[1.0, 0.0], [0.0, 1.0]], atol=0.05)
    held = strata_parts(1, other=True)  # parts that no weight has seen
    common = stratum_weights(strata_parts(0, other=True), 1.0)
    error = [np.mean([part.errors(w).mean() for part in held]) for w in (weights, common)]
    assert error[0] < 0.1 * error[1]


def test_where_the_strata_agree_the_simplest_rule_is_taken() -> None:
    weights = super_learner_weights(strata_parts(0, other=False))
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_allclose(weights[0], [1.0, 0.0], atol=0.02)


def test_half_shrunk_weights_lie_between() -> None:
    made = strata_parts(0, other=True)
    own, half, common = (stratum_weights(made, share) for share in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (own + common) / 2)
    np.testing.assert_allclose(own.sum(axis=1), 1.0)


def test_equal_rules_give_way_to_the_first_member() -> None:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(5):  # two members that are as good: no reason to leave the first
        truth = rng.normal(size=(4, 50))
        predicted = truth + rng.normal(size=(1, 4, 50)) + 0.01 * rng.normal(size=(2, 4, 50))
        made.append(HeldOut.of(truth, predicted, np.zeros(50, np.int64)))
    assert super_learner_weights(made).tolist() == [[1.0, 0.0]]


def test_strata_are_by_response_in_training_alone() -> None:
    data = single_cells()
    values = np.zeros((data.n_profiles, 40))
    values[~data.is_control] = np.arange(40) / 10  # readout j responds by j
    grown = Dataset(ad.AnnData(values, data.obs.copy()), data.value_type)
    assert response_strata([grown]).tolist() == [0] * 20 + [1] * 16 + [2] * 4
    few = Dataset(ad.AnnData(values[:, :20], data.obs.copy()), data.value_type)
    assert set(response_strata([few]).tolist()) == {0}


def test_a_stack_by_stratum_answers_and_restores(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "stack", {"members": ["mean_response", "additive"], "cells": 0}).fit(
        data, None, run
    )
    n = data.dense().shape[1]
    own = replace(
        fitted,
        weights=np.array([[1.0, 0.0], [0.0, 1.0]]),
        stratum=np.arange(n) % 2,
    )
    queries = data.treated.queries()
    (found,) = own.predict(queries, data.controls, run)
    for number, name in enumerate(("mean_response", "additive")):
        alone = create("model", name, {"cells": 0}).fit(data, None, run)
        (answer,) = alone.predict(queries, data.controls, run)
        np.testing.assert_allclose(found.mean[:, number::2], answer.mean[:, number::2], atol=1e-12)
    again = create("model", "stack", {}).restore(own.state())
    np.testing.assert_array_equal(again.weights, own.weights)
    np.testing.assert_array_equal(again.stratum, own.stratum)


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
