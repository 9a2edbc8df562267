"""The life of a study: ``init``, ``check``, ``register``, ``run``, ``dossier``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellula.cli.scheduler import Scheduler, connected
from cellula.cli.terminal import (
    TerminalProgress,
    print_cautions,
    print_json,
    print_standings,
    print_verdicts,
    say,
    say_attempts,
)

if TYPE_CHECKING:
    from cellula.validation.credibility import ClaimStanding
    from cellula.validation.inner import Result
    from cellula.validation.preparation import PreparedStudy
    from cellula.validation.workspace import Workspace

__all__ = [
    "WORKSPACE",
    "Cache",
    "DataFolder",
    "Json",
    "StudyFile",
    "WorkspaceFolder",
    "check",
    "dossier",
    "init",
    "plain_standing",
    "register",
    "run",
    "run_registered",
    "write_dossier",
]

StudyFile = Annotated[Path, typer.Argument(help="The study file, .toml or .yaml.")]
WorkspaceFolder = Annotated[
    Path, typer.Option("--workspace", help="Folder of the ledger, the blobs and the results.")
]
Cache = Annotated[Path | None, typer.Option("--cache", help="Where fetched data are kept.")]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that paths of data start from (default: the study's)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads; results do not change.")]
WORKSPACE = Path("cellula-workspace")


def init(
    path: Annotated[Path, typer.Argument(help="The study file to write.")] = Path("study.toml"),
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON Schema of the study file.")
    ] = False,
) -> None:
    """Ask what the study is for and write its file; the context of use comes first."""
    from cellula.cli.interview import interview
    from cellula.validation.study import json_schema as schema

    if json_schema:
        print_json(schema())
        return
    interview(path)
    say(f"wrote {path}; next: cellula check {path}")


def check(
    file: StudyFile, cache: Cache = None, data: DataFolder = None, as_json: Json = False
) -> None:
    """Validate a study and look at its entry gates; nothing is recorded."""
    from cellula.validation.deciding import decide_entry, exit_code
    from cellula.validation.inner import entry_evidence
    from cellula.validation.preparation import prepare

    prepared = prepare(file, cache, data)
    evidence = entry_evidence(prepared)
    verdicts = decide_entry(evidence)
    cautions = [one for e in evidence if e.kind == "cautions" for one in e.payload["cautions"]]
    if as_json:
        told = {"study": prepared.study.hash, "verdicts": verdicts, "cautions": cautions}
        print_json(told)
    else:
        _print_outline(prepared)
        print_verdicts(verdicts)
        print_cautions(cautions)
    raise typer.Exit(exit_code(verdicts))


def register(
    file: StudyFile,
    workspace: WorkspaceFolder = WORKSPACE,
    cache: Cache = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Hash and sign a study and seal its held-out labels, before anything is fitted."""
    from cellula.validation.preparation import prepare
    from cellula.validation.registration import register as enter
    from cellula.validation.workspace import open_workspace

    prepared = prepare(file, cache, data)
    registration = enter(prepared, open_workspace(workspace))
    if as_json:
        print_json(registration.document)
        return
    statement = registration.statement
    say(f"registered {statement['study_id']} version {statement['version']}")
    say(f"  study  {statement['study_hash']}")
    say(f"  data   {statement['digest']}")
    for claim, blob in registration.sealed.items():
        say(f"  sealed {claim}: {blob}")
    say_attempts(statement.get("attempts", {}))


def run(
    file: StudyFile,
    workspace: WorkspaceFolder = WORKSPACE,
    cache: Cache = None,
    data: DataFolder = None,
    threads: Threads = 1,
    as_json: Json = False,
    register_first: Annotated[
        bool, typer.Option("--register", help="Register the study first where it is not yet.")
    ] = False,
    scheduler: Scheduler = None,
) -> None:
    """Run a registered study: entry gates, fits, predictions, decisions, bundle and dossier."""
    from cellula.cli.score_table import read_scores
    from cellula.validation.credibility import standings
    from cellula.validation.preparation import prepare
    from cellula.validation.workspace import find_workspace

    prepared = prepare(file, cache, data)
    place = _registered(prepared, workspace) if register_first else find_workspace(workspace)
    result, page = run_registered(prepared, place, threads, scheduler)
    claims = standings(prepared.study.model_dump(mode="json"), result.verdicts, result.evidence)
    if as_json:
        print_json(
            {
                "claims": [plain_standing(one) for one in claims],
                "verdicts": result.verdicts,
                "scores": read_scores(result.bundle),
                "bundle": str(result.bundle),
                "dossier": str(page),
                "exit_code": result.exit_code,
            }
        )
    else:
        print_verdicts(result.verdicts)
        say(f"bundle   {result.bundle}")
        say(f"dossier  {page}")
        print_standings(claims)
    raise typer.Exit(result.exit_code)


def _registered(prepared: PreparedStudy, folder: Path) -> Workspace:
    """The workspace with the study registered in it; tells on standard error what was done."""
    from cellula.validation.registration import is_registered
    from cellula.validation.registration import register as enter
    from cellula.validation.workspace import open_workspace

    place, header = open_workspace(folder), prepared.study.study
    was_there = is_registered(prepared, place)
    enter(prepared, place)
    done = "was registered before" if was_there else "registered now, before anything is fitted"
    TerminalProgress().say(f"{header.id} version {header.version}: {done}")
    return place


def plain_standing(one: ClaimStanding) -> dict[str, str]:
    """A claim's standing for a program."""
    return {
        "claim": one.claim,
        "tier": one.tier.value,
        "required": one.required.value,
        "permitted_use": one.permitted_use,
    }


def run_registered(
    prepared: PreparedStudy, workspace: Workspace, threads: int, scheduler: str | None = None
) -> tuple[Result, Path]:
    """Run a study and write its dossier; gives the result and the page."""
    from cellula.report.crate import crate_metadata
    from cellula.validation.inner import run_study

    with workspace.running(prepared.study.study.id), connected(scheduler) as cluster:
        told = TerminalProgress()
        result = run_study(prepared, workspace, crate_metadata, told, threads, cluster)
        return result, write_dossier(result.bundle, result.ledger)


def dossier(file: StudyFile, workspace: WorkspaceFolder = WORKSPACE, as_json: Json = False) -> None:
    """Write the dossier of a study that has been run, again."""
    from cellula.core.errors import EvidenceError
    from cellula.evidence.lineage import bundle_name
    from cellula.validation.study import read_study

    header = read_study(file).study
    folder = workspace / "studies" / header.id
    name = bundle_name(header.id, header.version)
    bundle = folder / f"{name}.zip"
    if not bundle.is_file():
        raise EvidenceError(f"{name} has no bundle in {folder}; run it first: cellula run {file}")
    page = write_dossier(bundle, folder / f"{name}.ledger.jsonl")
    if as_json:
        print_json({"study": name, "bundle": str(bundle), "dossier": str(page)})
        return
    say(f"dossier  {page}")


def write_dossier(bundle: Path, ledger: Path) -> Path:
    """Render the page of a bundle beside it."""
    from dataclasses import asdict

    from cellula.evidence.bundle import read_bundle
    from cellula.evidence.ledger_file import exported_entries
    from cellula.evidence.lineage import bundle_name
    from cellula.io.atomic import write_atomically
    from cellula.report.dossier import render
    from cellula.report.record import read_record

    entries = [asdict(entry) for entry in exported_entries(ledger)]
    record = read_record(read_bundle(bundle), entries)
    version = int(record.part("study").get("version") or 1)
    page = bundle.with_name(f"{bundle_name('dossier', version)}.html")
    write_atomically(page, render(record).encode())
    return page


def _print_outline(prepared: PreparedStudy) -> None:
    """What the study holds out, on how much data, decided by what."""
    data = prepared.data
    say(f"{prepared.study.study.id}: {data.n_profiles} profiles x {len(data.readouts)} readouts")
    for task in prepared.tasks:
        held = sum(len(fold.test) for fold in task.folds)
        models = ", ".join(one.id for one in task.models)
        say(
            f"  {task.claim.id}: {held} profiles held out in {len(task.folds)} fold(s), "
            f"unit {task.unit} ({task.n_units}), models {models}"
        )
