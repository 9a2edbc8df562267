"""The section of the dossier that says how often the intervals held."""

from __future__ import annotations

from typing import Any

import pytest

from cellula.core.canonical import canonical_json
from cellula.report.record import StudyRecord, read_record
from cellula.report.sections.intervals import intervals

ROW = {
    "n_groups": 90, "n_units": 40, "coverage": 0.91, "lower": 0.89, "upper": 0.93, "joint": 0.2,
    "width": 1.5,
}  # fmt: skip
CURVE = {"kept": [0.5, 1.0], "risk": [0.2, 0.3], "best": [0.1, 0.3], "area": 0.25, "best_area": 0.2}
GAIN = {
    "share": 0.2, "whole": 0.3, "kept": 0.25, "value": 0.17, "lower": 0.1, "upper": None,
    "n_units": 40, "reason": "",
}  # fmt: skip


def record(**told: Any) -> StudyRecord:
    study = {"study": {"id": "s"}, "claim": [{"id": "c", "kind": "unseen_dose"}]}
    rows = [
        {"by": "all", "stratum": "", **ROW},
        {"by": "dose", "stratum": "high", **ROW, "coverage": 0.7},
        {"by": "time", "stratum": "2 s", **ROW, "coverage": 0.99},
        {"by": "sex_type", "stratum": "Male", **ROW, "coverage": 0.5, "n_units": 7},
    ]
    payload = {
        "method": "adaptive_conformal", "options": {"level": 0.9, "band": False}, "level": 0.9,
        "unit": "perturbation", "rows": rows, "reasons": {},
    }  # fmt: skip
    found = {"kind": "intervals", "subject": "c", "payload": payload | told, "inputs": {}}
    return read_record(
        {"study.json": canonical_json(study), "evidence/intervals-c.json": canonical_json(found)}
    )


@pytest.mark.requirement("E10", "O2")
def test_every_stratum_is_told_and_judged_where_units_are_enough() -> None:
    text = str(intervals(record()).blocks)
    assert "adaptive_conformal" in text
    for words in ("Dose: high", "holds less than it says", "wider than it needs to be"):
        assert words in text
    assert "Sex type: Male" in text
    assert text.count("holds less than it says") == 1  # 7 units are too few to say so
    assert "fewer than 30 units" in text
    assert "perturbations" in text


def test_a_band_is_judged_by_all_readouts_at_once() -> None:
    text = str(intervals(record(options={"band": True})).blocks)
    assert text.count("holds less than it says") == 3  # .2 of the questions, all readouts


def test_folds_without_intervals_say_why() -> None:
    text = str(intervals(record(rows=[], reasons={"fold-1": "4 units; 9 are needed"})).blocks)
    assert "1 fold: 4 units; 9 are needed" in text
    assert "No interval could be given" in text


@pytest.mark.requirement("E11")
def test_what_declining_gains_is_drawn_where_it_was_asked() -> None:
    risk = {"name": "estimated", "gain": GAIN, "curve": CURVE, "n_declined": 9}
    assert "Declining the 20" in str(intervals(record(risk=risk)).blocks)
    assert "Declining" not in str(intervals(record()).blocks)


def test_before_the_run_it_says_what_will_stand_here() -> None:
    nothing = read_record({"study.json": canonical_json({"study": {"id": "s"}})})
    assert "after the run" in str(intervals(nothing).blocks)
