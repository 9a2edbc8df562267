"""Who is in the data is counted in contexts and in profiles, by declared columns only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.validation.representation import counted, label_columns, named, represented, spread
from cellula.validation.study import Study

STUDY: dict[str, Any] = {
    "study": {"id": "s", "title": "t", "owner": "o", "question": "q"},
    "context_of_use": {
        "role": "r",
        "regulatory": False,
        "influence": "low",
        "consequence": "low",
        "needs_mechanism": False,
    },
    "boundary": {"level": "cellular"},
    "data": [
        {"path": "p.csv", "role": "profiles", "value_type": "ln_ic50"},
        {
            "path": "drugs.csv",
            "role": "perturbation_features",
            "columns": {"perturbation": "id"},
            "labels": ["DRUG_NAME"],
        },
        {
            "path": "lines.csv",
            "role": "context_features",
            "columns": {"context": "line"},
            "labels": ["tissue"],
        },
    ],
    "model": [{"id": "ridge", "kind": "ridge"}],
    "claim": [
        {
            "id": "c",
            "kind": "unseen_context",
            "hold_out": "each",
            "over": "tissue",
            "gate": [
                {
                    "metric": "rmse@1",
                    "at_least": 0.1,
                    "ci_width_max": 1.0,
                    "why": "w",
                    "on_fail": "regularization",
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.model_validate(STUDY)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Two lung lines with 4 and 2 profiles, one skin line with 3."""
    lines = ["a"] * 4 + ["b"] * 2 + ["c"] * 3
    obs = pd.DataFrame(
        {
            "context": pd.Categorical(lines, categories=["a", "b", "c"]),
            "perturbation": pd.Categorical(["1", "2", "3", "4", "1", "2", "1", "2", "3"]),
            "is_control": False,
            "tissue": pd.Categorical(["lung"] * 6 + ["skin"] * 3),
            "DRUG_NAME": pd.Categorical(["w", "x", "y", "z", "w", "x", "w", "x", "y"]),
            "batch": pd.Categorical(["p1"] * 5 + ["p2"] * 4),
            "surname": pd.Categorical(["secret"] * 9),
        },
        index=[f"r{i}" for i in range(9)],
    )
    values = AnnData(np.arange(9.0)[:, None], obs=obs, var=pd.DataFrame(index=["ln_ic50"]))
    return Dataset(values, ValueType.LN_IC50)


@pytest.mark.requirement("D10")
def test_labels_are_counted_in_contexts_and_profiles(study: Study, data: Dataset) -> None:
    columns = label_columns(study, data)
    assert columns == ("DRUG_NAME", "tissue", "batch"), "what is not declared is not counted"
    drugs, tissues, batches = represented(data, columns)
    assert tissues == {
        "label": "tissue",
        "n_distinct": 2,
        "rows": [["lung", 2, 6], ["skin", 1, 3]],
    }
    assert batches["rows"] == [["p1", 2, 5], ["p2", 2, 4]]
    assert drugs["n_distinct"] == 4


def test_counts_and_their_spread(data: Dataset) -> None:
    assert counted(data)["context"] == [["a", 4], ["c", 3], ["b", 2]]
    assert counted(data)["perturbation"][0] == ["1", 3], "ties go by label"
    assert spread(data)["context"] == {"least": 2, "median": 3.0, "most": 4}


def test_a_label_column_of_names_tells_the_names(study: Study, data: Dataset) -> None:
    assert named(study, data) == {"perturbation": {"1": "w", "2": "x", "3": "y", "4": "z"}}
