"""The exit of the inner loop: decided for, and stable; nothing else leaves it."""

from __future__ import annotations

from typing import Any

import pytest

from cellula.core import registry
from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.validation.gates.stability import StabilityOptions

DECIDED = {"gate": "anchored_score", "about": "r2@1", "outcome": "passed", "feedback": None}
ROW = {"metric": "r2@1", "space": "readouts", "model": "selected", "over": "resamples", "n": 1000}


def leave(*spreads: float | None, decided: tuple[dict[str, Any], ...] = (DECIDED,)) -> Verdict:
    rows = [{**ROW, "sd": sd} for sd in spreads]
    gate = registry.create("gate", "stability")
    verdict: Verdict = gate.decide(
        {
            "decisions": Evidence("decisions", "claim-1", {"verdicts": list(decided)}),
            "stability": Evidence("stability", "claim-1", {"rows": rows}),
        }
    )
    return verdict


@pytest.mark.requirement("L3")
def test_a_claim_leaves_when_decided_for_and_stable() -> None:
    verdict = leave(0.01, 0.04)
    assert (verdict.loop, verdict.slot) == (Loop.INNER, Slot.EXIT)
    assert (verdict.outcome, verdict.feedback) == (Outcome.PASSED, None)
    assert (verdict.number, verdict.threshold) == (0.04, 0.1)
    assert verdict.about == "sd of r2@1"
    assert verdict.reason == "largest sd .04 ≤ .10, over 1,000 resamples"


@pytest.mark.parametrize(("sd", "passes"), [(0.1, True), (0.1000001, False), (None, False)])
def test_the_largest_spread_decides(sd: float | None, passes: bool) -> None:
    verdict = leave(0.001, sd)
    assert verdict.has_passed is passes
    assert verdict.feedback is (None if passes else Feedback.REGULARIZATION)


@pytest.mark.requirement("L4")
def test_a_failed_decision_keeps_it_in_and_says_where_to_go_back_to() -> None:
    failed = {**DECIDED, "outcome": "failed", "feedback": "structural_prior"}
    verdict = leave(0.001, decided=(DECIDED, failed))
    assert (verdict.outcome, verdict.feedback) == (Outcome.FAILED, Feedback.STRUCTURAL_PRIOR)
    assert verdict.reason.startswith("not decided for: r2 failed; largest sd .001 ≤ .10")


def test_an_underpowered_decision_is_no_failure() -> None:
    weak = {**DECIDED, "outcome": "underpowered"}
    verdict = leave(0.3, decided=(weak,))
    assert (verdict.outcome, verdict.feedback) == (Outcome.UNDERPOWERED, None)


@pytest.mark.parametrize("rows", [{}, {"rows": []}])
def test_it_never_passes_for_lack_of_evidence(rows: dict[str, Any]) -> None:
    gate = registry.create("gate", "stability")
    decided = Evidence("decisions", "claim-1", {"verdicts": [DECIDED]})
    with pytest.raises(EvidenceError, match="rows"):
        gate.decide({"decisions": decided, "stability": Evidence("stability", "claim-1", rows)})
    with pytest.raises(EvidenceError, match="decisions"):
        gate.decide({"stability": Evidence("stability", "claim-1", {"rows": [ROW]})})


def test_the_limit_is_an_option() -> None:
    assert StabilityOptions().max_sd == 0.1
    with pytest.raises(ValueError, match="greater than 0"):
        StabilityOptions(max_sd=0.0)
