"""Small studies on synthetic data, prepared without files, for the tests of ``validation``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cellula.core.dataset import Dataset, Provenance
from cellula.core.run import RunContext, SilentProgress
from cellula.data.splits import split
from cellula.evidence.bundle import read_bundle
from cellula.testing.examples import ic50_table, single_cells
from cellula.validation.answers import ClaimTask, FoldAnswers, answer_fold, load_metric
from cellula.validation.competitors import competitors, study_models
from cellula.validation.inner import run_study
from cellula.validation.preparation import PreparedStudy
from cellula.validation.registration import register
from cellula.validation.scoring import ClaimScores, score_claim
from cellula.validation.sealing import held_out_values, opened_profiles
from cellula.validation.study import Study
from cellula.validation.workspace import Workspace, open_workspace

__all__ = [
    "GATE",
    "answered",
    "cells",
    "made",
    "prepared",
    "scored",
    "study",
    "table",
    "tree",
    "workspace",
]

GATE: dict[str, Any] = {
    "metric": "variance_explained@1",
    "at_least": 0.1,
    "ci_width_max": 2.0,
    "why": "a test",
    "on_fail": "structural_prior",
}


def table() -> Dataset:
    """ln IC50 of 24 lines x 10 drugs, with features of both."""
    return ic50_table()


def cells() -> Dataset:
    """Populations of cells with controls: 11 of each of two types, four donors, 8 labels."""
    return single_cells(n_cells=44)


def tree(**claim: Any) -> dict[str, Any]:
    """A study of unmeasured pairs as a file holds it; ``claim`` changes its claim."""
    return {
        "study": {"id": "s", "title": "t", "owner": "o", "question": "q", "seed": 5},
        "context_of_use": {
            "role": "test",
            "regulatory": False,
            "influence": "low",
            "consequence": "low",
            "needs_mechanism": False,
        },
        "boundary": {"level": "cellular"},
        "data": [
            {
                "path": "ic50.csv",
                "role": "profiles",
                "value_type": "ln_ic50",
                "license": "CC-BY-4.0",
                "columns": {"context": "line"},
                "layout": {"rows": "context", "columns": "perturbation", "readout": "ln_ic50"},
            }
        ],
        "model": [
            {"id": "offset", "kind": "row_column_offset"},
            {"id": "linear", "kind": "ridge"},
        ],
        "claim": [
            {
                "id": "pairs",
                "kind": "unseen_pair",
                "hold_out": {"fraction": 0.2, "seed": 1},
                "unit": "context",
                "gate": [dict(GATE)],
            }
            | claim
        ],
    }


def study(**claim: Any) -> Study:
    """The study of :func:`tree`, checked."""
    return Study.model_validate(tree(**claim))


def prepared(chosen: Study, data: Dataset) -> PreparedStudy:
    """A study on data that are open already."""
    models = study_models(chosen, data)
    tasks = tuple(
        ClaimTask(
            data=data,
            claim=claim,
            unit=claim.unit or "context",
            metric=load_metric(claim.gate[0].metric),
            folds=split(data, claim.kind, claim.hold_out, claim.over),
            models=competitors(claim, models, data),
        )
        for claim in chosen.claim
    )
    return PreparedStudy(chosen, b"# s", "s.toml", data, data.digest(), tasks)


def answered(task: ClaimTask, run: RunContext) -> tuple[FoldAnswers, ...]:
    """What every model answers in every fold of a claim."""
    return tuple(answer_fold(task, fold, run, lambda answer: None) for fold in task.folds)


def scored(
    task: ClaimTask, run: RunContext, folds: tuple[FoldAnswers, ...] | None = None
) -> ClaimScores:
    """The scores of a claim, its labels sealed and opened on the way."""
    labels = held_out_values(task.data, task.folds)
    observed = [opened_profiles(task.data, fold, labels) for fold in task.folds]
    return score_claim(task, observed, folds or answered(task, run), run)


def made(folder: Path, chosen: Study) -> dict[str, bytes]:
    """The files of the bundle of a study that is registered and run in a fresh workspace.

    Workspaces in one folder share a key.
    """
    source = Provenance({"ic50.csv": "a" * 64}, "CC-BY-4.0")
    ready = prepared(chosen, replace(table(), provenance=source))
    place = open_workspace(folder / "w", folder.parent / "key")
    register(ready, place)
    result = run_study(ready, place, lambda files, study: b"{}", SilentProgress())
    return dict(read_bundle(result.bundle))


def workspace(folder: Path) -> Workspace:
    """A fresh workspace with a key of its own."""
    return open_workspace(folder / "w", folder / "key")
