"""The gate on the boundary, and the evidence that it reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from study_example import prepared, table, tree

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.gate import Outcome
from cellula.validation.boundary import boundary_evidence, held_out, same_species
from cellula.validation.study import Study


def with_columns(**columns: Any) -> Dataset:
    data = table()
    found = data.data.copy()
    for name, values in columns.items():
        found.obs[name] = values
    return replace(data, data=found)


def evidence(data: Dataset, boundary: dict[str, Any], **claim: Any) -> Evidence:
    content = tree(**claim) | {"boundary": {"level": "cellular", **boundary}}
    return boundary_evidence(prepared(Study.model_validate(content), data))


def aspect(found: Evidence, name: str) -> dict[str, Any]:
    return next(row for row in found.payload["aspects"] if row["aspect"] == name)


def outcome(found: Evidence) -> tuple[Outcome, str]:
    verdict = registry.create("gate", "boundary").decide({"boundary": found})
    return verdict.outcome, verdict.reason


@pytest.mark.requirement("B1")
def test_what_the_data_do_not_tell_is_no_failure() -> None:
    found = evidence(table(), {"species": ["human"], "dose_molar": [0, 1]})
    assert aspect(found, "species")["state"] == "not_told"
    assert aspect(found, "dose_molar")["state"] == "not_told"
    assert aspect(found, "time_s")["state"] == "not_limited"
    assert outcome(found)[0] is Outcome.PASSED
    assert "not told by the data: species, dose" in outcome(found)[1]


@pytest.mark.requirement("B1")
def test_a_question_outside_is_not_eligible_and_named() -> None:
    n = table().n_profiles
    found = evidence(with_columns(organism=["Homo sapiens"] * n), {"species": ["mouse"]})
    result, reason = outcome(found)
    assert result is Outcome.NOT_ELIGIBLE
    assert "boundary.species is mouse, and the study asks about Homo sapiens" in reason
    found = evidence(with_columns(organism=["Homo sapiens"] * n), {"species": ["human"]})
    assert outcome(found) == (
        Outcome.PASSED,
        "inside: species; not limited: cell types, perturbations, dose, time",
    )


@pytest.mark.requirement("B1")
def test_what_is_only_trained_on_may_lie_outside() -> None:
    asked = held_out(prepared(Study.model_validate(tree()), table()))
    assert 0 < asked.sum() < len(asked)
    species = np.where(asked, "human", "mouse")
    row = aspect(evidence(with_columns(species=species), {"species": ["human"]}), "species")
    assert row["asked_outside"] == []
    assert row["learnt_outside"] == [["mouse", int((~asked).sum())]]


@pytest.mark.requirement("B1")
def test_kinds_doses_and_times_outside() -> None:
    n = table().n_profiles
    dose = np.where(np.arange(n) % 2, 1e-6, 1e-3)
    data = with_columns(perturbation_kind=["compound"] * n, dose_molar=dose, time_s=[60.0] * n)
    limits = {
        "perturbations": ["knock_out"],
        "dose_molar": [1e-9, 1e-4],
        "time_s": [60, 120],
    }
    found = evidence(data, limits)
    assert [label for label, _ in aspect(found, "perturbations")["asked_outside"]] == ["compound"]
    assert [label for label, _ in aspect(found, "dose_molar")["asked_outside"]] == ["0.001"]
    assert aspect(found, "time_s")["asked_outside"] == []
    assert "boundary.dose_molar is 1e-09 to 0.0001" in outcome(found)[1]


def test_cell_types_are_compared_by_bare_names_and_ids_by_ids() -> None:
    n = table().n_profiles
    data = with_columns(cell_type=["THP1"] * n)
    row = aspect(evidence(data, {"cell_types": ["THP-1"]}), "cell_types")
    assert (row["state"], row["asked_outside"]) == ("compared", [])
    row = aspect(evidence(data, {"cell_types": ["CL:0000236"]}), "cell_types")
    assert (row["state"], row["asked_outside"]) == ("not_told", [])
    assert "cannot be compared" in row["note"]


@pytest.mark.parametrize("name", ["human", "Homo sapiens", "homo_sapiens", "NCBITaxon:9606"])
def test_a_species_has_many_names(name: str) -> None:
    assert same_species(name) == "human"
