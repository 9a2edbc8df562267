"""Flux balance equals cobra's on the models that cobra ships."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cobra")

from cobra.flux_analysis import (
    double_gene_deletion,
    flux_variability_analysis,
    pfba,
    single_gene_deletion,
    single_reaction_deletion,
)
from cobra_models import cobra_model, of_cobra

from cellula.models.mechanistic.flux_balance import flux_balance, parsimonious
from cellula.models.mechanistic.flux_knock_outs import KnockOuts, knock_outs
from cellula.models.mechanistic.flux_problem import flux_problem
from cellula.models.mechanistic.flux_variability import flux_variability

pytestmark = pytest.mark.filterwarnings("ignore")


def require_equal(ours: KnockOuts, theirs: object) -> None:
    """All knock-outs of a table of cobra's are ours, where cobra finds a solution."""
    values = {
        frozenset(ids): value for ids, value in zip(theirs["ids"], theirs["growth"], strict=True)
    }  # type: ignore[index]
    assert len(values) >= len(ours.knocked)
    for knocked, value in zip(ours.knocked, ours.objective, strict=True):
        other = values[frozenset(knocked)]
        assert np.isnan(value) == np.isnan(other), knocked
        assert np.isnan(value) or value == pytest.approx(other, abs=1e-6), knocked


@pytest.mark.requirement("S3", "K9")
def test_the_textbook_model() -> None:
    model = cobra_model("textbook")
    network = of_cobra(model)
    found = flux_balance(network)
    assert found.objective == pytest.approx(0.8739215, abs=1e-6)
    problem = flux_problem(network)
    fluxes = np.array([found.values[id] for id in problem.ids])
    assert np.abs(problem.stoichiometry @ fluxes).max() < 1e-9
    require_equal(knock_outs(network), single_reaction_deletion(model, processes=1))
    require_equal(knock_outs(network, "genes"), single_gene_deletion(model, processes=1))
    some = [gene.id for gene in model.genes][:25]
    pairs = double_gene_deletion(model, some, processes=1)
    require_equal(knock_outs(network, "genes", 2, some), pairs)
    ranges = flux_variability_analysis(model, fraction_of_optimum=0.9, processes=1)
    ours = flux_variability(network, 0.9)
    assert ours.minimum == pytest.approx(ranges["minimum"].to_numpy(), abs=1e-6)
    assert ours.maximum == pytest.approx(ranges["maximum"].to_numpy(), abs=1e-6)
    assert sum(map(abs, parsimonious(network).values.values())) == pytest.approx(
        np.abs(pfba(model).fluxes.to_numpy()).sum(), abs=1e-5
    )


@pytest.mark.requirement("S3")
def test_a_genome_scale_model() -> None:
    network = of_cobra(cobra_model("iJO1366"))
    assert flux_balance(network).objective == pytest.approx(0.9823718, abs=1e-6)
