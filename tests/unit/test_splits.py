"""Splits: what is held out is unseen in training, for every claim kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.perturbation import components
from cellula.core.value_type import ValueType
from cellula.data.splits import Folds, Fraction, split

PERTURBATIONS = ["control", "A", "B", "C", "D", "A+B", "B+C", "C+D"]


@pytest.fixture
def cells() -> Dataset:
    rng = np.random.default_rng(0)
    rows = [
        (p, c, d, b, dose, time)
        for p in PERTURBATIONS
        for c in ("k562", "rpe1", "a549")
        for d in ("d1", "d2")
        for b, dose, time in (("b1", 1e-6, 60.0), ("b2", 1e-5, 120.0))
    ]
    names = ["perturbation", "context", "donor", "batch", "dose_molar", "time_s"]
    obs = pd.DataFrame(rows, columns=names, index=[f"cell{i}" for i in range(len(rows))])
    obs["is_control"] = obs["perturbation"] == "control"
    obs["lineage"] = obs["context"].map({"k562": "blood", "rpe1": "solid", "a549": "solid"})
    values = rng.gamma(2.0, size=(len(rows), 6))
    return Dataset(AnnData(values, obs=obs), ValueType.LOG1P)


ROLES = {
    ClaimKind.UNSEEN_DOSE: "dose_molar",
    ClaimKind.UNSEEN_TIME: "time_s",
    ClaimKind.UNSEEN_CONTEXT: "context",
    ClaimKind.UNSEEN_DONOR: "donor",
    ClaimKind.UNSEEN_BATCH: "batch",
}


@pytest.mark.requirement("E6", "L1")
@pytest.mark.parametrize("kind", list(ClaimKind))
def test_nothing_held_out_is_in_training(cells: Dataset, kind: ClaimKind) -> None:
    is_perturbation = kind is ClaimKind.UNSEEN_PERTURBATION
    folds = split(cells, kind, "each" if is_perturbation else Folds(folds=2, seed=1))
    assert len(folds) == (7 if is_perturbation else 2)
    treated = set(np.flatnonzero(~cells.is_control))
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        assert set(fold.test) <= treated
        assert set(fold.control) == set(np.flatnonzero(cells.is_control))
        if kind in ROLES:
            role = cells.obs[ROLES[kind]]
            shown = set(role.iloc[fold.train])
            if kind in {ClaimKind.UNSEEN_DOSE, ClaimKind.UNSEEN_TIME}:
                shown = set(role.iloc[[row for row in fold.train if row in treated]])
            assert not shown & set(role.iloc[fold.test])
    tested = np.concatenate([fold.test for fold in folds])
    assert len(tested) == len(set(tested))
    if kind not in {ClaimKind.UNSEEN_COMBINATION, ClaimKind.UNSEEN_PAIR}:
        assert set(tested) == treated


def test_an_unseen_perturbation_is_not_seen_inside_a_combination(cells: Dataset) -> None:
    (fold,) = split(cells, ClaimKind.UNSEEN_PERTURBATION, ("A",))
    shown = set(cells.obs["perturbation"].iloc[fold.train])
    assert shown == {"control", "B", "C", "D", "B+C", "C+D"}
    (fold,) = split(cells, ClaimKind.UNSEEN_PERTURBATION, ("A+B",))
    hidden = {"A", "B"}
    assert all(
        not hidden & set(components(label))
        for label in set(cells.obs["perturbation"].iloc[fold.train])
    )


def test_an_unseen_combination_may_have_seen_components(cells: Dataset) -> None:
    folds = split(cells, ClaimKind.UNSEEN_COMBINATION, "each")
    assert [fold.name for fold in folds] == ["A+B", "B+C", "C+D"]
    assert {"A", "B"} <= set(cells.obs["perturbation"].iloc[folds[0].train])


def test_every_half_of_an_unseen_pair_is_seen_elsewhere(cells: Dataset) -> None:
    (fold,) = split(cells, ClaimKind.UNSEEN_PAIR, Fraction(fraction=0.5, seed=3))
    obs = cells.obs
    train, test = obs.iloc[fold.train], obs.iloc[fold.test]
    assert set(test["perturbation"]) <= set(train["perturbation"])
    assert set(test["context"]) <= set(train["context"])
    pairs = set(zip(train["perturbation"], train["context"], strict=True))
    assert not pairs & set(zip(test["perturbation"], test["context"], strict=True))


@pytest.mark.requirement("E9")
def test_groups_of_contexts_are_held_out_whole(cells: Dataset) -> None:
    folds = split(cells, ClaimKind.UNSEEN_CONTEXT, "each", over="lineage")
    assert [fold.name for fold in folds] == ["blood", "solid"]
    assert set(cells.obs["context"].iloc[folds[1].test]) == {"rpe1", "a549"}
    assert set(cells.obs["context"].iloc[folds[1].train]) == {"k562"}


def test_the_same_seed_gives_the_same_split_and_another_another(cells: Dataset) -> None:
    def drawn(seed: int) -> list[int]:
        rule = Fraction(fraction=0.3, seed=seed)
        return split(cells, ClaimKind.RANDOM, rule)[0].test.tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize(
    ("kind", "rule", "over", "message"),
    [
        (ClaimKind.UNSEEN_PERTURBATION, ("A+B", "C+D"), None, "would train on 0"),
        (ClaimKind.UNSEEN_CONTEXT, ("hela",), None, "names hela, which is no context"),
        (ClaimKind.UNSEEN_CONTEXT, Folds(folds=9, seed=0), None, "9 folds of 3 context"),
        (ClaimKind.UNSEEN_CONTEXT, "each", "donor", "has 2 values of 'donor'"),
        (ClaimKind.UNSEEN_CONTEXT, "each", "tissue", "no column 'tissue'"),
        (ClaimKind.UNSEEN_CONTEXT, ("k562", "rpe1", "a549"), None, "would train on 0"),
    ],
)
def test_an_impossible_split_says_why(
    cells: Dataset, kind: ClaimKind, rule: object, over: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        split(cells, kind, rule, over)  # type: ignore[arg-type]


def test_a_missing_role_is_named(cells: Dataset) -> None:
    data = Dataset(
        AnnData(np.asarray(cells.values), obs=cells.obs.drop(columns="donor")), ValueType.LOG1P
    )
    with pytest.raises(DataError, match="no role 'donor'"):
        split(data, ClaimKind.UNSEEN_DONOR, "each")
