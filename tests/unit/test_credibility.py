"""What verdicts permit: never more than the risk of the use allows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dossier_example import example_files

from cellula.core.claim import Tier
from cellula.report.record import read_record
from cellula.validation.credibility import (
    ClaimStanding,
    model_risk,
    required_tier,
    standings,
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
