"""``cellula amend``: the next version of a registered study, its reason, and what it costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellula.cli.study import WORKSPACE, Cache, DataFolder, Json, StudyFile, WorkspaceFolder
from cellula.cli.terminal import print_json, say, say_attempts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellula.evidence.lineage import Version
    from cellula.validation.amendment import Change
    from cellula.validation.study import Amendment, Study

__all__ = ["amend"]

#: A value is cut beyond this many characters.
WIDEST = 60


def amend(
    file: StudyFile,
    reason: Annotated[str, typer.Option("--reason", help="Why the study is changed.")] = "",
    workspace: WorkspaceFolder = WORKSPACE,
    cache: Cache = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Make the edited FILE the next version of its study; tells what changed and what it costs."""
    from cellula.core.errors import StudyError
    from cellula.io.atomic import write_atomically
    from cellula.validation.amendment import (
        attempts_of,
        changes,
        latest_version,
        registered_tree,
    )
    from cellula.validation.preparation import prepare
    from cellula.validation.study import read_study
    from cellula.validation.study_text import amended_text
    from cellula.validation.workspace import find_workspace

    study = read_study(file)
    place = find_workspace(workspace)
    last = latest_version(place, study.study.id)
    before = registered_tree(place, last)
    changed = changes(before, json.loads(study.canonical))
    if not changed:
        raise StudyError(
            f"{file} says the same as version {last.number}, which is registered: there is "
            "nothing to amend; edit the file first"
        )
    amendment = _amendment(study, last, reason)
    prepared = prepare(file, cache, data)
    attempts = {claim: one.statement for claim, one in attempts_of(prepared, place).items()}
    version = last.number + 1
    is_written = (study.study.version, study.amendment) == (version, amendment)
    if not is_written:
        content = amended_text(prepared.source, file.name, version, amendment)
        write_atomically(file, content)
    if as_json:
        print_json(
            {
                "study_id": study.study.id,
                "version": version,
                "amendment": amendment.model_dump(),
                "is_edited": not is_written,
                "changes": changed,
                "attempts": attempts,
            }
        )
        return
    done = "has" if is_written else "now has"
    say(f"{file} {done} version {version}, which amends {last.hash[:16]}: {amendment.reason}")
    _say_changes(changed)
    say_attempts(attempts)
    say(f"next: cellula register {file}, then cellula run {file}")


def _amendment(study: Study, last: Version, reason: str) -> Amendment:
    """What is to be written; an amendment that the file holds for this predecessor is checked."""
    from cellula.core.errors import StudyError
    from cellula.validation.study import Amendment

    given, known = reason.strip(), study.amendment
    if known is not None and known.amends == last.hash:
        if given and given != known.reason:
            raise StudyError(
                f"the file gives the reason {known.reason!r} already, and --reason says "
                f"{given!r}; give the one, or change it in the file"
            )
        return known
    if not given:
        raise StudyError('an amendment has a reason; say why: --reason "..."')
    return Amendment(amends=last.hash, reason=given)


def _say_changes(changed: Sequence[Change]) -> None:
    for one in changed:
        say(f"  {one.path}: {_short(one.before)} -> {_short(one.after)}")


def _short(value: Any) -> str:
    """A value in one line; "nothing" where there is none."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
