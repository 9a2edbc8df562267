"""The gates of the inner loop: pass, fail with feedback, underpowered, and never by silence."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cellula.core import registry
from cellula.core.errors import EvidenceError, StudyError
from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Outcome, Verdict
from cellula.core.numerals import plural

SCORE = {
    "metric": "pearson@1",
    "value": 0.7,
    "lower": 0.6,
    "upper": 0.8,
    "n_units": 20,
    "unit": "donor",
    "reason": "",
}
RULE = {"at_least": 0.5, "ci_width_max": 0.4, "on_fail": "structural_prior"}
UNITS = {"name": "shared_units", "is_leak": False, "count": 0, "total": 12, "examples": []}
TWINS = {"name": "duplicates", "is_leak": True, "count": 2, "total": 9, "examples": ["a", "b"]}
MISSING = {"name": "missing", "is_ok": True, "value": 0, "limit": 0, "note": "none"}
BATCH = {
    "is_applicable": True,
    "is_confounded": False,
    "is_shifted": False,
    "reason": "no shift",
    "variance_explained": 0.01,
}
#: Gate -> the kind of evidence that it reads, and a payload on which it passes.
GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "anchored_score": ("anchored_score", SCORE),
    "no_leakage": ("leakage", {"checks": [UNITS]}),
    "quality": ("quality", {"checks": [MISSING]}),
    "batch_calibration": ("batch", BATCH),
}


def decide(name: str, **changed: Any) -> Verdict:
    """The verdict of a gate on its good payload with some fields changed."""
    kind, payload = GOOD[name]
    gate = registry.create("gate", name, RULE if name == "anchored_score" else {})
    verdict: Verdict = gate.decide({kind: Evidence(kind, "claim-1", payload | changed)})
    return verdict


# -- concordance and width --------------------------------------------------------------------
@pytest.mark.requirement("L3")
@pytest.mark.parametrize(
    ("lower", "upper", "passes"),
    [
        (0.6, 0.8, True),
        (0.5, 0.9, True),  # exactly at both limits
        (0.499, 0.8, False),  # the lower bound decides, not the value
        (0.6, 1.001, False),  # high enough, but too wide to be an answer
        (0.4, 1.0, False),
    ],
)
def test_both_the_bound_and_the_width_decide(lower: float, upper: float, passes: bool) -> None:
    verdict = decide("anchored_score", lower=lower, upper=upper)
    assert verdict.has_passed is passes
    assert verdict.feedback == (None if passes else Feedback.STRUCTURAL_PRIOR)
    assert (verdict.number, verdict.lower, verdict.upper) == (0.7, lower, upper)
    assert verdict.threshold == 0.5


@pytest.mark.requirement("L3", "L4")
def test_a_failure_says_by_how_much_and_where_to_go() -> None:
    verdict = decide("anchored_score", lower=0.4, upper=0.7)
    assert verdict.outcome is Outcome.FAILED
    assert re.search(r"lower bound 0?\.40* < 0?\.50*, width 0?\.30* ≤ 0?\.40*$", verdict.reason)
    assert verdict.feedback is Feedback.STRUCTURAL_PRIOR


@pytest.mark.requirement("L3")
def test_too_wide_an_interval_names_the_units_that_would_do() -> None:
    verdict = decide("anchored_score", lower=0.55, upper=1.35)
    assert verdict.outcome is Outcome.FAILED
    # Twice as wide as registered: four times the 20 donors.
    assert "about 80 donors would be narrow enough" in verdict.reason


@pytest.mark.requirement("L3")
@pytest.mark.parametrize(
    ("n_units", "upper", "needed"),
    [(4, 0.8, 5), (4, 1.4, 16), (3, 1.0, 5), (1, 0.8, 5), (0, 0.8, 5)],
)
def test_too_few_units_are_underpowered_with_the_number_needed(
    n_units: int, upper: float, needed: int
) -> None:
    verdict = decide("anchored_score", n_units=n_units, upper=upper)
    assert verdict.outcome is Outcome.UNDERPOWERED
    assert f"{plural(n_units, 'donor')}: an interval needs at least 5" in verdict.reason
    assert verdict.reason.endswith(f"about {needed}")
    assert verdict.feedback is None


def test_five_units_are_enough() -> None:
    assert decide("anchored_score", n_units=5).has_passed


@pytest.mark.parametrize("absent", ["value", "lower", "upper"])
def test_no_score_is_a_failure_with_its_reason(absent: str) -> None:
    verdict = decide("anchored_score", **{absent: None}, reason="the ceiling is within noise")
    assert verdict.outcome is Outcome.FAILED
    assert "no score: the ceiling is within noise" in verdict.reason


def test_a_width_that_is_not_positive_is_refused() -> None:
    with pytest.raises(StudyError, match="ci_width_max"):
        registry.create("gate", "anchored_score", RULE | {"ci_width_max": 0.0})


# -- entry gates ------------------------------------------------------------------------------
@pytest.mark.requirement("L1")
def test_a_leak_fails_and_is_named() -> None:
    assert "0 of 12 held-out units in training; 1 checks clean" in decide("no_leakage").reason
    verdict = decide("no_leakage", checks=[UNITS, TWINS])
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason == "duplicates: 2 (a, b)"
    assert verdict.number == 2.0
    assert verdict.feedback is Feedback.DATA_CLEANING


@pytest.mark.requirement("L1")
def test_a_leak_report_without_the_units_decides_nothing() -> None:
    with pytest.raises(EvidenceError, match="no check 'shared_units'"):
        decide("no_leakage", checks=[{**TWINS, "is_leak": False}])


@pytest.mark.requirement("L1", "D2")
def test_poor_quality_fails_with_value_and_limit() -> None:
    assert decide("quality").reason == "1 checks within their limits"
    bad = {"name": "doublets", "is_ok": False, "value": 9, "limit": 5, "note": "too many"}
    verdict = decide("quality", checks=[MISSING, bad])
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason == "doublets is 9, limit 5: too many"
    assert verdict.feedback is Feedback.DATA_CLEANING


@pytest.mark.requirement("L1", "D3")
@pytest.mark.parametrize(
    ("changed", "passes", "words"),
    [
        ({}, True, "no shift"),
        ({"is_applicable": False, "reason": "no batch role"}, True, "not applicable: no batch"),
        ({"is_confounded": True}, False, "spread the perturbations over the batches"),
        ({"is_shifted": True}, False, 'write harmonise = { name = "combat" }'),
        ({"is_confounded": True, "is_shifted": True}, False, "confounded with the perturbation"),
    ],
)
def test_batches(changed: dict[str, Any], passes: bool, words: str) -> None:
    verdict = decide("batch_calibration", **changed)
    assert verdict.has_passed is passes
    assert words in verdict.reason
    assert verdict.feedback == (None if passes else Feedback.DATA_CLEANING)


# -- silence ----------------------------------------------------------------------------------
@pytest.mark.requirement("L0", "L12")
@pytest.mark.parametrize("name", GOOD)
def test_no_gate_passes_for_lack_of_evidence(name: str) -> None:
    kind, payload = GOOD[name]
    gate = registry.create("gate", name, RULE if name == "anchored_score" else {})
    with pytest.raises(EvidenceError, match=f"needs evidence of kind '{kind}'; there is: none"):
        gate.decide({})
    with pytest.raises(EvidenceError, match=f"{kind}'; there is: another"):
        gate.decide({"another": Evidence("another", "claim-1", payload)})
    with pytest.raises(EvidenceError, match="it has: nothing"):
        gate.decide({kind: Evidence(kind, "claim-1", {})})


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, (_, good) in GOOD.items() for field in good]
)
def test_a_field_that_is_absent_is_an_error_or_not_read(name: str, field: str) -> None:
    kind, payload = GOOD[name]
    gate = registry.create("gate", name, RULE if name == "anchored_score" else {})
    rest = {key: value for key, value in payload.items() if key != field}
    if (name, field) == ("batch_calibration", "variance_explained"):  # shown, never decided by
        assert gate.decide({kind: Evidence(kind, "claim-1", rest)}).number is None
        return
    with pytest.raises(EvidenceError, match=f"has no {field}"):
        gate.decide({kind: Evidence(kind, "claim-1", rest)})


@pytest.mark.parametrize("name", ["no_leakage", "quality"])
def test_a_report_without_checks_does_not_pass(name: str) -> None:
    with pytest.raises(EvidenceError, match="has no checks"):
        decide(name, checks=[])
