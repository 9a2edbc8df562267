"""Deciding again from a bundle: the verdicts must follow from the evidence beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cellula.core.canonical import canonical_json, plain
from cellula.core.errors import CellulaError, Tampered
from cellula.core.evidence import Evidence
from cellula.evidence.attempts import level_after, told_attempts
from cellula.evidence.findings import Problem, Verification
from cellula.evidence.registration import REGISTRATION, registered_statement
from cellula.validation.bundling import evidence_path
from cellula.validation.credibility import standings
from cellula.validation.deciding import ENTRY_GATES, decide_study
from cellula.validation.study import Study

__all__ = ["decide_again"]

VERDICTS = "verdicts.json"
DECISIONS = "decisions"
OTHER_WORDS = (
    "{} of the reasons are worded otherwise than this version words them, as those of another "
    "version are: outcomes, numbers and thresholds follow from the evidence; go by these"
)
#: What evidence of another form than its gate expects may raise.
UNDECIDABLE = (
    CellulaError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def decide_again(files: Mapping[str, bytes]) -> Verification:
    """Decide every gate again from the study and the evidence of a bundle.

    Never raises on a damaged bundle: what cannot be read is a problem that names its file.
    """
    try:
        study = Study.model_validate(json.loads(files["study.json"]))
        evidence = _evidence(study, files)
        verdicts = decide_study(study, evidence)
        again = plain(list(verdicts))
        recorded = json.loads(files[VERDICTS])
        n_reworded = _n_reworded(recorded, again)
    except KeyError as error:
        return Verification((Problem(str(error).strip("'"), "is missing: no gate can decide"),))
    except UNDECIDABLE as error:
        return Verification((Problem(VERDICTS, f"cannot be decided again: {error}"),))
    if n_reworded is None:
        wrong = "does not follow from the evidence: deciding again gives other verdicts"
        return Verification((Problem(VERDICTS, wrong),))
    known = [f"all {len(verdicts)} verdicts follow from the evidence"]
    known += [
        f"claim {one.claim}: tier {one.tier.value} reached, {one.required.value} required; "
        f"permitted use: {one.permitted_use}"
        for one in standings(study.model_dump(mode="json"), verdicts, evidence)
    ]
    wrong_levels = tuple(_level_problems(study, files, evidence))
    unknown = (OTHER_WORDS.format(n_reworded),) if n_reworded else ()
    return Verification(wrong_levels, known=tuple(known), unknown=unknown)


def _n_reworded(recorded: list[dict[str, Any]], again: list[dict[str, Any]]) -> int | None:
    """How many verdicts are equal but for the words of their reason; None where one decides else.

    Another version of a gate may say the same in other words: that is no change of a verdict.
    """
    if len(recorded) != len(again):
        return None
    pairs = list(zip(recorded, again, strict=True))
    n = sum(told.get("reason") != found["reason"] for told, found in pairs)
    is_same = all(
        canonical_json(_in_words_of(told, found) if n else told) == canonical_json(found)
        for told, found in pairs
    )
    return n if is_same else None


def _in_words_of(told: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recorded verdict with another's reason; the digest of decisions covers their reasons."""
    if not isinstance(told.get("reason"), str):
        return told
    digest = {key: found["evidence"][key] for key in (DECISIONS,) if key in found["evidence"]}
    return {**told, "reason": found["reason"], "evidence": {**told["evidence"], **digest}}


def _level_problems(
    study: Study, files: Mapping[str, bytes], evidence: Sequence[Evidence]
) -> Iterator[Problem]:
    """Intervals that are not at the level left by the attempts that the registration counts."""
    try:
        attempts = told_attempts(registered_statement(files) or {})
    except Tampered as error:
        yield Problem(REGISTRATION, str(error))
        return
    for claim in study.claim:
        told = attempts.get(claim.id)
        n_earlier = 0 if told is None else len(told.earlier_attempts)
        left = [level_after(rule.ci, n_earlier) for rule in claim.gate]
        if told is not None and told.levels != left:
            wrong = (
                f"registers the levels {told.levels} for {claim.id}; {n_earlier} earlier "
                f"attempt(s) leave {left}"
            )
            yield Problem(REGISTRATION, wrong)
        scores = [
            item for item in evidence if (item.kind, item.subject) == ("anchored_score", claim.id)
        ]
        for number, (level, item) in enumerate(zip(left, scores, strict=False), start=1):
            if item.payload.get("level") != level:
                wrong = (
                    f"its interval is at the level {item.payload.get('level')}; registered, "
                    f"after {n_earlier} earlier attempt(s), was {level}"
                )
                yield Problem(evidence_path(item.kind, item.subject, number), wrong)


def _evidence(study: Study, files: Mapping[str, bytes]) -> list[Evidence]:
    """What the gates read, in the order in which they read it."""
    found: list[Evidence] = []
    for kind in ENTRY_GATES.values():
        subjects = [claim.id for claim in study.claim] if kind == "leakage" else ["data"]
        found += [_read(files, evidence_path(kind, subject)) for subject in subjects]
    for claim in study.claim:
        for number in range(1, len(claim.gate) + 1):
            path = evidence_path("anchored_score", claim.id, number)
            if path in files:
                found.append(_read(files, path))
        if any(item.subject == claim.id for item in found if item.kind == "anchored_score"):
            found.append(_read(files, evidence_path("stability", claim.id)))
    return found


def _read(files: Mapping[str, bytes], path: str) -> Evidence:
    item: dict[str, Any] = json.loads(files[path])
    return Evidence(item["kind"], item["subject"], item["payload"], item["inputs"])
