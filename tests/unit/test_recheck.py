"""Deciding again from a bundle finds every verdict that does not follow from its evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from study_example import made, study

from cellula.core.canonical import canonical_json
from cellula.validation.recheck import decide_again

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return made(tmp_path_factory.mktemp("bundle") / "one", study())


def changed(files: Files, path: str, change: Callable[[Any], object]) -> Files:
    content = json.loads(files[path])
    change(content)
    return files | {path: canonical_json(content)}


@pytest.mark.requirement("O2", "L12")
def test_the_verdicts_follow_from_the_evidence(files: Files) -> None:
    found = decide_again(files)
    assert found.is_intact
    assert "verdicts follow from the evidence" in found.known[0]


FORGERIES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "a verdict": ("verdicts.json", lambda found: found[0].update(outcome="failed")),
    "a reason that is no text": ("verdicts.json", lambda found: found[0].update(reason=1)),
    "a verdict and its reason": (
        "verdicts.json",
        lambda found: found[0].update(reason="other words", number=9.0),
    ),
    "a digest of decisions": (
        "verdicts.json",
        lambda found: found[-1]["evidence"].update(decisions="0" * 64),
    ),
    "one verdict less": ("verdicts.json", lambda found: found.pop()),
    "a score": (
        "evidence/anchored_score-pairs.json",
        lambda found: found["payload"].update(lower=-1.0),
    ),
    "a threshold": ("study.json", lambda found: found["claim"][0]["gate"][0].update(at_least=0.99)),
    "a leak": (
        "evidence/leakage-pairs.json",
        lambda found: found["payload"]["checks"][0].update(is_leak=True),
    ),
    "an empty payload": ("evidence/quality-data.json", lambda found: found.update(payload={})),
    "a study that is none": ("study.json", lambda found: found.pop("claim")),
}


@pytest.mark.requirement("O2")
@pytest.mark.parametrize("forgery", FORGERIES)
def test_every_forgery_is_found(files: Files, forgery: str) -> None:
    path, change = FORGERIES[forgery]
    found = decide_again(changed(files, path, change))
    assert [problem.file for problem in found.problems] == ["verdicts.json"]


@pytest.mark.requirement("O2")
def test_reasons_in_the_words_of_another_version_are_told_not_tampering(files: Files) -> None:
    """A gate may come to say the same in other words; what it decided must still follow."""
    reworded = changed(files, "verdicts.json", lambda found: found[1].update(reason="other words"))
    found = decide_again(reworded)
    assert found.is_intact

    def reword(verdicts: list[dict[str, Any]]) -> None:
        for verdict in verdicts:
            verdict["reason"] = "other words"
            if "decisions" in verdict["evidence"]:
                verdict["evidence"]["decisions"] = "0" * 64

    assert decide_again(changed(files, "verdicts.json", reword)).is_intact
    assert found.unknown[0].startswith("1 of the reasons are worded otherwise")
    assert decide_again(files).unknown == ()


@pytest.mark.parametrize("path", ["study.json", "verdicts.json", "evidence/batch-data.json"])
def test_a_file_that_is_missing_or_damaged_is_a_problem_not_an_error(
    files: Files, path: str
) -> None:
    missing = decide_again({name: data for name, data in files.items() if name != path})
    assert [problem.file for problem in missing.problems] == [path]
    assert not decide_again(files | {path: files[path][:-5]}).is_intact
