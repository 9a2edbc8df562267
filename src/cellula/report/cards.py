"""The records inside a bundle as typed values: data, models, scores, ledger entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cellula.core.evidence import Evidence

__all__ = [
    "Anchored",
    "DataCard",
    "Fit",
    "GateScore",
    "LedgerEntry",
    "ModelCard",
    "ScoreRow",
    "ScoreTable",
    "fit_of",
]

NAN = float("nan")


def _real(value: object) -> float:
    """A JSON number as a float; null, which stands for a number that is not finite, as NaN."""
    return float(value) if isinstance(value, int | float) else NAN


@dataclass(frozen=True, slots=True)
class DataCard:
    """One source of data: what it is, whose it is, who is in it.

    sources: SHA-256 by file. roles: (role, distinct values). counts: profiles of contexts and
    perturbations, the most frequent first; spread: role -> least, median and most profiles that
    one has. labels: other columns, each with (label, contexts, profiles). names: role -> label
    -> common name. embedding: where vectors that are features come from.
    """

    name: str
    role: str
    value_type: str
    license: str
    duo: tuple[str, ...]
    jurisdiction: str
    residency: tuple[str, ...]
    citation: str
    sources: Mapping[str, str]
    n_profiles: int
    n_readouts: int
    n_controls: int
    roles: tuple[tuple[str, int], ...]
    counts: Mapping[str, tuple[tuple[str, int], ...]]
    digest: str
    spread: Mapping[str, tuple[float, float, float]]
    labels: Mapping[str, tuple[tuple[str, int, int], ...]]
    names: Mapping[str, Mapping[str, str]]
    embedding: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(row: Mapping[str, Any]) -> DataCard:
        """From one entry of ``data.json``."""
        counts: Mapping[str, Any] = row.get("counts") or {}
        return DataCard(
            name=str(row["name"]),
            role=str(row.get("role") or "profiles"),
            value_type=str(row.get("value_type") or ""),
            license=str(row.get("license") or "unknown"),
            duo=tuple(row.get("duo") or ()),
            jurisdiction=str(row.get("jurisdiction") or ""),
            residency=tuple(row.get("residency") or ()),
            citation=str(row.get("citation") or ""),
            sources=dict(row.get("sources") or {}),
            n_profiles=int(row.get("n_profiles") or 0),
            n_readouts=int(row.get("n_readouts") or 0),
            n_controls=int(row.get("n_controls") or 0),
            roles=tuple((str(r["role"]), int(r["n_distinct"])) for r in row.get("roles") or ()),
            counts={
                name: tuple((str(label), int(n)) for label, n in rows or ())
                for name, rows in counts.items()
            },
            digest=str(row.get("digest") or ""),
            spread={
                str(role): (_real(one["least"]), _real(one["median"]), _real(one["most"]))
                for role, one in (row.get("spread") or {}).items()
            },
            labels={
                str(one["label"]): tuple((str(name), int(c), int(n)) for name, c, n in one["rows"])
                for one in row.get("labels") or ()
            },
            names={str(role): dict(one) for role, one in (row.get("names") or {}).items()},
            embedding=dict(row.get("embedding") or {}),
        )


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One registered model: what it is, its options and what it assumes."""

    id: str
    plugin: str
    options: Mapping[str, Any]
    seeds: tuple[int, ...]
    references: tuple[str, ...]
    is_baseline: bool
    capabilities: Mapping[str, Any]
    assumptions: str

    @staticmethod
    def of(row: Mapping[str, Any]) -> ModelCard:
        """From one entry of ``models.json``; assumptions may be a text or a list of texts."""
        assumed = row.get("assumptions") or ""
        is_list = isinstance(assumed, Sequence) and not isinstance(assumed, str)
        return ModelCard(
            id=str(row["id"]),
            plugin=str(row.get("plugin") or row["id"]),
            options=dict(row.get("options") or {}),
            seeds=tuple(row.get("seeds") or ()),
            references=tuple(row.get("references") or ()),
            is_baseline=bool(row.get("is_baseline")),
            capabilities=dict(row.get("capabilities") or {}),
            assumptions="; ".join(assumed) if is_list else str(assumed),
        )


@dataclass(frozen=True, slots=True)
class Anchored:
    """An anchored score (u - b)/(r - b) with what it is anchored on."""

    value: float
    lower: float
    upper: float
    b: float
    r: float
    baseline: str
    ceiling: str
    reason: str


def _anchored(row: Mapping[str, Any]) -> Anchored:
    return Anchored(
        value=_real(row.get("value")),
        lower=_real(row.get("lower")),
        upper=_real(row.get("upper")),
        b=_real(row.get("b")),
        r=_real(row.get("r")),
        baseline=str(row.get("baseline") or ""),
        ceiling=str(row.get("ceiling") or ""),
        reason=str(row.get("reason") or ""),
    )


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One model by one metric; without a value there is a reason."""

    model: str
    metric: str
    value: float
    lower: float
    upper: float
    reason: str
    anchored: Anchored | None


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """All models by all metrics of one claim; intervals resample ``unit`` at ``level``."""

    unit: str
    n_units: int
    n_groups: int
    level: float
    rows: tuple[ScoreRow, ...]

    @staticmethod
    def of(evidence: Evidence) -> ScoreTable:
        """From evidence of the kind ``scores``."""
        found = evidence.payload
        return ScoreTable(
            unit=str(found.get("unit") or "unit"),
            n_units=int(found.get("n_units") or 0),
            n_groups=int(found.get("n_groups") or 0),
            level=_real(found.get("level")),
            rows=tuple(
                ScoreRow(
                    model=str(row["model"]),
                    metric=str(row["metric"]),
                    value=_real(row.get("value")),
                    lower=_real(row.get("lower")),
                    upper=_real(row.get("upper")),
                    reason=str(row.get("reason") or ""),
                    anchored=_anchored(row["anchored"]) if row.get("anchored") else None,
                )
                for row in found.get("rows") or ()
            ),
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics in the order of the evidence."""
        return tuple(dict.fromkeys(row.metric for row in self.rows))

    @property
    def models(self) -> tuple[str, ...]:
        """The models in the order of the evidence."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    def row(self, model: str, metric: str) -> ScoreRow | None:
        """The score of one model by one metric."""
        rows = (row for row in self.rows if (row.model, row.metric) == (model, metric))
        return next(rows, None)


@dataclass(frozen=True, slots=True)
class GateScore:
    """The anchored score that a claim's gate reads; u, b and r in the metric's own unit."""

    metric: str
    space: str
    model: str
    level: float
    u: float
    unit: str
    n_units: int
    n_groups: int
    n_unresolvable: int
    anchored: Anchored

    @staticmethod
    def of(evidence: Evidence) -> GateScore:
        """From evidence of the kind ``anchored_score``."""
        found = evidence.payload
        return GateScore(
            metric=str(found["metric"]),
            space=str(found.get("space") or "readouts"),
            model=str(found.get("model") or ""),
            level=_real(found.get("level")),
            u=_real(found.get("u")),
            unit=str(found.get("unit") or "unit"),
            n_units=int(found.get("n_units") or 0),
            n_groups=int(found.get("n_groups") or 0),
            n_unresolvable=int(found.get("n_unresolvable") or 0),
            anchored=_anchored(found),
        )

    @property
    def is_higher_better(self) -> bool:
        """Which way the metric points: the ceiling lies above the baseline or below it."""
        return not self.anchored.r < self.anchored.b


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One thing that happened, when, and to what."""

    seq: int
    time: str
    kind: str
    subject: str
    payload: Mapping[str, Any]

    @staticmethod
    def of(row: Mapping[str, Any]) -> LedgerEntry:
        """From an exported entry; a time in seconds becomes ISO 8601 in UTC."""
        time = row.get("time")
        if isinstance(time, int | float):
            time = datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
        return LedgerEntry(
            seq=int(row["seq"]),
            time=str(time or ""),
            kind=str(row["kind"]),
            subject=str(row.get("subject") or ""),
            payload=dict(row.get("payload") or {}),
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """What one fit took, as the ledger measured it."""

    model: str
    claim: str
    fold: str
    seconds: float
    n_parameters: float
    peak_bytes: float


def fit_of(entry: LedgerEntry) -> Fit:
    """The fit that an entry of the kind ``fitted`` records."""
    found = entry.payload
    return Fit(
        model=str(found.get("model") or entry.subject),
        claim=str(found.get("claim") or ""),
        fold=str(found.get("fold") if found.get("fold") is not None else ""),
        seconds=_real(found.get("seconds")),
        n_parameters=_real(found.get("n_parameters")),
        peak_bytes=_real(found.get("peak_bytes")),
    )
