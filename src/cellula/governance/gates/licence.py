"""The entry gate on licences: what the owners of the data allow covers the use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, final

from license_expression import ExpressionError, Licensing, get_spdx_licensing

from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence
from cellula.core.gate import Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.validation.gates.required import required
from cellula.validation.governance_plan import Use

__all__ = ["Licence", "refusal"]

#: What it reads of the evidence.
FIELDS = ("sources",)
#: Words inside the SPDX keys of licences for non-commercial use only.
NON_COMMERCIAL = ("-NC-", "NONCOMMERCIAL", "NON-COMMERCIAL")


@final
class Licence:
    """Passes when the licence of every source is stated and covers the use.

    Of alternatives (OR) one must, of parts (AND) each. Terms without an SPDX id
    (``LicenseRef-...``) pass with a caution: a person must read them.
    """

    name: ClassVar[str] = "licence"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.ENTRY
    options_type: ClassVar[type[Options]] = Options
    needs: ClassVar[tuple[str, ...]] = ("licence",)

    def __init__(self, options: Options) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence ``licence``."""
        found = required(self.name, "licence", FIELDS, evidence)
        stated = found.payload.get("use")
        use = None if stated is None else Use.model_validate(stated)
        sources = found.payload["sources"]
        bad = [
            f"{source['name']}: {why}"
            for source in sources
            if (why := refusal(source["license"], use, is_shared=source["is_shared"]))
        ]
        told = [f"{source['name']}: {source['license']}" for source in sources]
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=found.subject,
            outcome=Outcome.NOT_ELIGIBLE if bad else Outcome.PASSED,
            reason="; ".join(bad or told),
            number=float(len(bad)),
            threshold=0.0,
            evidence={"licence": found.hash},
        )


def refusal(license: str, use: Use | None, *, is_shared: bool) -> str:
    """Why a licence does not cover the use, "" when it does.

    license: SPDX expression or ``unknown``. is_shared: whether values of these data travel in
    the bundle, in another form than the owner's. Raises EvidenceError on any other text.
    """
    if license == "unknown":
        return (
            "the licence is unknown: state it as SPDX, such as CC-BY-4.0, or as LicenseRef-NAME "
            "for terms of its own"
        )
    try:
        node = _spdx().parse(license)
    except ExpressionError as error:
        raise EvidenceError(f"the licence {license!r} is no SPDX expression: {error}") from error
    return _refusal(node, use, is_shared)


def _refusal(node: Any, use: Use | None, is_shared: bool) -> str:
    licensing = _spdx()
    if isinstance(node, licensing.OR | licensing.AND):
        found = [_refusal(part, use, is_shared) for part in node.args]
        refused = list(dict.fromkeys(filter(None, found)))
        is_any = isinstance(node, licensing.OR)
        covers = "" in found if is_any else not refused
        return "" if covers else (" and " if is_any else "; ").join(refused)
    return _key_refusal(str(node.render()), use, is_shared)


def _key_refusal(key: str, use: Use | None, is_shared: bool) -> str:
    upper = f"{key.upper()}-"
    if any(word in upper for word in NON_COMMERCIAL):
        if use is None:
            return (
                f"{key} allows non-commercial use only, and the study is silent about its use: "
                "state governance.use.is_commercial"
            )
        if use.is_commercial:
            return f"{key} allows non-commercial use only, and governance.use.is_commercial is true"
    if "-ND-" in upper and is_shared:
        return f"{key} forbids sharing derived data, and the bundle would hold them"
    return ""


@lru_cache(maxsize=1)
def _spdx() -> Licensing:
    return get_spdx_licensing()
