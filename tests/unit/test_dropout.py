"""Dropout left on, in one place for all: a spread that does not depend on the other questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.io.state import state_bytes
from cellula.models.learned.blocks.dropout import Dropout, Passes, with_dropout
from cellula.models.learned.blocks.layers import mlp
from cellula.testing.examples import single_cells

MODELS = ("flow_matching", "latent_diffusion", "nb_vae", "perturbation_graph", "set_transformer")


def fitted(name: str, data: Dataset, run: RunContext, **options: Any) -> tuple[Any, Any]:
    told = {"dropout": 0.3, "passes": 4, "train": {"epochs": 3}} | options
    model = registry.create("model", name, told)
    return model, model.fit(data, None, run)


def answers(found: Any, data: Dataset, run: RunContext, rows: slice = slice(None)) -> Any:
    queries = data.treated.queries()
    first = np.unique(queries.keys(), return_index=True)[1]
    return list(found.predict(queries.take(first[rows]), data.controls, run))


@pytest.mark.requirement("E11", "K11")
@pytest.mark.parametrize("name", MODELS)
def test_every_learned_model_has_a_spread_of_its_own(name: str, run: RunContext) -> None:
    data = single_cells()
    model, found = fitted(name, data, run)
    whole = answers(found, data, run)
    alone = answers(found, data, run, slice(2, 3))[0]
    restored = answers(model.restore(found.state()), data, run)
    flat = [batch for batch in whole for _ in range(len(batch.queries))]
    assert all(batch.lower is not None for batch in flat)
    lower = np.concatenate([batch.lower for batch in whole])
    upper = np.concatenate([batch.upper for batch in whole])
    assert (upper > lower).any()
    assert np.array_equal(lower[2:3], alone.lower)
    assert np.array_equal(upper, np.concatenate([batch.upper for batch in restored]))


@pytest.mark.parametrize("name", ["flow_matching", "perturbation_graph"])
def test_passes_change_no_mean_and_none_gives_no_interval(name: str, run: RunContext) -> None:
    data = single_cells()
    _, found = fitted(name, data, run)
    _, without = fitted(name, data, run, passes=0)
    assert state_bytes(found.state()) == state_bytes(without.state())
    for one, other in zip(answers(found, data, run), answers(without, data, run), strict=True):
        assert np.array_equal(one.mean, other.mean)
        assert other.lower is None


def test_the_weights_keep_their_names() -> None:
    plain, dropped = mlp((3, 5, 5, 2)), with_dropout(mlp((3, 5, 5, 2)), 0.2)
    assert list(plain.state_dict()) == list(dropped.state_dict())
    assert [one.width for one in dropped.modules() if isinstance(one, Dropout)] == [5, 5]
    assert not any(isinstance(one, Dropout) for one in with_dropout(plain, 0.0).modules())
    x = torch.ones(1, 3)
    dropped.load_state_dict(plain.state_dict())
    assert torch.equal(plain(x), dropped.eval()(x))


def test_passes_that_cannot_differ_are_refused(run: RunContext) -> None:
    with pytest.raises(DataError, match="at least 2 with dropout above 0"):
        Passes.of(mlp((3, 5, 2)), 5)
    with pytest.raises(DataError, match="have no spread"):
        Passes.of(with_dropout(mlp((3, 5, 2)), 0.1), 1)
    with pytest.raises(DataError, match="dropout above 0"):
        fitted("perturbation_graph", single_cells(), run, dropout=0.0)
