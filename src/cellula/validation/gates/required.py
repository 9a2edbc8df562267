"""Evidence that a gate cannot decide without."""

from __future__ import annotations

from collections.abc import Mapping

from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence

__all__ = ["required"]


def required(
    gate: str, kinds: tuple[str, ...], evidence: Mapping[str, Evidence]
) -> Mapping[str, Evidence]:
    """The evidence of these kinds; EvidenceError, naming what is missing, otherwise."""
    missing = [kind for kind in kinds if kind not in evidence]
    if missing:
        raise EvidenceError(
            f"gate {gate!r} needs evidence of kind {', '.join(kinds)}; missing: "
            f"{', '.join(missing)} (there is: {', '.join(sorted(evidence)) or 'none'})"
        )
    return evidence
