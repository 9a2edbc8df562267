"""What made the intervals of a study, how often they held, and what declining questions gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cellula.core.numerals import percent, plural
from cellula.evaluation.risk_coverage import Doubt, Gain, RiskCoverage
from cellula.report.blocks import Absent, Block, Facts, Heading, Section, Text
from cellula.report.held import held_table
from cellula.report.record import StudyRecord
from cellula.report.risk import risk_blocks
from cellula.report.words import claim_scope, listing

__all__ = ["intervals"]

OBSERVED = "observed response"


def intervals(record: StudyRecord) -> Section:
    """Per claim: method, coverage of all strata with intervals over units, risk and coverage."""
    blocks: list[Block] = []
    for claim in record.claims:
        for item in record.about("intervals", str(claim["id"])):
            blocks.append(Heading(f"{claim['id']}: {claim_scope(str(claim.get('kind', '')))}"))
            blocks += _claim(item.payload)
    if not blocks:
        blocks.append(Absent("How often the intervals hold appears here after the run."))
    return Section("intervals", "How often the intervals hold", "Intervals", tuple(blocks))


def _claim(found: Mapping[str, Any]) -> list[Block]:
    """The facts of one claim, its table, and what declining does where that was asked."""
    options = found.get("options") or {}
    facts = [
        ("Method", f"`{found['method']}`, {listing(options) if options else 'defaults'}"),
        ("Level", f"{percent(found['level'])}, calibrated inside training"),
    ]
    reasons = found.get("reasons") or {}
    if reasons:
        told = "; ".join(dict.fromkeys(map(str, reasons.values())))
        facts.append(("Without intervals", f"{plural(len(reasons), 'fold')}: {told}"))
    blocks: list[Block] = [Facts(tuple(facts))]
    rows = tuple(found.get("rows") or ())
    blocks.append(held_table(found, rows) if rows else Absent("No interval could be given."))
    if any(row["by"] == OBSERVED for row in rows):
        blocks.append(
            Text(
                "Strata of the observed response are no questions: the large ones are those that "
                "the prediction missed, so no interval that is known beforehand can hold them as "
                "often as the small ones.",
                is_soft=True,
            )
        )
    if found.get("risk"):
        blocks += risk_blocks([_doubt(found["risk"])])
    return blocks


def _doubt(told: Mapping[str, Any]) -> Doubt:
    curve: dict[str, Any] = {
        name: np.asarray(value, np.float64) if isinstance(value, list) else value
        for name, value in told["curve"].items()
    }
    gain: dict[str, Any] = {
        name: float("nan") if value is None else value for name, value in told["gain"].items()
    }
    return Doubt(str(told["name"]), RiskCoverage(**curve), Gain(**gain))
