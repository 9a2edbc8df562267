"""The model of disease stages on a planted truth, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from disease_example import disease
from disease_measures import measured

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.models.learned.displaced import Change
from cellula.models.learned.graph_vae_gan import FittedGraphVaeGan
from cellula.testing.examples import single_cells

QUICK: dict[str, Any] = {"width": 16, "latent": 4, "train": {"epochs": 2}}


def fitted(data: Dataset, run: RunContext, **options: Any) -> FittedGraphVaeGan:
    found = create("model", "graph_vae_gan", QUICK | options).fit(data, None, run)
    assert isinstance(found, FittedGraphVaeGan)
    return found


@pytest.mark.requirement("K2", "K12")
@pytest.mark.parametrize("seed", [0, 2])
def test_stages_regulators_and_the_reversing_drug_are_recovered(seed: int, tmp_path: Path) -> None:
    found = measured(disease(seed), seed, tmp_path)
    assert found.is_ordered
    assert found.rank <= 5
    assert found.regulators > 3 * 5 / 30  # thrice what chance gives


@pytest.mark.parametrize("adversary", ["cross_entropy", "wasserstein"])
@pytest.mark.parametrize("likelihood", ["zinb", "gaussian"])
def test_every_likelihood_plays_every_game(
    adversary: str, likelihood: str, run: RunContext
) -> None:
    data = single_cells()
    found = fitted(data, run, adversary=adversary, likelihood=likelihood)
    assert np.isfinite(found.states(data, run)).all()
    assert found.network.critic is not None


def test_a_change_is_encoded_as_the_changed_cells_would_be(run: RunContext) -> None:
    data = single_cells()
    found = fitted(data, run)
    rows = np.arange(10)
    cells = found.displaced(data, rows, run)
    none, some = cells.after(
        [Change(np.array([1]), np.zeros(1)), Change(np.array([0, 3]), np.array([0.5, -9.0]))]
    )
    np.testing.assert_allclose(none, cells.states, atol=1e-5)
    values = data.dense()
    values[:, 0] += 0.5
    values[:, 3] = np.maximum(values[:, 3] - 9.0, 0.0)
    counts = np.expm1(values)  # of depth 1: they give back these very values
    changed = AnnData(values, data.obs.copy(), data.data.var.copy(), layers={"counts": counts})
    again = found.displaced(Dataset(changed, data.value_type), rows, run)
    np.testing.assert_allclose(some, again.states, atol=1e-4)


def test_what_was_never_seen_is_out_of_domain(run: RunContext) -> None:
    data = single_cells()
    found = fitted(data, run)
    names = ["G0", "G3+G4", "control", "G0+stranger", "stranger"]
    answers = found.predict(QueryTable.of(names, ["type0"] * 5), data.controls, run)
    assert [bool(one.in_domain[0]) for one in answers] == [True, True, True, False, False]


def test_the_pull_of_all_readouts_is_one(run: RunContext) -> None:
    data = single_cells()
    found, values = fitted(data, run), data.dense()
    pull = found.pull(values[0], values[40], run)
    assert pull.sum() == pytest.approx(1.0, abs=0.01)
    assert (found.pull(values[0], values[0], run) == 0).all()


def test_bad_input_is_refused(run: RunContext) -> None:
    data = single_cells()
    with pytest.raises(DataError, match="no column 'grade'"):
        fitted(data, run, stage="grade", stages=["a", "b"])
    with pytest.raises(DataError, match="have no control"):
        fitted(data.treated, run)
    found = fitted(data, run, stage="context")
    assert found.tracks(data, run).names == ("type0", "type1")
    fewer = Dataset(data.data[:, :3].copy(), data.value_type)
    with pytest.raises(DataError, match="give the same readouts"):
        found.states(fewer, run)
