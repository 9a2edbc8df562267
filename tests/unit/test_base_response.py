"""What a simple model says of a training question that it was not trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.base_response import BaseResponse, held_as

NOTHING = np.zeros(0, np.int64)


def planted(effects: np.ndarray) -> Dataset:  # type: ignore[type-arg]
    """One control and one treated profile for every entry of effects (contexts, perturbations)."""
    rows, perturbation, context = [], [], []
    for c, row in enumerate(effects):
        rows.append([0.0, float(c)])
        perturbation.append("control")
        context.append(f"type{c}")
        for p, effect in enumerate(row):
            rows.append([effect, float(c)])
            perturbation.append(f"p{p}")
            context.append(f"type{c}")
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(perturbation),
            "context": pd.Categorical(context),
            "is_control": np.array(perturbation) == "control",
        },
        index=[f"row{i}" for i in range(len(rows))],
    )
    data = AnnData(np.array(rows), obs=obs, var=pd.DataFrame(index=["a", "b"]))
    return Dataset(data, ValueType.LOG2)


EFFECTS = np.array([[1.0, 2.0, 6.0], [2.0, 4.0, 9.0], [6.0, 9.0, 30.0]])


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("context", [[4.0, 6.5, 19.5], [3.5, 5.5, 18.0], [1.5, 3.0, 7.5]]),
        # the mean over contexts of the mean of the other perturbations
        ("perturbation", [[10.0, 9.0, 4.0]] * 3),
        ("nothing", [[3.0, 5.0, 15.0]] * 3),
    ],
)
def test_a_question_is_answered_by_the_others(
    run: RunContext, held: str, expected: list[list[float]]
) -> None:
    data = planted(EFFECTS)
    bulk = train_and_valid(data, None)[2]
    base = BaseResponse.of("mean_response", data, None, run)
    found = base.left_out(bulk, held, NOTHING)[:, 0]  # type: ignore[arg-type]
    table = np.full((3, 3), np.nan)
    table[bulk.context, bulk.treatment] = found
    np.testing.assert_allclose(table, expected, rtol=1e-5)


def test_hidden_contexts_count_for_no_question(run: RunContext) -> None:
    data = planted(EFFECTS)
    bulk = train_and_valid(data, None)[2]
    base = BaseResponse.of("mean_response", data, None, run)
    found = base.left_out(bulk, "context", np.array([2]))[:, 0]
    table = np.full((3, 3), np.nan)
    table[bulk.context, bulk.treatment] = found
    np.testing.assert_allclose(table, [[2.0, 4.0, 9.0], [1.0, 2.0, 6.0], [1.5, 3.0, 7.5]], 1e-5)


def test_questions_are_held_out_as_valid_was(run: RunContext) -> None:
    data = planted(EFFECTS)
    bulk = train_and_valid(data, None)[2]
    context = np.asarray(data.labels("context")) == "type2"
    perturbation = np.asarray(data.labels("perturbation")) == "p2"
    assert held_as(data.take(~context), data.take(context), bulk) == "context"
    known = data.take(~perturbation)
    assert held_as(known, data.take(perturbation | data.is_control), bulk) == "perturbation"
    assert held_as(data, None, bulk) == "context"


def test_no_base_says_nothing(run: RunContext) -> None:
    data = planted(EFFECTS)
    bulk = train_and_valid(data, None)[2]
    base = BaseResponse.of("none", data, None, run)
    assert not base.left_out(bulk, "context", NOTHING).any()
    assert BaseResponse.restore({}, {}).transfer is None
