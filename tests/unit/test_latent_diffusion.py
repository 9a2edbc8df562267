"""Latent diffusion: populations from noise, and what guidance does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.kernels.energy import energy_distance
from cellula.models.baselines.reference import Reference

N_PERTURBATIONS = 6


def many_shifts(seed: int) -> tuple[Dataset, np.ndarray]:  # type: ignore[type-arg]
    """Six perturbations that shift cells of four readouts; the data and the controls."""
    rng = np.random.default_rng(seed)
    shifts = 2.0 * rng.normal(size=(N_PERTURBATIONS, 4))
    control = rng.normal(size=(150, 4))
    treated = [shift + rng.normal(size=(60, 4)) for shift in shifts]
    labels = ["control"] * 150 + [f"p{i}" for i in range(N_PERTURBATIONS) for _ in range(60)]
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(labels),
            "context": pd.Categorical(["one"] * len(labels)),
            "is_control": np.array(labels) == "control",
        },
        index=[f"cell{i}" for i in range(len(labels))],
    )
    names = pd.DataFrame(index=[f"gene{i}" for i in range(4)])
    values = np.concatenate([control, *treated])
    return Dataset(AnnData(values, obs=obs, var=names), ValueType.LOG2), control


def distance(data: Dataset, control: np.ndarray, run: RunContext, **options: object) -> float:  # type: ignore[type-arg]
    """Mean energy distance of predicted and observed cells over the perturbations."""
    own = {"base": "none", "width": 32, "dropped": 0.2, **options}
    fitted = create("model", "latent_diffusion", own).fit(data, None, run)
    reference, queries = Reference.of([data]), data.treated.queries()
    found = []
    for label in queries.perturbation.categories:
        rows = np.flatnonzero(np.asarray(queries.perturbation) == label)
        if not len(rows):
            continue
        rng = np.random.default_rng(0)
        change = fitted.move(queries.take(rows[:1]), reference, control, rng, run)
        found.append(energy_distance(control + change, data.treated.dense(rows)))
    return float(np.mean(found))


@pytest.mark.requirement("K12")
@pytest.mark.parametrize("seed", [0, 1])
def test_guidance_reaches_further_where_training_was_short(run: RunContext, seed: int) -> None:
    data, control = many_shifts(seed)
    short = {"epochs": 30, "batch": 128}
    found = {w: distance(data, control, run, guidance=w, train=short) for w in (0.0, 1.0, 2.0)}
    assert found[2.0] < 0.97 * found[1.0]
    assert found[1.0] < found[0.0]  # without the condition all perturbations are one


@pytest.mark.parametrize("begin", ["noise", "control"])
def test_a_trained_model_draws_the_perturbed_population(run: RunContext, begin: str) -> None:
    data, control = many_shifts(0)
    long = {"epochs": 120, "batch": 128, "learning_rate": 5e-3}
    found = distance(data, control, run, begin=begin, train=long)
    assert found < 0.35 * distance(data, control, run, begin=begin, train={"epochs": 1})
