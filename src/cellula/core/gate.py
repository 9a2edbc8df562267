"""Gates: the same evidence always gives the same verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.model import Options

__all__ = ["FEEDBACK", "Feedback", "Gate", "Loop", "Outcome", "Slot", "Verdict"]


class Outcome(StrEnum):
    """How a gate decides; the last three belong to the middle loop."""

    PASSED = "passed"
    FAILED = "failed"
    UNDERPOWERED = "underpowered"
    NOT_ELIGIBLE = "not_eligible"
    CONFIRMED = "confirmed"
    DIRECTION_CONFLICT = "direction_conflict"
    MAGNITUDE_CONFLICT = "magnitude_conflict"
    NULL = "null"


class Loop(StrEnum):
    """The three nested loops."""

    INNER = "inner"
    MIDDLE = "middle"
    OUTER = "outer"


class Slot(StrEnum):
    """The three gates of every loop."""

    ENTRY = "entry"
    DECISION = "decision"
    EXIT = "exit"


class Feedback(StrEnum):
    """Where a failed gate sends the study back to."""

    DATA_CLEANING = "data_cleaning"
    STRUCTURAL_PRIOR = "structural_prior"
    REGULARIZATION = "regularization"
    MODELING_ASSUMPTIONS = "modeling_assumptions"
    FEATURE_SELECTION = "feature_selection"
    PROTOCOL_PARAMETERS = "protocol_parameters"
    FEATURE_ENGINEERING = "feature_engineering"
    EXPERIMENTAL_DESIGN = "experimental_design"


#: The feedback that each loop may give.
FEEDBACK: Mapping[Loop, frozenset[Feedback]] = {
    Loop.INNER: frozenset(
        {Feedback.DATA_CLEANING, Feedback.STRUCTURAL_PRIOR, Feedback.REGULARIZATION}
    ),
    Loop.MIDDLE: frozenset(
        {
            Feedback.MODELING_ASSUMPTIONS,
            Feedback.FEATURE_SELECTION,
            Feedback.PROTOCOL_PARAMETERS,
        }
    ),
    Loop.OUTER: frozenset({Feedback.FEATURE_ENGINEERING, Feedback.EXPERIMENTAL_DESIGN}),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate decided, the number it decided by, and why.

    number, lower, upper, threshold are None where the gate has no number. evidence: hashes of
    the evidence it read, by kind. feedback: where to go back to; only on a failure. about: what
    the number measures, such as a metric's ``name@version``; "" where the gate's name says it.
    """

    gate: str
    loop: Loop
    slot: Slot
    subject: str
    outcome: Outcome
    reason: str
    number: float | None = None
    lower: float | None = None
    upper: float | None = None
    threshold: float | None = None
    feedback: Feedback | None = None
    evidence: Mapping[str, str] | None = None
    about: str = ""

    def __post_init__(self) -> None:
        if self.feedback is not None and self.feedback not in FEEDBACK[self.loop]:
            allowed = ", ".join(sorted(FEEDBACK[self.loop]))
            raise DataError(
                f"feedback {self.feedback.value!r} is not of the {self.loop.value} loop; "
                f"expected one of {allowed}"
            )

    @property
    def has_passed(self) -> bool:
        """Whether the study may go on past this gate."""
        return self.outcome in {Outcome.PASSED, Outcome.CONFIRMED}


@runtime_checkable
class Gate(Protocol):
    """A pure rule from evidence to a verdict."""

    name: ClassVar[str]
    loop: ClassVar[Loop]
    slot: ClassVar[Slot]
    options_type: ClassVar[type[Options]]
    needs: ClassVar[tuple[str, ...]]
    options: Any

    def __init__(self, options: Any) -> None: ...

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence of the kinds in ``needs``.

        Raises EvidenceError, naming the kind, when evidence is missing: a gate never passes
        for lack of evidence.
        """
