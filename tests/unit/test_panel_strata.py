"""Strata of a panel: hard cases stand beside the easy ones that would hide them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import MODEL, Panel, evaluate

N_GENES, N_CELLS, N_EACH = 30, 24, 8
KINDS = ("shared", "nothing", "own")


def screen(seed: int, contexts: tuple[str, ...] = ("one", "two")) -> Dataset:
    """In every context eight perturbations like the mean, eight like nothing, eight of their own.

    The own responses are smaller than the shared one: easy cases are the large ones.
    """
    truth = np.random.default_rng(0)
    base = truth.uniform(3.0, 5.0, N_GENES)
    shared = truth.normal(0.0, 0.8, N_GENES)
    own = truth.normal(0.0, 0.3, (N_EACH, N_GENES))
    shifts = np.concatenate([np.tile(shared, (N_EACH, 1)), np.zeros((N_EACH, N_GENES)), own])
    names = [f"{kind}{i}" for kind in KINDS for i in range(N_EACH)]
    noise = np.random.default_rng(seed)
    tables, values = [], []
    for context in contexts:
        labels = ["control"] * 90 + [name for name in names for _ in range(N_CELLS)]
        means = np.concatenate([np.tile(base, (90, 1)), np.repeat(base + shifts, N_CELLS, axis=0)])
        tables.append(pd.DataFrame({"perturbation": labels, "context": context}))
        values.append(means + noise.normal(0.0, 0.35, means.shape))
    obs = pd.concat(tables, ignore_index=True)
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = [f"c{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    return Dataset(AnnData(np.concatenate(values), obs=obs, var=var), ValueType.QUANTITY)


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    """A model that knows the easy perturbations and answers the hard ones by the control."""
    run = run_context(0, tmp_path_factory.mktemp("run"))
    real = screen(1)
    (answer,) = as_predictions(screen(2).treated)
    controls = real.controls
    assert controls is not None
    is_hard = np.char.startswith(np.asarray(answer.queries.perturbation, str), "own")
    mean = np.where(is_hard[:, None], controls.dense().mean(axis=0), answer.mean)
    return evaluate(
        real, [replace(answer, mean=mean, cells=None)], run, metrics=["rmse", "pearson_delta"]
    )


def row(panel: Panel, by: str, stratum: str, metric: str = "rmse") -> pd.Series:
    table = panel.strata
    kept = (table["by"] == by) & (table["stratum"] == stratum)
    (found,) = [one for _, one in table[kept & (table["metric"] == f"{metric}@1")].iterrows()]
    return found


def test_every_stratum_has_a_row(panel: Panel) -> None:
    table = panel.strata
    assert len(table) == 2 * (3 + 4 + 2)
    assert set(table["by"]) == {"response", "resolvability", "context"}
    has_reason = (table["reason"] != "") == table["value"].isna()
    assert has_reason.all()
    assert ((table["anchored_reason"] != "") == table["anchored"].isna()).all()
    assert row(panel, "resolvability", "unjudged")["reason"] == "no response is unjudged"


@pytest.mark.requirement("E21")
def test_planted_classes_are_told_from_the_real_data(panel: Panel) -> None:
    """What is shared by a third of the perturbations is explained in half by the mean response."""
    table = panel.responses.assign(kind=panel.responses["perturbation"].str.rstrip("0123456789"))
    kinds = table.groupby("kind")["resolvability"]
    assert (kinds.get_group("own") == "open").all()
    assert (kinds.get_group("nothing") == "resistant").mean() >= 0.8
    explained = table.groupby("kind")["explained"].mean()
    assert explained["shared"] == pytest.approx(0.5, abs=0.1)
    assert explained["own"] < 0.0
    assert set(table["response"][table["kind"] == "shared"]) == {"large"}


def test_the_prediction_does_not_decide_its_strata(panel: Panel, run: RunContext) -> None:
    other = evaluate(screen(1), screen(3), run, metrics=["rmse"])
    pd.testing.assert_frame_equal(other.responses, panel.responses)


def test_hard_cases_are_not_hidden(panel: Panel) -> None:
    """The whole says three quarters; the large third says right, the medium one worthless."""
    summary = panel.summary
    whole = summary[(summary["model"] == MODEL) & (summary["metric"] == "rmse@1")].iloc[0]
    easy, hard = row(panel, "response", "large"), row(panel, "response", "medium")
    assert whole["anchored"] > 0.7
    assert easy["anchored"] > 0.95
    assert hard["anchored_upper"] < 0.05
    assert easy["baseline"] in {"mean_response", "other_cells"}
    assert hard["baseline"] == "control"
    assert row(panel, "resolvability", "open")["anchored"] < whole["anchored"]


def test_a_stratum_is_the_score_of_its_rows_alone(panel: Panel) -> None:
    """The value of a third is that of its rows: rmse is the root of the mean square."""
    scores = panel.scores[panel.scores["metric"] == "rmse@1"]
    for third in ("small", "medium", "large"):
        own = scores[scores["response"] == third]
        found = row(panel, "response", third)
        assert found["value"] == pytest.approx(np.sqrt(np.mean(own["value"] ** 2)), abs=1e-12)
        assert found["n_groups"] == len(own)
        assert found["lower"] <= found["value"] <= found["upper"]
    for context in ("one", "two"):
        assert row(panel, "context", context)["n_groups"] == 3 * N_EACH


def test_resistant_rows_have_no_room_for_a_model(panel: Panel) -> None:
    found = row(panel, "resolvability", "resistant")
    assert np.isnan(found["anchored"])
    assert "not better than the baseline" in found["anchored_reason"]


def test_one_context_is_no_stratum(run: RunContext) -> None:
    real = screen(1, ("one",))
    found = evaluate(real, screen(2, ("one",)), run, metrics=["rmse"])
    assert set(found.strata["by"]) == {"response", "resolvability"}
