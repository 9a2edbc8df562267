"""What verdicts permit: never more than the risk of the use allows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dossier_example import example_files

from cellula.core.claim import Tier
from cellula.core.evidence import Evidence
from cellula.core.gate import Loop, Outcome, Slot, Verdict
from cellula.report.record import read_record
from cellula.validation.credibility import (
    ClaimStanding,
    model_risk,
    required_tier,
    standings,
    units_needed,
    volume_cap,
)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    kept = ("study.json", "verdicts.json")
    return {path: data for path, data in example_files(300).items() if path in kept}


def standing(files: dict[str, bytes]) -> tuple[ClaimStanding, ...]:
    record = read_record(files)
    return standings(record.study, record.verdicts)


def changed(files: dict[str, bytes], path: str, change: Any) -> tuple[ClaimStanding, ...]:
    content = json.loads(files[path])
    content = change(content) or content
    return standing({**files, path: json.dumps(content).encode()})


@pytest.mark.requirement("C1", "L12")
def test_a_tier_per_claim(files: dict[str, bytes]) -> None:
    pair, tissue = standing(files)
    assert (pair.tier, pair.word, pair.permitted_use) == (
        Tier.T1,
        "supports",
        "prioritise experiments",
    )
    assert (tissue.tier, tissue.word, tissue.permitted_use) == (Tier.T0, "does not support", "none")


@pytest.mark.requirement("R1", "C2")
@pytest.mark.parametrize(
    ("influence", "consequence", "risk", "tier"),
    [
        ("low", "low", "low", Tier.T1),
        ("medium", "low", "low", Tier.T1),
        ("medium", "medium", "medium", Tier.T2),
        ("low", "high", "medium", Tier.T2),
        ("high", "medium", "high", Tier.T4),
        (None, None, "high", Tier.T4),
        ("none", "low", "medium", Tier.T2),
    ],
)
def test_risk_is_influence_and_consequence(
    influence: str | None, consequence: str | None, risk: str, tier: Tier
) -> None:
    use = {"influence": influence, "consequence": consequence}
    assert model_risk(use) == risk
    assert required_tier(use) is tier


@pytest.mark.requirement("R4")
def test_a_model_alone_never_supports_a_use_of_high_risk(files: dict[str, bytes]) -> None:
    def high(study: dict[str, Any]) -> None:
        study["context_of_use"].update(influence="high", consequence="high")

    pair, _ = changed(files, "study.json", high)
    assert pair.tier is Tier.T1
    assert not pair.is_adequate
    assert (pair.word, pair.permitted_use) == ("exploratory use only", "exploration only")


@pytest.mark.parametrize("gate", ["no_leakage", "quality", "batch_calibration"])
def test_a_failed_entry_gate_takes_the_tier(files: dict[str, bytes], gate: str) -> None:
    def fail(verdicts: list[dict[str, Any]]) -> None:
        for verdict in verdicts:
            if verdict["gate"] == gate:
                verdict["outcome"] = "failed"

    assert changed(files, "verdicts.json", fail)[0].tier is Tier.T0


@pytest.mark.parametrize("slot", ["entry", "decision", "exit"])
def test_no_tier_for_lack_of_evidence(files: dict[str, bytes], slot: str) -> None:
    def drop(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [verdict for verdict in verdicts if verdict["slot"] != slot]

    assert changed(files, "verdicts.json", drop)[0].tier is Tier.T0


def test_another_claims_decision_does_not_count(files: dict[str, bytes]) -> None:
    def drop(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = ("unseen-tissue", "entry")
        return [v for v in verdicts if v["subject"] in kept or v["slot"] in kept]

    pair = changed(files, "verdicts.json", drop)[0]
    assert (pair.tier, pair.word) == (Tier.T0, "not decided yet")

    def about_the_data(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [v for v in verdicts if v["slot"] == "entry"]
        return [*kept, {**kept[0], "slot": "decision", "subject": "data"}]

    assert changed(files, "verdicts.json", about_the_data)[0].tier is Tier.T0


def test_a_claim_that_did_not_leave_the_loop_has_no_tier(files: dict[str, bytes]) -> None:
    def shake(verdicts: list[dict[str, Any]]) -> None:
        for verdict in verdicts:
            if verdict["slot"] == "exit" and verdict["subject"] == "unseen-pair":
                verdict.update(outcome="failed", feedback="regularization")

    assert changed(files, "verdicts.json", shake)[0].tier is Tier.T0


def test_underpowered_is_undecided_not_failed(files: dict[str, bytes]) -> None:
    def weaken(verdicts: list[dict[str, Any]]) -> None:
        for verdict in verdicts:
            if verdict["subject"] == "unseen-tissue" and verdict["slot"] != "entry":
                verdict.update(outcome="underpowered", feedback=None)

    tissue = changed(files, "verdicts.json", weaken)[1]
    assert (tissue.word, tissue.permitted_use) == ("underpowered", "none")


def test_a_confirmed_experiment_gives_t2(files: dict[str, bytes]) -> None:
    def confirm(verdicts: list[dict[str, Any]]) -> None:
        middle = {"gate": "assay", "loop": "middle", "slot": "decision", "reason": "as predicted"}
        verdicts.append({**middle, "subject": "unseen-pair", "outcome": "confirmed"})

    pair, tissue = changed(files, "verdicts.json", confirm)
    assert (pair.tier, tissue.tier) == (Tier.T2, Tier.T0)


def verdict(loop: Loop, slot: Slot, outcome: Outcome = Outcome.PASSED) -> Verdict:
    return Verdict("g", loop, slot, "pairs", outcome, "why")


def confirmed(n_units: int | None, influence: str = "medium") -> ClaimStanding:
    """A claim that an experiment confirmed, on so many units, for a use of medium risk."""
    use = {"role": "choose", "influence": influence, "consequence": "medium"}
    verdicts = [verdict(Loop.INNER, slot) for slot in Slot]
    verdicts.append(verdict(Loop.MIDDLE, Slot.DECISION, Outcome.CONFIRMED))
    score = Evidence("anchored_score", "pairs", {"n_units": n_units})
    study = {"claim": [{"id": "pairs"}], "context_of_use": use}
    (one,) = standings(study, verdicts, [] if n_units is None else [score])
    return one


@pytest.mark.requirement("C1")
@pytest.mark.parametrize(
    ("n_units", "tier"),
    [(0, Tier.T0), (4, Tier.T0), (5, Tier.T1), (9, Tier.T1), (10, Tier.T2), (99, Tier.T2)],
)
def test_few_units_cap_the_tier_whatever_the_rigour(n_units: int, tier: Tier) -> None:
    assert confirmed(n_units).tier is tier
    assert confirmed(None).tier is Tier.T2


@pytest.mark.requirement("C1", "C2")
def test_what_is_missing_is_told_step_by_step() -> None:
    assert confirmed(12).missing == ()
    assert confirmed(8).missing == (
        "a powered experiment that confirms the claim",
        "10 units of replication (there are 8)",
    )
    assert confirmed(12, "high").missing == (
        "a replication elsewhere, or prospective data",
        "an independent signature under the whole record",
        "20 units of replication (there are 12)",
    )


@pytest.mark.parametrize("tier", Tier)
def test_the_units_needed_are_those_that_the_cap_allows(tier: Tier) -> None:
    fewest = units_needed(tier)
    assert volume_cap(fewest) >= tier
    assert tier is Tier.T0 or volume_cap(fewest - 1) < tier


@pytest.mark.requirement("R4")
def test_a_model_alone_is_not_adequate_for_high_risk_at_any_tier() -> None:
    inner = tuple(verdict(Loop.INNER, slot) for slot in Slot)
    alone = ClaimStanding("pairs", "unseen_pair", "dose people", Tier.T4, Tier.T4, inner, 50)
    assert alone.is_model_only
    assert not alone.is_adequate
    assert alone.missing == ("a powered experiment that confirms the claim",)
    outer = (*inner, verdict(Loop.OUTER, Slot.DECISION))
    assert ClaimStanding("pairs", "p", "dose people", Tier.T4, Tier.T4, outer, 50).is_adequate
