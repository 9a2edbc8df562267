"""Cautions: each is raised where it applies, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from study_example import cells, prepared, table, tree

from cellula.core.dataset import Dataset
from cellula.validation.boundary import boundary_evidence
from cellula.validation.cautions import cautions_evidence
from cellula.validation.study import Study


def found(
    data: Dataset | None = None, content: dict[str, Any] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Kind -> the cautions of that kind."""
    ready = prepared(Study.model_validate(content or tree()), data or table())
    evidence = cautions_evidence(ready, boundary_evidence(ready))
    kinds: dict[str, list[dict[str, Any]]] = {}
    for one in evidence.payload["cautions"]:
        assert one["what"]
        assert one["action"]
        kinds.setdefault(one["kind"], []).append(dict(one))
    return kinds


def with_columns(**columns: Any) -> Dataset:
    data = table()
    changed = data.data.copy()
    for name, values in columns.items():
        changed.obs[name] = values
    return replace(data, data=changed)


def study(**tables: Any) -> dict[str, Any]:
    content = tree()
    for name, keys in tables.items():
        target = content["data"][0] if name == "source" else content.setdefault(name, {})
        target |= keys
    return content


@pytest.mark.requirement("A10")
def test_a_plain_study_raises_what_it_lacks_and_no_more() -> None:
    assert sorted(found()) == ["no_consent_code", "one_source", "rare_group"]
    assert [one["where"] for one in found()["one_source"]] == ["platform", "who"]


@pytest.mark.requirement("A10")
def test_cross_species() -> None:
    n = table().n_profiles
    one = with_columns(species=["mouse"] * n)
    assert "cross_species" not in found(one, study(boundary={"species": ["mouse"]}))
    two = with_columns(species=np.where(np.arange(n) % 2, "human", "mouse"))
    assert "human, mouse" in found(two)["cross_species"][0]["what"]
    use = study(context_of_use={"role": "choose doses for patients"})
    (caution,) = found(one, use)["cross_species"]
    assert caution["where"] == "context of use"
    assert "cross_species" not in found(with_columns(species=["Homo sapiens"] * n), use)


@pytest.mark.requirement("A10")
def test_rare_groups_are_counted_and_the_least_is_named() -> None:
    (caution,) = found()["rare_group"]
    data = table()
    asked = prepared(Study.model_validate(tree()), data).tasks[0].folds[0].test
    sizes = data.obs["context"].value_counts()
    rare = [name for name in set(data.obs["context"].iloc[asked]) if sizes[name] < 10]
    assert caution["n"] == len(rare) > 0
    assert f"has {min(sizes[rare])}" in caution["what"]
    assert caution["where"] == "pairs, context", "every drug has more than ten"


@pytest.mark.requirement("A10")
def test_few_units_of_a_claim() -> None:
    (caution,) = found(cells(), tree(kind="unseen_donor", hold_out="each", unit="donor"))[
        "few_units"
    ]
    assert (caution["where"], caution["n"]) == ("pairs", 4)
    assert "one_source" not in found(cells(), tree(kind="unseen_donor", hold_out="each"))


@pytest.mark.requirement("B1")
def test_the_boundary_of_the_data_and_what_cannot_be_checked() -> None:
    limits = study(boundary={"species": ["human"], "dose_molar": [0, 1e-4]})
    kinds = found(None, limits)
    assert [one["where"] for one in kinds["boundary_not_checked"]] == [
        "boundary.species",
        "boundary.dose_molar",
    ]
    asked = np.zeros(table().n_profiles, bool)
    asked[prepared(Study.model_validate(tree()), table()).tasks[0].folds[0].test] = True
    data = with_columns(species=np.where(asked, "human", "mouse"))
    (caution,) = found(data, limits)["outside_boundary"]
    assert caution["n"] == int((~asked).sum())
    assert "only trained on" in caution["what"]


@pytest.mark.requirement("B1")
def test_a_dose_beyond_the_training_range() -> None:
    test = prepared(Study.model_validate(tree()), table()).tasks[0].folds[0].test
    dose = np.full(table().n_profiles, 1e-6)
    assert "outside_training_range" not in found(with_columns(dose_molar=dose))
    dose[test[:3]] = 1e-4
    (caution,) = found(with_columns(dose_molar=dose))["outside_training_range"]
    assert (caution["n"], caution["where"]) == (3, "pairs, dose")


@pytest.mark.requirement("R9")
@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ({"license": "LicenseRef-lab"}, ["licence_to_read", "truth_not_in_bundle"]),
        ({"license": "CC-BY-ND-4.0"}, ["licence_to_read", "truth_not_in_bundle"]),
        ({"license": "CC-BY-4.0"}, []),
        ({"license": "MIT", "catalogue": "gdsc"}, ["licence_differs"]),
        ({"duo": ["GRU"], "residency": ["GB"]}, ["residency_not_checked"]),
    ],
)
def test_terms_that_a_person_must_read(source: dict[str, Any], kinds: list[str]) -> None:
    usual = {"one_source", "rare_group", "no_consent_code"}
    assert sorted(set(found(None, study(source=source))) - usual) == sorted(kinds)


@pytest.mark.requirement("P5")
def test_data_that_cross_a_border() -> None:
    use = {"use": {"purpose": "biomedical", "country": "US"}}
    source = {"jurisdiction": "CN", "duo": ["GRU"], "residency": ["CN", "US"]}
    kinds = found(None, study(governance=use, source=source))
    assert "law of CN are used in US" in kinds["cross_border"][0]["what"]
    assert "no_consent_code" not in kinds
    source["jurisdiction"] = "US"
    assert "cross_border" not in found(None, study(governance=use, source=source))
