"""From a study file to data, splits and tasks: what check, register and run all begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import CellulaError, StudyError
from cellula.data.open import open_dataset
from cellula.data.splits import Fold, split
from cellula.io.parquet import frame_bytes
from cellula.validation.answers import ClaimTask, load_metric
from cellula.validation.competitors import competitors, model_digests, model_mistakes, study_models
from cellula.validation.document import read_document
from cellula.validation.harmonising import harmonise_mistakes, harmonised
from cellula.validation.intervals import interval_mistakes, interval_plan
from cellula.validation.study import UNITS, Claim, Study, parse_study

__all__ = ["PreparedStudy", "prepare", "split_files"]


@dataclass(frozen=True, slots=True)
class PreparedStudy:
    """A study with its data open and its claims split; no label has been looked at.

    files: path -> SHA-256 of what models read beside the data.
    """

    study: Study
    source: bytes
    name: str
    data: Dataset
    digest: str
    tasks: tuple[ClaimTask, ...]
    files: Mapping[str, str] = field(default_factory=dict)

    def task(self, claim: str) -> ClaimTask:
        """The task of a claim by its id."""
        return next(task for task in self.tasks if task.claim.id == claim)


def prepare(path: Path, cache: Path | None = None, folder: Path | None = None) -> PreparedStudy:
    """Read, open and split a study.

    folder: what relative paths of data start from (default: the folder of the study file).
    Raises StudyError (all mistakes of the file at once) or DataError; writes nothing.
    """
    source = read_document(path)
    study = parse_study(source, path.name)
    _check_plugins(study, path.name)
    data = open_dataset(study.data, folder or path.parent, cache)
    models = study_models(study, data, folder or path.parent)
    files = model_digests(models, folder or path.parent)
    tasks = []
    for claim in study.claim:
        unit = _unit(claim, data)
        tasks.append(
            ClaimTask(
                data=data,
                claim=claim,
                unit=unit,
                metric=load_metric(claim.gate[0].metric),
                folds=split(data, claim.kind, claim.hold_out, claim.over),
                models=competitors(claim, models, data),
                intervals=interval_plan(study),
            )
        )
    return PreparedStudy(
        study, source, path.name, data, data.digest(), harmonised(study, tuple(tasks)), files
    )


def _check_plugins(study: Study, name: str) -> None:
    """Raise StudyError listing every plug-in that is not there as the study says."""
    mistakes = [*harmonise_mistakes(study), *model_mistakes(study), *interval_mistakes(study)]
    for number, claim in enumerate(study.claim):
        named = {f"gate.{place}.metric": rule.metric for place, rule in enumerate(claim.gate)}
        named |= {f"metrics.{place}": metric for place, metric in enumerate(claim.metrics)}
        for place, metric in named.items():
            try:
                load_metric(metric)
            except CellulaError as error:
                mistakes.append(f"claim.{number}.{place}: {error}")
    if mistakes:
        raise StudyError(f"{name} has {len(mistakes)} mistake(s):", mistakes)


def _unit(claim: Claim, data: Dataset) -> str:
    """The unit of replication: as named, or the first that the data have."""
    if claim.unit is not None:
        data.role(claim.unit)
        return claim.unit
    for unit in UNITS:
        if data.has_role(unit):
            return unit
    raise StudyError(
        f"claim {claim.id!r}: the data have no unit of replication; give one of the columns a "
        f"role among {', '.join(UNITS)}"
    )


def split_files(prepared: PreparedStudy) -> Mapping[str, bytes]:
    """Path in the bundle -> the split of a claim as a table: fold, part, row, profile.

    part is ``test`` (sealed) or ``excluded`` (neither sealed nor trained on, because it would
    leak); all other profiles of the data are training data of that fold.
    """
    names = prepared.data.obs.index.astype(str).to_numpy()
    return {f"splits/{t.claim.id}.parquet": _split_table(t.folds, names) for t in prepared.tasks}


def _split_table(folds: Sequence[Fold], names: NDArray[Any]) -> bytes:
    parts = [
        pd.DataFrame({"fold": fold.name, "part": part, "row": rows, "profile": names[rows]})
        for fold in folds
        for part, rows in (
            ("test", fold.test),
            ("excluded", _excluded(fold, len(names))),
        )
    ]
    return frame_bytes(pd.concat(parts, ignore_index=True))


def _excluded(fold: Fold, n: int) -> NDArray[np.int64]:
    """Which of n rows are in neither part, ascending."""
    is_left = np.ones(n, bool)
    is_left[fold.train] = False
    is_left[fold.test] = False
    return np.flatnonzero(is_left)
