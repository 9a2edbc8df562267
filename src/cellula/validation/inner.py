"""The inner loop: entry gates, fits, sealed labels opened, scores, decisions, bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from cellula.core.canonical import hash_json, plain
from cellula.core.evidence import Evidence
from cellula.core.gate import Outcome, Verdict
from cellula.core.run import Cluster, Progress, RunContext, each, run_context
from cellula.data.leakage import leak_report
from cellula.data.splits import Fold
from cellula.evidence.bundle import write_bundle
from cellula.evidence.lineage import bundle_name
from cellula.evidence.seal import open_sealed
from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.memory import peak_bytes
from cellula.validation.answers import Answer, ClaimTask, FoldAnswers, answer_fold
from cellula.validation.boundary import boundary_evidence
from cellula.validation.bundling import bundle_files
from cellula.validation.cautions import cautions_evidence
from cellula.validation.coverage import interval_evidence
from cellula.validation.deciding import decide_entry, decide_study, exit_code
from cellula.validation.eligibility import consent_evidence, licence_evidence
from cellula.validation.findings import attribution, claim_evidence, gate_evidence
from cellula.validation.material import material_evidence
from cellula.validation.preparation import PreparedStudy
from cellula.validation.registration import Registration, registration_of
from cellula.validation.scoring import ClaimScores, fitted_on, score_claim
from cellula.validation.sealing import opened_profiles
from cellula.validation.workspace import Workspace

__all__ = ["Describe", "Result", "entry_evidence", "run_study"]

#: Files of a bundle and the study as JSON -> the bundle's ``ro-crate-metadata.json``.
Describe: TypeAlias = Callable[[Mapping[str, bytes], Mapping[str, Any]], bytes]


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left: its verdicts, the evidence behind them and the files it wrote."""

    verdicts: tuple[Verdict, ...]
    bundle: Path
    ledger: Path
    head: Path
    evidence: tuple[Evidence, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when every gate passed, else that of the gravest outcome."""
        return exit_code(self.verdicts)


def entry_evidence(prepared: PreparedStudy) -> tuple[Evidence, ...]:
    """Consent, licences and boundary; a leak report of every claim; data; cautions."""
    boundary = boundary_evidence(prepared)
    leaks = [
        leak_report(
            task.data,
            task.claim.id,
            task.claim.kind,
            task.folds,
            task.claim.over,
            fitted_on(task),
        )
        for task in prepared.tasks
    ]
    return (
        consent_evidence(prepared),
        licence_evidence(prepared),
        boundary,
        *leaks,
        *material_evidence(prepared),
        cautions_evidence(prepared, boundary),
    )


def run_study(
    prepared: PreparedStudy,
    workspace: Workspace,
    describe: Describe,
    progress: Progress,
    threads: int = 1,
    cluster: Cluster | None = None,
) -> Result:
    """Run the inner loop of a registered study and write its bundle.

    describe: makes the bundle's RO-Crate description from its files and the study as JSON.
    cluster: where members of ensembles and settings of a search are fitted; it moves no number.

    Entry gates first: when one fails nothing is fitted and no label is opened. Raises
    EvidenceError when the study is not registered or was changed since.
    """
    registration = registration_of(prepared, workspace)
    study, ledger = prepared.study, workspace.ledger
    ledger.append("run_started", study.study.id, {"study_hash": study.hash, "threads": threads})
    workspace.scratch.mkdir(parents=True, exist_ok=True)
    run = run_context(
        study.study.seed, workspace.scratch, threads=threads, progress=progress, cluster=cluster
    )
    evidence = list(entry_evidence(prepared))
    scored: dict[str, ClaimScores] = {}
    if all(verdict.has_passed for verdict in decide_entry(evidence)):
        # One BLAS thread around all: threads of ours then never change the order of a sum.
        with one_blas_thread():
            for task in prepared.tasks:
                found, scored[task.claim.id] = _claim(task, prepared, registration, workspace, run)
                evidence += found
    else:
        progress.say("an entry gate failed: nothing is fitted, no label is opened")
    verdicts = decide_study(study, evidence)
    files = bundle_files(prepared, registration, evidence, verdicts, scored)
    for path, digest in registration.earlier_splits.items():
        files[path] = workspace.blobs.get(digest)
    files["ro-crate-metadata.json"] = describe(files, json.loads(study.canonical))
    return _write(prepared, workspace, files, verdicts, tuple(evidence))


def _claim(
    task: ClaimTask,
    prepared: PreparedStudy,
    registration: Registration,
    workspace: Workspace,
    run: RunContext,
) -> tuple[tuple[Evidence, ...], ClaimScores]:
    """Fit and ask in every fold, then open the labels and score."""
    study = prepared.study
    steps = [fold.name for fold in task.folds]
    run.progress.say(f"{task.claim.id}: {len(steps)} fold(s), {len(task.models)} models")

    def answers(fold: Fold) -> FoldAnswers:
        return answer_fold(task, fold, run, _note(workspace, study.hash, task.claim.id, fold.name))

    folds = list(each(answers, task.folds, run, task.claim.id))
    labels = open_sealed(
        registration.sealed[task.claim.id],
        subject=task.claim.id,
        study_hash=study.hash,
        purpose="score registered predictions",
        key=workspace.key,
        blobs=workspace.blobs,
        ledger=workspace.ledger,
    )
    observed = [
        task.corrected(fold, opened_profiles(task.data, fold, labels)) for fold in task.folds
    ]
    scores = score_claim(task, observed, folds, run, registration.levels(task.claim.id))
    inputs = {
        "data": prepared.digest,
        "study": study.hash,
        "sealed": registration.sealed[task.claim.id],
    }
    found = [*claim_evidence(task, scores, folds, inputs), *gate_evidence(task, scores, inputs)]
    found.append(interval_evidence(task, scores, folds, inputs, run))
    if study.explain is not None:
        why = attribution(task, folds, study.explain, inputs)
        found += [why] if why is not None else []
    return tuple(found), scores


def _note(workspace: Workspace, study_hash: str, claim: str, fold: str) -> Callable[[Answer], None]:
    """What the ledger is told of every fit: measurements, which the bundle does not hold."""

    def note(answer: Answer) -> None:
        workspace.ledger.append(
            "fitted",
            claim,
            {
                "study_hash": study_hash,
                "model": answer.model,
                "seed": answer.seed,
                "claim": claim,
                "fold": fold,
                "seconds": round(answer.seconds, 3),
                "n_parameters": answer.n_parameters,
                "peak_bytes": peak_bytes(),
            },
        )

    return note


def _write(
    prepared: PreparedStudy,
    workspace: Workspace,
    files: Mapping[str, bytes],
    verdicts: tuple[Verdict, ...],
    evidence: tuple[Evidence, ...],
) -> Result:
    study = prepared.study
    folder = workspace.results(study.study.id)
    name = bundle_name(study.study.id, study.study.version)
    bundle = folder / f"{name}.zip"
    digest = write_bundle(bundle, files, workspace.key)
    for verdict in verdicts:
        workspace.ledger.append(
            "decided",
            verdict.subject,
            _told(verdict, study.hash),
        )
    refused = [v.gate for v in verdicts if v.outcome is not Outcome.PASSED]
    workspace.ledger.append(
        "run_finished",
        study.study.id,
        {"study_hash": study.hash, "bundle": digest, "not_passed": refused},
    )
    ledger, head = folder / f"{name}.ledger.jsonl", folder / f"{name}.head.json"
    workspace.ledger.export_both(ledger, head)
    return Result(verdicts, bundle, ledger, head, evidence)


def _told(verdict: Verdict, study_hash: str) -> dict[str, Any]:
    """What the ledger is told of a verdict: enough to draw the curve over versions."""
    told: dict[str, Any] = plain(
        {
            "study_hash": study_hash,
            "gate": verdict.gate,
            "about": verdict.about,
            "outcome": verdict.outcome,
            "number": verdict.number,
            "lower": verdict.lower,
            "upper": verdict.upper,
            "threshold": verdict.threshold,
            "verdict": hash_json(verdict),
        }
    )
    return told
