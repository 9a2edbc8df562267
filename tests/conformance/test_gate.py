"""Every registered gate keeps the rules of its contract, on evidence it passes and fails by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cellula.core import registry
from cellula.core.evidence import Evidence
from cellula.testing import GateConformance

SCORE = {"value": 0.7, "lower": 0.6, "upper": 0.8, "n_units": 20, "unit": "donor", "reason": ""}
BATCH = {
    "is_applicable": True,
    "is_confounded": False,
    "is_shifted": False,
    "reason": "no shift",
    "variance_explained": 0.01,
}
LEAK = {"name": "shared_units", "is_leak": False, "count": 0, "total": 12, "examples": []}
CHECK = {"name": "missing", "is_ok": True, "value": 0, "limit": 0, "note": "none"}

#: By gate: options, evidence kind, payloads that pass, payloads that do not.
CASES: Mapping[str, tuple[dict[str, Any], str, list[dict[str, Any]], list[dict[str, Any]]]] = {
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
}


@pytest.mark.requirement("L0", "L1", "L3", "L12")
@pytest.mark.parametrize("name", registry.names("gate"))
def test_gate(name: str) -> None:
    if name not in CASES:
        pytest.fail(f"gate {name!r} has no case here: add evidence that it passes and fails by")
    options, kind, passing, failing = CASES[name]

    def evidence(payload: dict[str, Any]) -> dict[str, Evidence]:
        return {kind: Evidence(kind, "claim-1", payload)}

    gate = registry.load("gate", name)
    GateConformance(
        gate, options, [evidence(good) for good in passing], [evidence(bad) for bad in failing]
    ).check()
    assert gate.name == name
