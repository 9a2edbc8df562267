"""One perturbation in one call: population, ranked genes and gene sets, intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import response_example as example

from cellula.applications.in_silico import run as perturb
from cellula.core import registry
from cellula.core.comparison import GeneSets
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.report.in_silico import render_in_silico
from cellula.testing.examples import single_cells

OPTIONS = {"n_members": 3, "options": {"train": {"epochs": 30}, "width": 16}}


def controls(data: Dataset) -> Dataset:
    found = data.controls
    assert found is not None
    return found


@pytest.mark.requirement("B1", "E11")
def test_genes_and_sets_are_ranked_with_intervals(run: RunContext) -> None:
    data = example.responses(30, np.random.default_rng(0))
    fitted = registry.create("model", "deep_ensemble", OPTIONS).fit(data, None, run)
    query = QueryTable.of(["p3"], ["c1"])
    members = np.zeros((2, example.N_GENES), bool)
    members[0, :4], members[1, 4:] = True, True
    found = perturb(fitted, query, controls(data), run, GeneSets(("first", "rest"), members))
    genes = found.report.tables["genes"].set_index("gene")
    is_row = (data.obs["perturbation"] == "p3") & (data.obs["context"] == "c1")
    truth = data.dense()[is_row.to_numpy()][0]
    np.testing.assert_allclose(
        genes["predicted"] - genes["control"], genes["change"], rtol=0, atol=1e-12
    )
    change = genes.loc[list(data.readouts), "change"].to_numpy()
    base = genes.loc[list(data.readouts), "control"].to_numpy()
    assert np.corrcoef(change, truth - base)[0, 1] > 0.7
    assert (np.diff(genes["strength"]) <= 0).all()
    outside = (genes["lower"] > 0) | (genes["upper"] < 0)
    assert (genes["is_clear"] == outside).all()
    sets = found.report.tables["gene_sets"].set_index("set")
    assert sets.loc["first", "change"] == pytest.approx(change[:4].mean())
    assert (sets["lower"] <= sets["change"]).all()
    assert found.report.cautions[-1].startswith("4 control profiles")


def test_a_population_of_cells_comes_back(run: RunContext) -> None:
    data = single_cells()
    fitted = registry.create("model", "mean_response", {}).fit(data, None, run)
    found = perturb(fitted, QueryTable.of(["G1"], ["type0"]), controls(data), run)
    assert found.prediction.cells is not None
    assert found.report.numbers["n_predicted_cells"] > 1
    assert "no interval" in found.report.cautions[0]
    assert not found.report.tables["genes"]["is_clear"].any()
    assert found.report.tables["genes"]["change"].abs().is_monotonic_decreasing
    page = render_in_silico(found.report, {"tier": "T0"}, "cellula perturb")
    assert "G1 in type0" in page
    assert "<script" not in page
    assert page == render_in_silico(found.report, {"tier": "T0"}, "cellula perturb")


def test_a_stranger_is_told_as_out_of_domain(run: RunContext) -> None:
    data = example.responses(20, np.random.default_rng(0))
    fitted = registry.create("model", "mlp_response", {"train": {"epochs": 2}}).fit(data, None, run)
    found = perturb(fitted, QueryTable.of(["nobody"], ["c0"]), controls(data), run)
    assert "out of the model's domain" in found.report.cautions[0]
    assert not found.report.numbers["is_in_domain"]


def test_two_questions_and_another_context_are_refused(run: RunContext) -> None:
    data = example.responses(20, np.random.default_rng(0))
    fitted = registry.create("model", "mean_response", {}).fit(data, None, run)
    with pytest.raises(DataError, match="2 questions"):
        perturb(fitted, QueryTable.of(["p1", "p2"], ["c0", "c0"]), controls(data), run)
    with pytest.raises(DataError, match="no cell of the context 'liver'"):
        perturb(fitted, QueryTable.of(["p1"], ["liver"]), controls(data), run)


def test_the_tables_have_their_columns(run: RunContext) -> None:
    data = example.responses(20, np.random.default_rng(0))
    fitted = registry.create("model", "mean_response", {}).fit(data, None, run)
    found = perturb(fitted, QueryTable.of(["p1"], ["c0"]), controls(data), run)
    columns = ["rank", "gene", "control", "predicted", "change", "lower", "upper", "strength"]
    assert list(found.report.tables["genes"].columns) == [*columns, "is_clear"]
    assert isinstance(found.report.tables["genes"], pd.DataFrame)
