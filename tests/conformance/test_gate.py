"""Every registered gate keeps the rules of its contract, on evidence it passes and fails by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cellula.core import registry
from cellula.core.evidence import Evidence
from cellula.testing import GateConformance

SCORE = {
    "metric": "pearson@1",
    "value": 0.7,
    "lower": 0.6,
    "upper": 0.8,
    "n_units": 20,
    "unit": "donor",
    "reason": "",
}
BATCH = {
    "is_applicable": True,
    "is_confounded": False,
    "is_shifted": False,
    "reason": "no shift",
    "variance_explained": 0.01,
}
LEAK = {"name": "shared_units", "is_leak": False, "count": 0, "total": 12, "examples": []}
CHECK = {"name": "missing", "is_ok": True, "value": 0, "limit": 0, "note": "none"}
DECIDED = {"gate": "anchored_score", "about": "pearson@1", "outcome": "passed", "feedback": None}
SPREAD = {"metric": "pearson@1", "model": "selected", "over": "resamples", "n": 1000, "sd": 0.02}
SEEDS = {**SPREAD, "model": "net", "over": "seeds", "n": 3}

USE = {"purpose": "biomedical"}
CONSENT = {"name": "a.csv", "duo": ["GRU"], "jurisdiction": "", "residency": []}
LICENCE = {"name": "a.csv", "license": "CC-BY-4.0", "is_shared": True}
ASPECT = {
    "aspect": "species",
    "declared": ["human"],
    "state": "compared",
    "note": "",
    "asked_outside": [],
    "learnt_outside": [],
}


def leaving(rows: list[dict[str, Any]], **decided: Any) -> dict[str, dict[str, Any]]:
    """What the exit gate reads: a decision, changed, and spreads."""
    return {"decisions": {"verdicts": [{**DECIDED, **decided}]}, "stability": {"rows": rows}}


Payloads = list[dict[str, Any]]

#: By gate: options, evidence kind ("" where a case holds several, by kind), payloads that pass,
#: payloads that do not.
CASES: Mapping[str, tuple[dict[str, Any], str, Payloads, Payloads]] = {
    "anchored_score": (
        {"at_least": 0.5, "ci_width_max": 0.4},
        "anchored_score",
        [SCORE],
        [
            {**SCORE, "lower": 0.4, "upper": 0.75},
            {**SCORE, "lower": 0.5, "upper": 1.0},
            {**SCORE, "n_units": 4},
            {**SCORE, "value": None, "lower": None, "upper": None, "reason": "no replicate"},
        ],
    ),
    "batch_calibration": (
        {},
        "batch",
        [BATCH, {**BATCH, "is_applicable": False, "reason": "no batch"}],
        [{**BATCH, "is_confounded": True}, {**BATCH, "is_shifted": True}],
    ),
    "boundary": (
        {},
        "boundary",
        [{"aspects": [ASPECT]}, {"aspects": [{**ASPECT, "learnt_outside": [["mouse", 3]]}]}],
        [{"aspects": [{**ASPECT, "asked_outside": [["mouse", 3]]}]}],
    ),
    "consent": (
        {},
        "consent",
        [
            {"sources": [CONSENT], "use": None},
            {"sources": [{**CONSENT, "duo": []}], "use": None},
            {"sources": [{**CONSENT, "duo": ["HMB"]}], "use": USE},
        ],
        [
            {"sources": [{**CONSENT, "duo": ["HMB"]}], "use": None},
            {"sources": [CONSENT, {**CONSENT, "duo": ["GRU", "NPU"]}], "use": USE},
            {"sources": [{**CONSENT, "residency": ["CN"]}], "use": {**USE, "country": "US"}},
        ],
    ),
    "licence": (
        {},
        "licence",
        [{"sources": [LICENCE], "use": None}],
        [
            {"sources": [LICENCE, {**LICENCE, "license": "unknown"}], "use": None},
            {"sources": [{**LICENCE, "license": "CC-BY-NC-4.0"}], "use": USE},
        ],
    ),
    "no_leakage": (
        {},
        "leakage",
        [{"checks": [LEAK]}],
        [{"checks": [{**LEAK, "is_leak": True, "count": 1, "examples": ["donor1"]}]}],
    ),
    "quality": (
        {},
        "quality",
        [{"checks": [CHECK]}],
        [{"checks": [{**CHECK, "is_ok": False, "value": 3}]}],
    ),
    "stability": (
        {"max_sd": 0.05},
        "",
        [leaving([SPREAD]), leaving([SPREAD, {**SEEDS, "sd": 0.05}])],
        [
            leaving([{**SPREAD, "sd": 0.051}]),
            leaving([SPREAD, {**SEEDS, "sd": 0.2}]),
            leaving([{**SPREAD, "sd": None}]),
            leaving([SPREAD], outcome="failed", feedback="structural_prior"),
            leaving([SPREAD], outcome="underpowered"),
        ],
    ),
}


@pytest.mark.requirement("L0", "L1", "L3", "L12")
@pytest.mark.parametrize("name", registry.names("gate"))
def test_gate(name: str) -> None:
    if name not in CASES:
        pytest.fail(f"gate {name!r} has no case here: add evidence that it passes and fails by")
    options, kind, passing, failing = CASES[name]

    def evidence(payload: dict[str, Any]) -> dict[str, Evidence]:
        payloads = {kind: payload} if kind else payload
        return {name: Evidence(name, "claim-1", one) for name, one in payloads.items()}

    gate = registry.load("gate", name)
    GateConformance(
        gate, options, [evidence(good) for good in passing], [evidence(bad) for bad in failing]
    ).check()
    assert gate.name == name
