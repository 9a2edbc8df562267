"""Evidence that a gate cannot decide without."""

from __future__ import annotations

from collections.abc import Mapping

from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence

__all__ = ["required"]


def required(
    gate: str, kind: str, fields: tuple[str, ...], evidence: Mapping[str, Evidence]
) -> Evidence:
    """The evidence of this kind, with all fields of its payload that the gate reads.

    Raises EvidenceError, naming what is missing, when there is no such evidence, or when one of
    the fields is absent or an empty list: a gate never passes for lack of evidence.
    """
    if kind not in evidence:
        raise EvidenceError(
            f"gate {gate!r} needs evidence of kind {kind!r}; there is: "
            f"{', '.join(sorted(evidence)) or 'none'}; run the study from its entry gates on"
        )
    found = evidence[kind]
    missing = [name for name in fields if found.payload.get(name, []) == []]
    if missing:
        raise EvidenceError(
            f"gate {gate!r} cannot decide: the evidence {kind!r} of {found.subject!r} has no "
            f"{', '.join(missing)} (it has: {', '.join(sorted(found.payload)) or 'nothing'}); "
            "run the study again"
        )
    return found
