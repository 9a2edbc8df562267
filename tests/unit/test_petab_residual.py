"""A fitted PEtab model with a learned correction helps where something is left, else is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.models.hybrid.petab_residual import FittedPetabResidual, PetabResidual
from petab_example import measured, problem

pytest.importorskip("fides", reason="needs the extra fitting")

AMOUNTS = {f"c{n}": float(n) for n in range(1, 9)}
TRAIN, VALID, HELD = ("c1", "c3", "c5", "c6", "c8"), ("c2", "c7"), ("c4",)


def data(names: tuple[str, ...], bias: float) -> Dataset:
    """B gets a leak that the model does not know, and that grows with the amount of A; noise."""
    found = measured(names, AMOUNTS)
    amount = np.array([AMOUNTS[str(name)] for name in found.obs["perturbation"]])
    found.data.X[:, 0] += bias * (amount - 4.5) ** 2
    found.data.X += np.random.default_rng(len(names)).normal(0, 1e-3, found.data.X.shape)
    features = pd.DataFrame({"amount": AMOUNTS}).astype(float)
    times = pd.DataFrame({"time": [0.5, 1.0, 2.0, 4.0]}, index=["0.5", "1", "2", "4"])
    return replace(found, perturbation_features=features, context_features=times)


def model(path: Path) -> PetabResidual:
    found: PetabResidual = registry.create(
        "model", "petab_residual", {"mechanism": {"problem": path.name, "starts": 1}}
    )
    return found.within(path.parent)


def errors(found: FittedPetabResidual, held: Dataset, run: RunContext) -> tuple[float, float]:
    """Of the hybrid and of its mechanism."""
    told = [one.predict(held.queries(), None, run) for one in (found, found.mechanism)]
    means = (np.concatenate([part.mean for part in parts]) for parts in told)
    hybrid, mechanism = (float(np.sqrt(np.mean((one - held.dense()) ** 2))) for one in means)
    return hybrid, mechanism


@pytest.mark.requirement("K9", "A5")
def test_what_the_mechanism_leaves_is_learned(tmp_path: Path, run: RunContext) -> None:
    path = problem(tmp_path, amounts=AMOUNTS)
    found = model(path).fit(data(TRAIN, 0.1), data(VALID, 0.1), run)
    hybrid, mechanism = errors(found, data(HELD, 0.1), run)
    assert found.belief > 0
    assert hybrid < 0.75 * mechanism


def test_where_nothing_is_left_the_mechanism_stands(tmp_path: Path, run: RunContext) -> None:
    path = problem(tmp_path, amounts=AMOUNTS)
    found = model(path).fit(data(TRAIN, 0.0), data(VALID, 0.0), run)
    hybrid, mechanism = errors(found, data(HELD, 0.0), run)
    assert abs(hybrid - mechanism) < 1e-3


def test_it_names_its_parts_and_their_files(tmp_path: Path) -> None:
    found = model(problem(tmp_path))
    assert [one.name for one in found.parts] == ["petab_model", "gp"]
    assert found.files[0].name == "problem.yaml"


def test_a_learner_that_is_none_is_refused() -> None:
    for learner in ("petab_model", "nothing"):
        with pytest.raises((ValidationError, ValueError), match="can learn a residual"):
            registry.load("model", "petab_residual").options_type(
                mechanism={"problem": "p.yaml"}, learner=learner
            )
