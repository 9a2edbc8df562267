"""Which responses can tell a model from a trivial answer: planted ones are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import binom

from cellula.core.dataset import Dataset
from cellula.core.prediction import Prediction
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.resolvability import responses

N_GENES = 40


def experiment(shifts: np.ndarray, n_cells: int = 30, seed: int = 0) -> Dataset:
    """Controls and one perturbation a row of shifts (perturbations, genes)."""
    rng = np.random.default_rng(seed)
    labels = ["control"] * 100 + [f"p{i:03}" for i in range(len(shifts)) for _ in range(n_cells)]
    means = np.concatenate([np.zeros((100, N_GENES)), np.repeat(shifts, n_cells, axis=0)]) + 5.0
    obs = pd.DataFrame({"perturbation": labels, "context": "line"})
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    values = means + rng.normal(0.0, 1.0, means.shape)
    return Dataset(AnnData(values, obs=obs, var=var), ValueType.QUANTITY)


def judged(data: Dataset, mean: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """The table for the control and a trivial answer ``mean`` that is the same for all."""
    controls = data.controls
    assert controls is not None
    (answer,) = as_predictions(data.treated)
    shape = answer.mean.shape

    def of(row: np.ndarray) -> Prediction:
        return replace(answer, mean=np.broadcast_to(row, shape).copy(), cells=None)

    trivial = {"mean_response": of(mean), "control": of(controls.dense().mean(axis=0))}
    compared = {
        name: compare(data.treated, [one], controls=controls, unit="perturbation")
        for name, one in trivial.items()
    }
    return responses(compared, np.random.default_rng(seed))


def test_planted_classes_are_found() -> None:
    """Three like the mean response, three like nothing, three of their own."""
    rng = np.random.default_rng(1)
    mean = rng.normal(0.0, 0.8, N_GENES)
    own = rng.normal(0.0, 0.8, (3, N_GENES))
    shifts = np.concatenate([np.tile(mean, (3, 1)), np.zeros((3, N_GENES)), own])
    found = judged(experiment(shifts), mean + 5.0)
    assert list(found["resolvability"]) == ["solved"] * 3 + ["resistant"] * 3 + ["open"] * 3
    assert (found["explained"][:3] > 0.9).all()
    assert (found["explained"][6:] < 0.5).all()
    assert list(found["response"][3:6]) == ["small"] * 3
    assert (found["reason"] == "").all()


@pytest.mark.parametrize("n_cells", [8, 30])
def test_no_response_is_called_one_at_the_level(n_cells: int) -> None:
    """Of 150 perturbations without a response about one in twenty is called resolvable."""
    found = judged(experiment(np.zeros((150, N_GENES)), n_cells), np.full(N_GENES, 9.0), seed=3)
    n_wrong = int((found["resolvability"] != "resistant").sum())
    assert n_wrong <= binom.ppf(0.999, 150, 0.05)
    assert n_wrong > 0


def test_few_cells_are_not_judged() -> None:
    found = judged(experiment(np.ones((2, N_GENES)), n_cells=4), np.zeros(N_GENES))
    assert list(found["resolvability"]) == ["unjudged"] * 2
    assert found["reason"][0] == "4 profiles; to judge a response needs 6"


def test_units_are_the_parts_where_there_are_enough() -> None:
    """What differs from donor to donor by chance is no response, whatever the cells say."""
    rng = np.random.default_rng(2)
    n_donors, n_cells = 8, 60
    shift = rng.normal(0.0, 1.0, (n_donors, N_GENES))
    donor = np.tile(np.repeat(np.arange(n_donors), n_cells), 2)
    is_control = np.repeat([True, False], n_donors * n_cells)
    values = rng.normal(9.0, 0.3, (len(donor), N_GENES))
    values += np.where(is_control[:, None], 0.0, shift[donor])
    obs = pd.DataFrame(
        {
            "perturbation": np.where(is_control, "control", "drug"),
            "context": "line",
            "donor": [f"d{i}" for i in donor],
            "is_control": is_control,
        },
        index=[str(i) for i in range(len(donor))],
    )
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    data = Dataset(AnnData(values, obs=obs, var=var), ValueType.QUANTITY)
    (answer,) = as_predictions(data.treated)
    zero = replace(answer, mean=np.zeros_like(answer.mean), cells=None)
    for unit, n_parts, kind in (("donor", n_donors, "resistant"), ("perturbation", 12, "open")):
        part = compare(data.treated, [zero], controls=data.controls, unit=unit)
        found = responses({"mean_response": part, "control": part}, rng)
        assert list(found["n_parts"]) == [n_parts]
        assert list(found["resolvability"]) == [kind]
