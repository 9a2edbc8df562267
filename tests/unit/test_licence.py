"""The gate on licences: SPDX expressions against the use."""

from __future__ import annotations

from typing import Any

import pytest
from study_example import prepared, table, tree

from cellula.core import registry
from cellula.core.evidence import Evidence
from cellula.core.gate import Outcome, Verdict
from cellula.governance.gates.licence import refusal
from cellula.validation.eligibility import declared_license, licence_evidence
from cellula.validation.governance_plan import Use
from cellula.validation.study import Study

TRADE = Use(purpose="biomedical")
SCHOLAR = Use(purpose="biomedical", is_commercial=False)


@pytest.mark.requirement("R9", "I1")
@pytest.mark.parametrize(
    ("license", "use", "is_shared", "why"),
    [
        ("CC-BY-4.0", None, True, ""),
        ("unknown", None, False, "state it as SPDX"),
        ("CC-BY-NC-4.0", None, False, "state governance.use.is_commercial"),
        ("CC-BY-NC-4.0", TRADE, False, "is_commercial is true"),
        ("CC-BY-NC-4.0", SCHOLAR, False, ""),
        ("CC-BY-NC-SA-4.0", TRADE, False, "non-commercial"),
        ("PolyForm-Noncommercial-1.0.0", TRADE, False, "non-commercial"),
        ("CC-BY-ND-4.0", TRADE, True, "forbids sharing derived data"),
        ("CC-BY-ND-4.0", TRADE, False, ""),
        ("CC-BY-NC-ND-4.0", SCHOLAR, True, "derived"),
        ("LicenseRef-lab", TRADE, False, ""),
        # Of alternatives one is enough, of parts each counts.
        ("CC-BY-NC-4.0 OR CC-BY-4.0", TRADE, True, ""),
        ("CC-BY-NC-4.0 OR CC-BY-ND-4.0", TRADE, True, "and CC-BY-ND-4.0"),
        ("CC-BY-4.0 AND CC-BY-NC-4.0", TRADE, True, "non-commercial"),
        ("BSD-3-Clause AND (CC-BY-NC-4.0 OR MIT)", TRADE, True, ""),
        ("BSD-3-Clause AND (CC-BY-NC-4.0 OR MIT)", None, True, ""),
        ("GPL-2.0-only WITH Classpath-exception-2.0", TRADE, True, ""),
        # Letters that only look like it.
        ("NCSA", TRADE, True, ""),
    ],
)
def test_what_a_licence_covers(license: str, use: Use | None, is_shared: bool, why: str) -> None:
    found = refusal(license, use, is_shared=is_shared)
    assert bool(found) == bool(why)
    assert why in found


def decided(*licenses: str, use: Use | None = None) -> Verdict:
    rows: list[dict[str, Any]] = [
        {"name": f"{place}.csv", "license": one, "is_shared": False}
        for place, one in enumerate(licenses)
    ]
    stated = None if use is None else use.model_dump(mode="json")
    found = Evidence("licence", "data", {"sources": rows, "use": stated})
    verdict: Verdict = registry.create("gate", "licence").decide({"licence": found})
    return verdict


@pytest.mark.requirement("R9")
def test_every_source_counts_and_is_named() -> None:
    verdict = decided("CC-BY-4.0", "unknown")
    assert verdict.outcome is Outcome.NOT_ELIGIBLE
    assert verdict.reason.startswith("1.csv: the licence is unknown")
    assert decided("CC-BY-4.0", "CC0-1.0").reason == "0.csv: CC-BY-4.0; 1.csv: CC0-1.0"


def test_a_source_of_the_catalogue_brings_its_licence() -> None:
    content = tree()
    content["data"][0] |= {"catalogue": "gdsc", "license": "unknown"}
    (source,) = Study.model_validate(content).data
    assert declared_license(source) == "BSD-3-Clause AND LicenseRef-GDSC-terms-of-use"


@pytest.mark.parametrize(
    ("license", "is_shared"), [("CC-BY-4.0", True), ("CC-BY-ND-4.0", False), ("unknown", False)]
)
def test_the_evidence_says_what_is_shared(license: str, is_shared: bool) -> None:
    content = tree()
    content["data"][0]["license"] = license
    found = licence_evidence(prepared(Study.model_validate(content), table()))
    assert found.payload["sources"] == [
        {"name": "ic50.csv", "license": license, "is_shared": is_shared}
    ]
