"""The entry gate on consent: the data are used as the people behind them allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

from cellula.core.evidence import Evidence
from cellula.core.gate import Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.data.consent import consent_code
from cellula.governance.duo import conflicts, may_reside
from cellula.validation.gates.required import required
from cellula.validation.governance_plan import Use

__all__ = ["Consent"]

#: What it reads of the evidence.
FIELDS = ("sources",)


@final
class Consent:
    """Passes when the codes of every source allow the use, and its country may hold the data.

    Data without a code pass, with a caution; data with a condition, or for some purposes only,
    do not as long as the study is silent about its use.
    """

    name: ClassVar[str] = "consent"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.ENTRY
    options_type: ClassVar[type[Options]] = Options
    needs: ClassVar[tuple[str, ...]] = ("consent",)

    def __init__(self, options: Options) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence ``consent``."""
        found = required(self.name, "consent", FIELDS, evidence)
        stated = found.payload.get("use")
        use = None if stated is None else Use.model_validate(stated)
        told, bad = [], []
        for source in found.payload["sources"]:
            wrong = _conflicts(source, use)
            bad += [f"{source['name']}: {text}" for text in wrong]
            told.append(f"{source['name']}: {_allowed(source)}")
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=found.subject,
            outcome=Outcome.NOT_ELIGIBLE if bad else Outcome.PASSED,
            reason="; ".join(bad or told),
            number=float(len(bad)),
            threshold=0.0,
            evidence={"consent": found.hash},
        )


def _conflicts(source: Mapping[str, Any], use: Use | None) -> list[str]:
    codes = [consent_code(code) for code in source["duo"]]
    wrong = conflicts(codes, use) if codes else []
    residency, country = source["residency"], use.country if use else ""
    if residency and country and not may_reside(country, residency):
        wrong.append(
            f"the data may reside in {', '.join(residency)} only, and governance.use.country is "
            f"{country}: run the study there"
        )
    return wrong


def _allowed(source: Mapping[str, Any]) -> str:
    if not source["duo"]:
        return "no consent code is declared"
    return "use allowed by " + ", ".join(consent_code(code).words for code in source["duo"])
