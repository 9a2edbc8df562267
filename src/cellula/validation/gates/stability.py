"""The exit gate of the inner loop: a claim leaves it when decided for and stable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

from pydantic import Field

from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.core.numerals import at_most
from cellula.validation.gates.required import required

__all__ = ["Stability", "StabilityOptions"]

#: Outcomes that let a claim pass its decision gates.
GOOD = (Outcome.PASSED, Outcome.CONFIRMED)


class StabilityOptions(Options):
    """How far a score may move, on the anchored scale."""

    max_sd: float = Field(default=0.1, gt=0)
    """The largest spread; 0.1 is a tenth of the way from the best trivial answer to a replicate."""
    on_fail: Feedback = Feedback.REGULARIZATION
    """Where a failure sends the study back to."""


@final
class Stability:
    """Passes when every decision gate of the claim passed AND no spread exceeds ``max_sd``.

    A spread is the standard deviation of the anchored score of a decision gate over resamples
    of the unit of replication and, for models fitted with several seeds, over the seeds; the
    largest one counts. An underpowered decision leaves the exit underpowered too.
    """

    name: ClassVar[str] = "stability"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.EXIT
    options_type: ClassVar[type[Options]] = StabilityOptions
    needs: ClassVar[tuple[str, ...]] = ("decisions", "stability")

    def __init__(self, options: StabilityOptions) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the verdicts in ``decisions`` and the spreads in ``stability`` of a claim."""
        decisions = required(self.name, "decisions", ("verdicts",), evidence)
        spreads = required(self.name, "stability", ("rows",), evidence)
        # A score without a spread is the least stable of all.
        known = [row for row in spreads.payload["rows"] if row["sd"] is not None]
        is_known = len(known) == len(spreads.payload["rows"])
        worst = max(known, key=lambda row: float(row["sd"])) if known else None
        told = self._told(worst) if is_known and worst else "a score has no spread"
        is_stable = is_known and worst is not None and worst["sd"] <= self.options.max_sd
        outcome, why, feedback = self._outcome(decisions.payload["verdicts"], is_stable)
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=spreads.subject,
            outcome=outcome,
            reason=f"{why}; {told}" if why else told,
            number=None if worst is None else float(worst["sd"]),
            threshold=self.options.max_sd,
            feedback=feedback,
            evidence={"decisions": decisions.hash, "stability": spreads.hash},
            about="" if worst is None else f"sd of {worst['metric']}",
        )

    def _told(self, row: Mapping[str, Any]) -> str:
        over = f"{row['n']:,} {row['over']}"
        whose = "" if row["model"] == "selected" else f" of {row['model']}"
        return f"largest sd {at_most(float(row['sd']), self.options.max_sd)}, over {over}{whose}"

    def _outcome(
        self, verdicts: Sequence[Mapping[str, Any]], is_stable: bool
    ) -> tuple[Outcome, str, Feedback | None]:
        """Outcome, what kept the claim in the loop ("" for spread alone), where to go back to."""
        barred = [verdict for verdict in verdicts if verdict["outcome"] not in GOOD]
        failed = [one for one in barred if one["outcome"] != Outcome.UNDERPOWERED]
        if failed:
            back = failed[0]["feedback"]
            feedback = Feedback(back) if back else self.options.on_fail
            return Outcome.FAILED, f"not decided for: {_names(failed)} failed", feedback
        if barred:
            return Outcome.UNDERPOWERED, f"not decided: {_names(barred)} underpowered", None
        if not is_stable:
            return Outcome.FAILED, "", self.options.on_fail
        return Outcome.PASSED, "", None


def _names(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """What the decision gates were about: ``variance explained, Spearman``."""
    names = (str(one["about"] or one["gate"]).partition("@")[0] for one in verdicts)
    return ", ".join(dict.fromkeys(name.replace("_", " ") for name in names))
