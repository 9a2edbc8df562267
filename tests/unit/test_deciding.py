"""Deciding: gates by name, each from its evidence, and the exit code of the gravest outcome."""

from __future__ import annotations

from typing import Any

import pytest
from study_example import GATE, study

from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence
from cellula.core.gate import Loop, Outcome, Slot, Verdict
from cellula.validation.deciding import decide_entry, decide_study, exit_code

UNITS = {"name": "shared_units", "is_leak": False, "count": 0, "total": 3, "examples": []}
CONSENT = {"name": "a.csv", "duo": [], "jurisdiction": "", "residency": []}
LICENCE = {"name": "a.csv", "license": "CC-BY-4.0", "is_shared": True}
ASPECT = {"aspect": "species", "declared": [], "state": "not_limited", "asked_outside": []}
ENTRY = [
    Evidence("consent", "data", {"sources": [CONSENT], "use": None}),
    Evidence("licence", "data", {"sources": [LICENCE], "use": None}),
    Evidence("boundary", "data", {"aspects": [ASPECT]}),
    Evidence("leakage", "pairs", {"checks": [UNITS]}),
    Evidence("quality", "data", {"checks": [{"name": "a", "is_ok": True}]}),
    Evidence(
        "batch",
        "data",
        {"is_applicable": False, "is_confounded": False, "is_shifted": False, "reason": "none"},
    ),
]
STABLE = {"metric": "m@1", "space": "s", "model": "selected", "over": "resamples", "n": 9, "sd": 0}


def score(lower: float, subject: str = "pairs", **changed: Any) -> Evidence:
    payload = {
        "metric": "variance_explained@1",
        "value": lower + 0.1,
        "lower": lower,
        "upper": lower + 0.2,
        "n_units": 20,
        "unit": "context",
        "reason": "",
    }
    return Evidence("anchored_score", subject, payload | changed)


def stability(subject: str = "pairs") -> Evidence:
    return Evidence("stability", subject, {"rows": [STABLE]})


def verdict(outcome: Outcome) -> Verdict:
    return Verdict("g", Loop.INNER, Slot.DECISION, "pairs", outcome, "why")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((Outcome.PASSED,), 0),
        ((), 0),
        ((Outcome.PASSED, Outcome.UNDERPOWERED), 5),
        ((Outcome.UNDERPOWERED, Outcome.FAILED), 2),
        ((Outcome.FAILED, Outcome.NOT_ELIGIBLE, Outcome.UNDERPOWERED), 4),
    ],
)
def test_the_gravest_outcome_is_the_exit_code(outcomes: tuple[Outcome, ...], code: int) -> None:
    assert exit_code([verdict(outcome) for outcome in outcomes]) == code


@pytest.mark.requirement("L0", "L1")
def test_every_piece_of_evidence_has_its_entry_verdict() -> None:
    other = Evidence("leakage", "tissue", {"checks": [UNITS | {"is_leak": True}]})
    found = decide_entry([*ENTRY, other])
    assert [(one.gate, one.subject, one.has_passed) for one in found] == [
        ("consent", "data", True),
        ("licence", "data", True),
        ("boundary", "data", True),
        ("no_leakage", "pairs", True),
        ("no_leakage", "tissue", False),
        ("quality", "data", True),
        ("batch_calibration", "data", True),
    ]


@pytest.mark.requirement("L0", "L12")
@pytest.mark.parametrize("absent", range(len(ENTRY)))
def test_no_study_passes_an_entry_gate_without_its_evidence(absent: int) -> None:
    rest = [item for number, item in enumerate(ENTRY) if number != absent]
    with pytest.raises(EvidenceError, match=ENTRY[absent].kind):
        decide_entry(rest)


@pytest.mark.requirement("L3")
def test_each_gate_decides_by_its_own_score_in_order() -> None:
    second = GATE | {"metric": "rmse@1", "at_least": 0.6, "on_fail": "regularization"}
    chosen = study(gate=[GATE, second])
    found = decide_study(chosen, [*ENTRY, score(0.3), score(0.5), stability()])
    decided = [one for one in found if one.gate == "anchored_score"]
    assert [(one.outcome, one.threshold, one.lower) for one in decided] == [
        (Outcome.PASSED, 0.1, 0.3),
        (Outcome.FAILED, 0.6, 0.5),
    ]
    assert [one.feedback for one in decided] == [None, "regularization"]


def test_another_claims_score_decides_nothing() -> None:
    found = decide_study(study(), [*ENTRY, score(0.9, subject="tissue")])
    assert not [one for one in found if one.slot is Slot.DECISION]


@pytest.mark.requirement("L12")
def test_the_same_evidence_always_gives_the_same_verdicts() -> None:
    evidence = [*ENTRY, score(0.3), stability()]
    assert decide_study(study(), evidence) == decide_study(study(), evidence)


def test_a_score_that_is_not_there_stops_at_the_entry() -> None:
    assert decide_study(study(), ENTRY) == decide_entry(ENTRY)
