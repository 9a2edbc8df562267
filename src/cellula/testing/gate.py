"""The rules of :class:`~cellula.core.gate.Gate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

from cellula.core.canonical import canonical_json, hash_json
from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence
from cellula.core.gate import Gate, Loop, Outcome, Slot, Verdict
from cellula.testing.rule import NotConformant, Rules

__all__ = ["GateConformance"]

#: Outcomes that a failed gate sends back with feedback.
SENT_BACK = frozenset({Outcome.FAILED, Outcome.DIRECTION_CONFLICT, Outcome.MAGNITUDE_CONFLICT})
MIDDLE_ONLY = frozenset(
    {Outcome.CONFIRMED, Outcome.DIRECTION_CONFLICT, Outcome.MAGNITUDE_CONFLICT, Outcome.NULL}
)


@final
@dataclass(frozen=True, slots=True)
class GateConformance:
    """Every rule that a gate keeps.

    plugin: the class. options: by name. passing, failing: sets of evidence, by kind, on which
    it must pass and must not; without them only the rules that need no evidence are checked.
    """

    plugin: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    passing: Sequence[Mapping[str, Evidence]] = ()
    failing: Sequence[Mapping[str, Evidence]] = ()

    def check(self) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        self.check_missing()
        for evidence in self.passing:
            verdict = self.check_verdict(evidence)
            self._rules().require(verdict.has_passed, "it passes on good evidence", verdict.reason)
            self.check_empty(evidence)
        for evidence in self.failing:
            verdict = self.check_verdict(evidence)
            self._rules().require(
                not verdict.has_passed, "it does not pass on bad evidence", verdict.reason
            )

    def check_declaration(self) -> None:
        """Name, loop, slot, options and needs are declared."""
        rules, gate = self._rules(), self._gate()
        rules.check_declaration(self.plugin, Gate, gate)
        rules.check_options(self.plugin.options_type, gate.options)
        rules.require(isinstance(gate.loop, Loop), "loop is a Loop", gate.loop)
        rules.require(isinstance(gate.slot, Slot), "slot is a Slot", gate.slot)
        is_told = isinstance(gate.needs, tuple) and bool(gate.needs) and all(gate.needs)
        rules.require(is_told, "needs names the kinds of evidence it reads", repr(gate.needs))

    def check_missing(self) -> None:
        """Without its evidence it raises EvidenceError, naming the kind: it never passes."""
        rules, gate = self._rules(), self._gate()
        given = self.passing[0] if self.passing else {}
        for kind in gate.needs:
            rest = {key: value for key, value in given.items() if key != kind}
            with rules.must_raise(EvidenceError, f"missing {kind!r} is an EvidenceError"):
                gate.decide(rest)
            try:
                gate.decide(rest)
            except EvidenceError as error:
                rules.require(kind in str(error), f"the error names {kind!r}", error)

    def check_empty(self, evidence: Mapping[str, Evidence]) -> None:
        """Evidence without content raises EvidenceError, or KeyError naming the field."""
        rules, gate = self._rules(), self._gate()
        empty = {kind: replace(item, payload={}) for kind, item in evidence.items()}
        with rules.must_raise((EvidenceError, KeyError), "evidence without content is an error"):
            gate.decide(empty)

    def check_verdict(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Pure, and the verdict agrees with the gate and with the evidence it read."""
        rules, gate = self._rules(), self._gate()
        before = hash_json(evidence)
        verdict, again = (
            gate.decide(evidence),
            self._gate().decide(dict(reversed(list(evidence.items())))),
        )
        rules.require(hash_json(evidence) == before, "the evidence is left as it was")
        if not isinstance(verdict, Verdict):
            raise NotConformant(f"{rules.subject}: decide returns a Verdict; found {verdict!r}")
        rules.require(
            canonical_json(verdict) == canonical_json(again), "the same evidence, the same verdict"
        )
        stranger = Evidence("never_seen_kind", "nothing", {"value": 1})
        more = gate.decide({**evidence, "never_seen_kind": stranger})
        rules.require(
            canonical_json(more) == canonical_json(verdict), "other evidence does not move it"
        )
        self._check_consistent(rules, verdict, evidence)
        return verdict

    def _check_consistent(
        self, rules: Rules, verdict: Verdict, evidence: Mapping[str, Evidence]
    ) -> None:
        gate = self._gate()
        rules.require(verdict.gate == gate.name, "the verdict names the gate", verdict.gate)
        rules.require(verdict.loop is gate.loop, "the verdict is of the gate's loop", verdict.loop)
        rules.require(verdict.slot is gate.slot, "the verdict is of the gate's slot", verdict.slot)
        rules.require(bool(verdict.reason.strip()), "the verdict has a reason")
        is_told = isinstance(verdict.about, str) and (not verdict.about or _has_number(verdict))
        rules.require(is_told, "about names what a number measures", repr(verdict.about))
        subjects = {evidence[kind].subject for kind in gate.needs}
        rules.require(verdict.subject in subjects, "its subject is the evidence's", verdict.subject)
        read = {kind: evidence[kind].hash for kind in gate.needs}
        rules.require(
            dict(verdict.evidence or {}) == read, "it carries the hashes of what it read", verdict
        )
        is_sent_back = verdict.outcome in SENT_BACK
        rules.require(
            (verdict.feedback is not None) == is_sent_back,
            "a failure, and only a failure, says where to go back to",
            f"{verdict.outcome} with feedback {verdict.feedback}",
        )
        rules.require(
            verdict.outcome not in MIDDLE_ONLY or gate.loop is Loop.MIDDLE,
            "its outcome is one of its loop",
            verdict.outcome,
        )

    def _rules(self) -> Rules:
        return Rules(f"gate {getattr(self.plugin, 'name', self.plugin)!r}")

    def _gate(self) -> Any:
        return self.plugin(self.plugin.options_type(**self.options))


def _has_number(verdict: Verdict) -> bool:
    """Whether there is a number to speak about, or would be had it failed for another reason."""
    return verdict.number is not None or not verdict.has_passed
