"""The gate on consent: what codes and residency of the sources let a study do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_example import prepared, table, tree

from cellula.core import registry
from cellula.core.errors import EvidenceError, StudyError
from cellula.core.evidence import Evidence
from cellula.core.gate import Outcome, Verdict
from cellula.validation.eligibility import consent_evidence
from cellula.validation.study import Study, parse_study, read_study


def decided(use: dict[str, Any] | None = None, **source: Any) -> Verdict:
    row = {"name": "a.csv", "duo": [], "jurisdiction": "", "residency": []} | source
    found = Evidence("consent", "data", {"sources": [row], "use": use})
    verdict: Verdict = registry.create("gate", "consent").decide({"consent": found})
    return verdict


def stated(**more: Any) -> dict[str, Any]:
    return {"purpose": "biomedical", **more}


@pytest.mark.requirement("P1")
def test_data_without_a_code_pass_and_say_so() -> None:
    verdict = decided()
    assert verdict.outcome is Outcome.PASSED
    assert verdict.reason == "a.csv: no consent code is declared"


@pytest.mark.requirement("P1")
def test_general_research_passes_where_the_study_is_silent() -> None:
    assert decided(duo=["GRU"], residency=["US", "EU"]).has_passed


@pytest.mark.requirement("P1")
def test_a_condition_and_silence_name_the_key() -> None:
    verdict = decided(duo=["GRU", "DUO:0000021"])
    assert verdict.outcome is Outcome.NOT_ELIGIBLE
    assert "a.csv: IRB (ethics approval required)" in verdict.reason
    assert "governance.use.has_ethics_approval" in verdict.reason
    assert decided(stated(has_ethics_approval=True), duo=["GRU", "DUO:0000021"]).has_passed


@pytest.mark.requirement("P1", "P5")
def test_data_are_used_where_they_may_reside() -> None:
    verdict = decided(stated(country="US"), residency=["CN"])
    assert verdict.outcome is Outcome.NOT_ELIGIBLE
    assert "may reside in CN only" in verdict.reason
    assert decided(stated(country="CN"), residency=["CN"]).has_passed
    assert decided(stated(country="FR"), residency=["EU"]).has_passed


def test_no_sources_no_verdict() -> None:
    gate = registry.create("gate", "consent")
    with pytest.raises(EvidenceError, match="sources"):
        gate.decide({"consent": Evidence("consent", "data", {"sources": [], "use": None})})


def test_an_unknown_code_is_a_mistake_with_its_path() -> None:
    content = """
[[data]]
path = "a.csv"
role = "profiles"
value_type = "ln_ic50"
duo = ["GRU", "GRX"]
"""
    with pytest.raises(StudyError) as error:
        parse_study(content.encode(), "s.toml")
    line = next(one for one in error.value.mistakes if one.startswith("data"))
    assert line.startswith("data.0.duo.1: 'GRX' is no code of the Data Use Ontology")


def test_the_evidence_is_what_the_study_says() -> None:
    content = tree() | {"governance": {"use": stated(country="GB")}}
    content["data"][0] |= {"duo": ["HMB"], "jurisdiction": "GB", "residency": ["GB"]}
    found = consent_evidence(prepared(Study.model_validate(content), table()))
    (row,) = found.payload["sources"]
    assert (row["duo"], row["residency"]) == (["HMB"], ["GB"])
    assert found.payload["use"]["country"] == "GB"
    assert registry.create("gate", "consent").decide({"consent": found}).has_passed


def test_the_sample_study_is_eligible_although_silent_about_its_use() -> None:
    sample = read_study(Path(__file__).parents[1] / "golden" / "study.toml")
    (source,) = (one for one in sample.data if one.role == "profiles")
    assert sample.governance.use is None
    assert decided(duo=list(source.duo), residency=list(source.residency)).has_passed
