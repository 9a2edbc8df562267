"""Presets of the challenges give what the published scorers gave, perturbation by perturbation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from challenge_cases import CONTROL, FOLDER, read

from cellula.core.run import run_context
from cellula.evaluation.presets.anchors import score
from cellula.evaluation.presets.evaluate import PRESETS, evaluate_preset

CASES = ("replicate", "noisy", "tripled", "tiled", "pasted")


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("preset", ["vcc2025", "vcc2026"])
@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_published_scorer(preset: str, case: str, tmp_path: Path) -> None:
    archived = json.loads((FOLDER / f"{preset}.json").read_text("utf-8"))
    assert archived["scorer"] == PRESETS[preset].version
    expected = archived["values"][case]
    real, answers = read()
    outcome = evaluate_preset(
        preset,
        real,
        answers[case],
        perturbation="target",
        control=CONTROL,
        run=run_context(0, tmp_path),
    )
    for column in outcome.columns:
        name = column.definition.name
        assert column.value == pytest.approx(expected["aggregate"][name], abs=1e-6)
        if not column.is_mean:
            continue
        told = [expected[name].get(label) for label in outcome.perturbations]
        theirs = [np.nan if value is None else value for value in told]
        np.testing.assert_allclose(column.numerator, theirs, atol=1e-6, err_msg=name)
        assert all(bool(why) == np.isnan(v) for why, v in zip(column.reasons, theirs, strict=True))


def test_the_score_of_2025(tmp_path: Path) -> None:
    real, answers = read()
    found = {
        case: evaluate_preset(
            "vcc2025",
            real,
            answers[case],
            perturbation="target",
            control=CONTROL,
            run=run_context(0, tmp_path),
        )
        for case in ("noisy", "pasted")
    }
    values = json.loads((FOLDER / "vcc2025.json").read_text("utf-8"))["values"]
    u, b = values["noisy"]["aggregate"], values["pasted"]["aggregate"]
    scores = score(found["noisy"], found["pasted"])
    assert scores["mae"] == pytest.approx(max(0.0, 1 - u["mae"] / b["mae"]), abs=1e-6)
    assert scores["des"] == pytest.approx((u["des"] - b["des"]) / (1 - b["des"]), abs=1e-6)
    parts = [scores[name] for name in ("mae", "des", "pds_l1")]
    assert scores["overall"] == pytest.approx(np.mean(parts))
