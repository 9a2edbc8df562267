"""The versions of a study: what each scored, on how fresh a hold-out, and why it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellula.core.numerals import number, span
from cellula.report.blocks import (
    Block,
    Cell,
    Column,
    Facts,
    Section,
    Status,
    Table,
    Text,
)
from cellula.report.cards import LedgerEntry
from cellula.report.curve import CurvePanel, CurvePoint, curve_figure
from cellula.report.record import StudyRecord
from cellula.report.words import metric_words, plain_words

__all__ = ["versions"]

STATUS: Mapping[str, Status] = {"passed": "pass", "failed": "fail", "underpowered": "wait"}
RULE = (
    "A version whose held-out profiles nobody in the line of versions had looked at is fresh: its "
    "intervals keep the registered level 1 - α. With k earlier attempts on linked labels (shared "
    "profiles, directly or through an attempt between) every gate's interval is taken at 1 - "
    "α/2^k, so that the attempts which follow one fresh hold-out err together with probability at "
    "most 2α, whatever their number (union bound, for each gate). Running a version again is no "
    "new attempt."
)


@dataclass(frozen=True, slots=True)
class _Version:
    """A registered version and the verdicts of its last finished run."""

    statement: Mapping[str, Any]
    decided: tuple[LedgerEntry, ...]

    @property
    def number(self) -> int:
        return int(self.statement["version"])

    def attempts(self, claim: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.statement.get("attempts") or {}).get(claim) or {}
        return found

    def n_earlier(self, claim: str) -> int:
        return len(self.attempts(claim).get("earlier_attempts") or ())


def versions(record: StudyRecord) -> tuple[Section, ...]:
    """The curve over versions with the reasons beneath; nothing where there is one version."""
    found = _versions(record)
    if len(found) < 2:
        return ()
    blocks: list[Block] = []
    panels = _panels(found)
    if panels:
        caption = (
            "Anchored score (0 is the baseline, 1 a replicate) by version, with the interval that "
            "decides and the threshold, dashed. Disc: fresh hold-out. Diamond: labels that an "
            "earlier version had opened; the share of α that was left to it stands beneath."
        )
        blocks.append(curve_figure(panels, caption))
    blocks.append(Facts(tuple((f"Version {one.number}", _reason(one)) for one in found)))
    rows = tuple(row for version in found for row in _rows(version))
    blocks += [_table(rows), Text(RULE, is_soft=True)]
    return (Section("versions", "Curve over versions", "Versions", tuple(blocks)),)


def _reason(version: _Version) -> str:
    return str(version.statement.get("reason") or "the first; it amends nothing")


def _versions(record: StudyRecord) -> list[_Version]:
    """All registered versions; of each the verdicts of its last run that came to an end."""
    last: dict[str, tuple[LedgerEntry, ...]] = {}
    running: list[LedgerEntry] = []
    for entry in record.ledger:
        if entry.kind == "run_started":
            running = []
        elif entry.kind == "decided" and entry.payload.get("gate") == "anchored_score":
            running.append(entry)
        elif entry.kind == "run_finished":
            last[str(entry.payload.get("study_hash"))] = tuple(running)
    statements = [
        (entry.payload.get("registration") or {}).get("statement")
        for entry in record.entries("registered")
    ]
    return [
        _Version(one, last.get(str(one["study_hash"]), ()))
        for one in statements
        if one and one.get("study_id") == record.part("study").get("id")
    ]


def _panels(found: Sequence[_Version]) -> list[CurvePanel]:
    points: dict[tuple[str, str], list[CurvePoint]] = {}
    for version in found:
        for claim, about, entry in _keyed(version):
            payload = entry.payload
            value, lower, upper, threshold = (
                _float(payload.get(key)) for key in ("number", "lower", "upper", "threshold")
            )
            point = CurvePoint(
                version.number, value, lower, upper, threshold, version.n_earlier(claim)
            )
            points.setdefault((claim, about), []).append(point)
    return [
        CurvePanel(f"{claim}: {about}", tuple(shown)) for (claim, about), shown in points.items()
    ]


def _keyed(version: _Version) -> list[tuple[str, str, LedgerEntry]]:
    """Claim, metric in words and entry; a metric that several gates read is numbered."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    for entry in version.decided:
        words = metric_words(str(entry.payload.get("about") or "score"))
        key = (entry.subject, words)
        seen[key] = seen.get(key, 0) + 1
        words = words if seen[key] == 1 else f"{words} ({seen[key]})"
        found.append((entry.subject, words, entry))
    return found


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _rows(version: _Version) -> list[tuple[Cell, ...]]:
    keyed = _keyed(version)
    rows: list[tuple[Cell, ...]] = []
    for claim in version.statement.get("sealed") or {}:
        mine = [(about, entry.payload) for name, about, entry in keyed if name == claim]
        levels = version.attempts(claim).get("levels") or ()
        for place, (about, payload) in enumerate(mine):
            level = levels[place] if place < len(levels) else None
            rows.append((*_about(version, claim, about), _hold_out(version, claim, level),
                         *_result(payload)))  # fmt: skip
        if not mine:
            undecided = Cell("not decided", "no finished run", status="none")
            start = _about(version, claim, "")
            rows.append((*start, _hold_out(version, claim, None), Cell("–"), Cell("–"), undecided))
    return rows


def _about(version: _Version, claim: str, about: str) -> tuple[Cell, Cell]:
    return Cell(str(version.number)), Cell(claim, about)


def _hold_out(version: _Version, claim: str, level: float | None) -> Cell:
    n_earlier = version.n_earlier(claim)
    told = "" if level is None else f"intervals at {100 * level:.6g}\u202f%"
    if n_earlier == 0:
        return Cell("fresh", told)
    return Cell(f"spent, α/{2**n_earlier}", told)


def _result(payload: Mapping[str, Any]) -> tuple[Cell, Cell, Cell]:
    lower, upper = _float(payload.get("lower")), _float(payload.get("upper"))
    interval = span(lower, upper) if math.isfinite(lower) and math.isfinite(upper) else ""
    outcome = str(payload.get("outcome") or "")
    return (
        Cell(number(_float(payload.get("number"))), interval),
        Cell(number(_float(payload.get("threshold")), 2)),
        Cell(plain_words(outcome), status=STATUS.get(outcome, "fail")),
    )


def _table(rows: tuple[tuple[Cell, ...], ...]) -> Table:
    columns = (
        Column("version", is_number=True),
        Column("claim"),
        Column("hold-out"),
        Column("anchored score", is_number=True),
        Column("at least", is_number=True),
        Column("verdict"),
    )
    return Table(columns, rows, is_stacked=True)
