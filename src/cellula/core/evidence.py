"""Immutable pieces of evidence and the record of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cellula.core.canonical import hash_json

__all__ = ["Evidence", "RunRecord"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finding, with the hashes of what it was computed from.

    kind: what it is (``leakage``, ``quality``, ``batch``, ``anchored_score`` ...); subject: the
    claim or data it is about; payload: JSON values only; inputs: SHA-256 by name.
    """

    kind: str
    subject: str
    payload: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """SHA-256 of its canonical JSON."""
        return hash_json(self)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What ran, with what, on what: enough to run it again.

    options, versions: by name. inputs, outputs: SHA-256 by name. seconds and peak_bytes are
    measurements: they go to the ledger, never into the deterministic bundle.
    """

    step: str
    subject: str
    plugin: str
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    seed: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    peak_bytes: int | None = None
