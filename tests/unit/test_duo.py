"""Consent codes: every term of the ontology, how it is written, and what it asks of a use."""

from __future__ import annotations

from typing import Any

import pytest

from cellula.core.errors import DataError
from cellula.data.consent import TERMS, consent_code
from cellula.governance.duo import CONDITIONS, PURPOSES, conflicts, may_reside
from cellula.validation.governance_plan import Use


def use(purpose: str = "biomedical", **stated: Any) -> Use:
    return Use.model_validate({"purpose": purpose, **stated})


def against(codes: str, chosen: Use | None) -> list[str]:
    return conflicts([consent_code(code) for code in codes.split()], chosen)


@pytest.mark.requirement("P1")
def test_every_term_has_one_rule() -> None:
    ruled = [*CONDITIONS, *PURPOSES]
    # Clinical care widens what is allowed: it asks for nothing.
    assert sorted([*ruled, "CC"]) == sorted(TERMS)
    assert all(TERMS[code].is_permission == (code in PURPOSES) for code in ruled)


@pytest.mark.parametrize("code", TERMS)
def test_a_term_is_known_by_shorthand_and_id(code: str) -> None:
    term = TERMS[code]
    detail = term.example.partition(":")[2]
    for name in (code, term.id, term.id.replace(":", "_")):
        written = f"{name}:{detail}" if detail else name
        assert consent_code(written).term is term
        assert consent_code(written).detail == detail


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("GRX", "no code of the Data Use Ontology"),
        ("gru", "no code"),
        ("DUO:9999999", "no code"),
        ("", "no code"),
        ("DS", "'DS:MONDO:0005015'"),
        ("DUO:0000007", "needs its detail"),
        ("DS:cancer", "needs its detail"),
        ("GS:Britain", "'GS:GB'"),
        ("TS:12 months", "time limit on use needs its detail"),
        ("MOR", "needs its detail"),
    ],
)
def test_what_is_no_code_is_refused(code: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        consent_code(code)


@pytest.mark.requirement("P1")
@pytest.mark.parametrize(
    ("codes", "stated", "key"),
    [
        ("NRES", None, ""),
        ("GRU", None, ""),
        ("GRU-CC", None, ""),
        ("GRU CC", None, ""),
        ("GRU", use("ancestry"), ""),
        ("HMB", None, "purpose"),
        ("HMB", use(), ""),
        ("HMB", use("methods"), ""),
        ("HMB", use("general_research"), "purpose"),
        ("HMB", use("ancestry"), "purpose"),
        ("HMB GRU", None, ""),
        ("POA", use("ancestry"), ""),
        ("POA", use("biomedical"), "purpose"),
        ("DS:MONDO:0005015", use("disease", disease=["MONDO:0005015"]), ""),
        ("DS:MONDO:0005015", use("disease", disease=["MONDO:0004992"]), "purpose"),
        ("DS:MONDO:0005015", use("disease"), "disease"),
        ("DS:MONDO:0005015", use("biomedical", disease=["MONDO:0005015"]), "purpose"),
        (
            "DS:MONDO:1 DS:MONDO:2",
            use("disease", disease=["MONDO:1", "MONDO:2"]),
            "",
        ),
        ("DS:MONDO:1", use("disease", disease=["MONDO:1", "MONDO:2"]), "purpose"),
        ("IRB", use(has_ethics_approval=True), "permission"),
        ("GRU NPU", None, "is_not_for_profit"),
        ("GRU NPU", use(), "is_not_for_profit"),
        ("GRU NPU", use(is_not_for_profit=True), ""),
        ("GRU NCU", use(), "is_commercial"),
        ("GRU NCU", use(is_commercial=False), ""),
        ("GRU NPUNCU", use(is_commercial=False), "is_not_for_profit"),
        ("GRU NPUNCU", use(is_not_for_profit=True), "is_not_for_profit"),
        ("GRU NPUNCU", use(is_not_for_profit=True, is_commercial=False), ""),
        ("GRU NMDS", use("methods"), "purpose"),
        ("GRU NMDS", use(), ""),
        ("GRU NPOA", use("ancestry"), "purpose"),
        ("GRU NPOA", use(), ""),
        ("GRU GSO", use(), "is_genetic_study"),
        ("GRU GSO", use(is_genetic_study=True), ""),
        ("GRU IRB", use(), "has_ethics_approval"),
        ("GRU IRB", use(has_ethics_approval=True), ""),
        ("GRU PUB", use(), "is_published"),
        ("GRU PUB", use(is_published=True), ""),
        ("GRU COL", use(), "is_collaboration"),
        ("GRU COL", use(is_collaboration=True), ""),
        ("GRU RTN", use(), "returns_results"),
        ("GRU RTN", use(returns_results=True), ""),
        ("GRU GS:GB", use(), "country"),
        ("GRU GS:GB", use(country="US"), "country"),
        ("GRU GS:GB GS:US", use(country="US"), ""),
        ("GRU TS:2027-01-31", use(), "date"),
        ("GRU TS:2027-01-31", use(date="2027-02-01"), "date"),
        ("GRU TS:2027-01-31", use(date="2027-01-31"), ""),
        ("GRU MOR:2027-01-31", use(is_published=True, date="2027-01-30"), "date"),
        ("GRU MOR:2027-01-31", use(is_published=True), "date"),
        ("GRU MOR:2027-01-31", use(is_published=True, date="2027-01-31"), ""),
        ("GRU MOR:2027-01-31", use(), ""),
        *((f"GRU {code}", use(), "approvals") for code in ("US", "PS", "IS", "RS")),
        *((f"GRU {code}", use(approvals=[code]), "") for code in ("US", "PS", "IS", "RS")),
        ("GRU PS:atlas", use(approvals=["US"]), "approvals"),
    ],
)
def test_what_a_code_asks_of_the_use(codes: str, stated: Use | None, key: str) -> None:
    found = against(codes, stated)
    assert bool(found) == bool(key)
    assert all(key in text for text in found)


def test_conditions_all_hold_and_each_is_told() -> None:
    found = against("HMB NPU IRB", None)
    assert len(found) == 3
    assert all("silent about its use" in text for text in found)


@pytest.mark.parametrize(
    ("country", "countries", "may"),
    [
        ("DE", ("EU",), True),
        ("CH", ("EU",), False),
        ("US", ("US", "EU"), True),
        ("", ("EU",), False),
    ],
)
def test_eu_stands_for_its_members(country: str, countries: tuple[str, ...], may: bool) -> None:
    assert may_reside(country, countries) is may
