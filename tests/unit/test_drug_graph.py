"""Sensitivity and synergy on planted truths that only the molecular graph can tell."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drug_example import pairs, sensitivities
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext, run_context
from cellula.models.learned.drug_graph import FittedDrugGraph
from cellula.testing.examples import action_potentials, ic50_table

N_HIDDEN = 20
QUICK: dict[str, Any] = {"width": 24, "train": {"epochs": 40, "batch": 64, "learning_rate": 3e-3}}


def fitted(data: Dataset, valid: Dataset | None = None, **options: Any) -> FittedDrugGraph:
    run = run_context(0, Path())
    found = create("model", "drug_graph", {**QUICK, **options}).fit(data, valid, run)
    assert isinstance(found, FittedDrugGraph)
    return found


def told(model: FittedDrugGraph, asked: QueryTable, control: Dataset | None) -> NDArray[np.float64]:
    run = run_context(0, Path())
    return np.concatenate([batch.mean[:, 0] for batch in model.predict(asked, control, run)])


@lru_cache
def hidden_drugs() -> tuple[Dataset, QueryTable, NDArray[np.float64]]:
    """Training without 20 of 70 drugs, the questions for these, and what they truly do."""
    data, truth, drugs = sensitivities(70, 6, 0)
    hidden, lines = list(drugs[:N_HIDDEN]), sorted(set(data.obs["context"]))
    train = data.take(~data.obs["perturbation"].isin(hidden).to_numpy())
    asked = QueryTable.of(np.repeat(hidden, len(lines)).tolist(), lines * len(hidden))
    return train, asked, truth[:, :N_HIDDEN].T


def beyond_lines(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What tells drugs apart: (drugs x lines) less the mean of every line."""
    table = values.reshape(N_HIDDEN, -1)
    return (table - table.mean(axis=0)).ravel()


@pytest.mark.requirement("K3", "K12")
def test_the_graph_tells_the_sensitivity_to_unseen_drugs_and_nothing_else_can() -> None:
    train, asked, truth = hidden_drugs()
    found = beyond_lines(told(fitted(train), asked, None))
    assert np.corrcoef(found, beyond_lines(truth))[0, 1] > 0.9
    blind = beyond_lines(told(fitted(train, graph=False), asked, None))
    assert np.abs(blind).max() < 1e-6  # all unseen drugs are one


@pytest.mark.requirement("K3")
def test_a_mutation_of_the_line_decides_where_a_group_acts() -> None:
    train, asked, truth = hidden_drugs()
    found = told(fitted(train), asked, None).reshape(N_HIDDEN, -1)
    found = found - found.mean(axis=0)
    differ = truth[:, 0] != truth[:, 1]  # a sulfonamide acts in every second line
    gap = (found[:, ::2] - found[:, 1::2]).mean(axis=1)
    assert gap[differ].mean() < gap[~differ].mean() - 1.0


@lru_cache
def hidden_pairs() -> tuple[Dataset, Dataset, QueryTable, NDArray[np.float64]]:
    data, synergy = pairs(50, 300, 1)
    labels = list(synergy)
    hidden = [labels[i] for i in np.random.default_rng(0).choice(len(labels), 80, replace=False)]
    is_hidden = data.obs["perturbation"].isin(hidden).to_numpy()
    asked = QueryTable.of(hidden, ["line"] * len(hidden))
    return data.take(~is_hidden), data, asked, np.array([synergy[name] for name in hidden])


@pytest.mark.requirement("K3", "K12")
def test_synergy_is_told_beyond_the_sum_of_both() -> None:
    train, data, asked, truth = hidden_pairs()
    own: dict[str, Any] = {"train": {"epochs": 60, "batch": 64, "learning_rate": 3e-3}}
    model = fitted(train, **own)
    run, label = run_context(0, Path()), data.obs["perturbation"].to_numpy()
    synergy = model.synergy(asked, train.controls, run)[:, 0]
    assert np.corrcoef(synergy, truth)[0, 1] > 0.75
    seen = np.array([data.dense()[label == name].mean() for name in asked.perturbation])
    sums = create("model", "additive", {}).fit(train, None, run)
    (additive,) = sums.predict(asked, train.controls, run)
    error = np.mean((told(model, asked, train.controls) - seen) ** 2)
    assert error < 0.6 * np.mean((additive.mean[:, 0] - seen) ** 2)


def test_without_synergy_the_answer_is_the_sum() -> None:
    train, _, asked, _ = hidden_pairs()
    run = run_context(0, Path())
    model = fitted(train, synergy=False, train={"epochs": 3})
    (additive,) = (
        create("model", "additive", {}).fit(train, None, run).predict(asked, train.controls, run)
    )
    np.testing.assert_allclose(told(model, asked, train.controls), additive.mean[:, 0], atol=1e-9)
    assert not model.synergy(asked, train.controls, run).any()


def test_the_order_of_two_drugs_does_not_matter_and_one_has_no_synergy() -> None:
    train, _, asked, _ = hidden_pairs()
    model = fitted(train, train={"epochs": 3})
    one = [str(name) for name in asked.perturbation[:6]]
    turned = ["+".join(reversed(name.split("+"))) for name in one]
    run, context = run_context(0, Path()), ["line"] * 6
    forth, back = (model.synergy(QueryTable.of(x, context), None, run) for x in (one, turned))
    np.testing.assert_array_equal(forth, back)
    assert np.abs(forth).max() > 0
    single = QueryTable.of([name.split("+")[0] for name in one], context)
    assert not model.synergy(single, None, run).any()


def test_the_pair_term_is_symmetric_whatever_the_place_of_a_drug(run: RunContext) -> None:
    train, _, asked, _ = hidden_pairs()
    model = fitted(train, train={"epochs": 3})
    expected = model.singles.expected(asked)
    batch = model.conditions.encode(asked, expected.is_measured, model.answer.reference)
    turned = replace(
        batch,
        graph=batch.graph.flip(1),
        name=batch.name.flip(1),
        vector=batch.vector.flip(1),
        is_measured=batch.is_measured.flip(1),
    )
    molecules = model.network.molecules(model.conditions.graphs)
    with np.errstate(all="raise"):
        one, other = (
            [part.detach().numpy() for part in model.network(x, molecules, True)]
            for x in (batch, turned)
        )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_validation_that_contradicts_the_structure_is_believed() -> None:
    train, asked, _ = hidden_drugs()
    is_valid = train.obs["perturbation"].isin(train.obs["perturbation"].unique()[:15]).to_numpy()
    seen, valid = train.take(~is_valid), train.take(is_valid)
    rng = np.random.default_rng(0)
    noise = valid.data.copy()
    noise.X = rng.normal(size=valid.dense().shape)
    honest = fitted(seen, valid)
    misled = fitted(seen, replace(valid, data=noise))
    assert honest.belief[0] > 0.8
    assert misled.belief[0] < 0.5
    assert (
        beyond_lines(told(misled, asked, None)).std()
        < beyond_lines(told(honest, asked, None)).std()
    )


def test_a_structure_unlike_training_is_out_of_domain(run: RunContext) -> None:
    train, _, _ = hidden_drugs()
    far = {**train.structures, "peptide": "NCC(=O)" * 12 + "O"}
    model = fitted(replace(train, structures=far), train={"epochs": 1})
    line = str(train.obs["context"].iloc[0])
    asked = QueryTable.of(
        ["peptide", "stranger", str(train.obs["perturbation"].iloc[0])], [line] * 3
    )
    (batch,) = model.predict(asked, None, run)
    assert batch.in_domain.tolist() == [False, False, True]


def test_features_of_drugs_enter_beside_the_graph() -> None:
    train, asked, truth = hidden_drugs()
    drugs = sorted(train.structures)
    target = pd.DataFrame(
        {"target": [float("[N+](=O)[O-]" in train.structures[name]) for name in drugs]}, drugs
    )
    model = fitted(replace(train, perturbation_features=target), graph=False)
    found = beyond_lines(told(model, asked, None))
    assert np.corrcoef(found, beyond_lines(truth))[0, 1] > 0.5
    without = fitted(replace(train, perturbation_features=target), graph=False, features=False)
    assert np.abs(beyond_lines(told(without, asked, None))).max() < 1e-6


def test_it_says_what_is_missing(run: RunContext) -> None:
    model = create("model", "drug_graph", {"train": {"epochs": 1}})
    with pytest.raises(DataError, match="needs structures and none of the 10 perturbations"):
        model.fit(ic50_table(), None, run)
    train, _, _, _ = hidden_pairs()
    is_pair = train.obs["perturbation"].astype(str).str.contains("+", regex=False).to_numpy()
    with pytest.raises(DataError, match="give profiles of single drugs too"):
        model.fit(train.take(is_pair | train.is_control), None, run)


def test_doses_enter(run: RunContext) -> None:
    data = action_potentials()
    model = fitted(data, train={"epochs": 60, "batch": 8, "learning_rate": 1e-2})
    asked = QueryTable.of(["verapamil"] * 2, ["ventricular"] * 2, dose_molar=np.array([1e-8, 1e-6]))
    (batch,) = model.predict(asked, data.controls, run)
    assert batch.mean[1, 0] > batch.mean[0, 0] + 1.0  # a higher dose blocks more
