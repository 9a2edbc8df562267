"""Batches brought together inside a study: one fitted transform a fold, for all that it compares.

The transform of a fold is fitted once, on the profiles that models may see there: its training
profiles and the controls that come with the questions. The same fitted transform is applied to
training profiles, to controls and, once the seal is open, to the held-out values, so prediction
and truth live in one space. The inner calibration folds of a fold share its transform. What is
sealed stays as it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.canonical import hash_array, hash_json
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, MissingExtra, PluginError, StudyError
from cellula.core.model import State
from cellula.core.run import RunContext, run_context
from cellula.core.transform import FittedTransform, Transform
from cellula.data.data_source import DataSource, Harmonise
from cellula.data.harmonise.batch_calibration import confounding
from cellula.data.splits import Fold
from cellula.kernels.blas_threads import one_blas_thread
from cellula.validation.answers import ClaimTask
from cellula.validation.study import Study

__all__ = [
    "chosen_harmonise",
    "harmonise_card",
    "harmonise_mistakes",
    "harmonised",
    "seen_rows",
    "state_hash",
]


def chosen_harmonise(study: Study) -> Harmonise | None:
    """What the study says of its profiles' batches; None where it corrects nothing."""
    found = [source.harmonise for source in study.data if source.role == "profiles"]
    return next((one for one in found if one is not None), None)


def harmonise_mistakes(study: Study) -> list[str]:
    """One line for every unknown transform and every wrong option, with its path."""
    return [
        line
        for number, source in enumerate(study.data)
        for line in _mistakes(f"data.{number}.harmonise", source)
    ]


def _mistakes(path: str, source: DataSource) -> list[str]:
    if source.harmonise is None:
        return []
    try:
        _transform(source.harmonise)
    except StudyError as error:
        return [f"{path}.options: {line}" for line in error.mistakes or (str(error),)]
    except (PluginError, MissingExtra) as error:
        return [f"{path}.name: {error}"]
    return []


def _transform(choice: Harmonise) -> Transform:
    made: Transform = registry.create("transform", choice.name, choice.options)
    return made


def harmonised(study: Study, tasks: tuple[ClaimTask, ...]) -> tuple[ClaimTask, ...]:
    """The tasks with a fitted transform for every fold, where the study asks for one.

    Held-out values are not read. Where batch and perturbation of the data cannot be told apart
    nothing is fitted: the entry gate refuses such data, with a correction or without. Raises
    StudyError naming claim and fold when the transform refuses the training profiles, or a
    batch that is held out.
    """
    choice = chosen_harmonise(study)
    if choice is None or _is_confounded(tasks[0].data):
        return tasks
    transform = _transform(choice)
    with one_blas_thread(), TemporaryDirectory() as scratch:
        run = run_context(study.study.seed, Path(scratch))
        return tuple(
            replace(
                task,
                corrections={
                    fold.name: _fitted(task, fold, choice, transform, run) for fold in task.folds
                },
            )
            for task in tasks
        )


def _is_confounded(data: Dataset) -> bool:
    """Whether labels alone say that batches cannot be told from perturbations."""
    if not (data.has_role("batch") and data.has_role("perturbation")):
        return False
    return confounding(data.labels("batch"), data.labels("perturbation")).is_confounded


def seen_rows(fold: Fold) -> NDArray[np.int64]:
    """The profiles whose values models may see: those of training and the controls."""
    return np.union1d(fold.train, fold.control)


def _fitted(
    task: ClaimTask, fold: Fold, choice: Harmonise, transform: Transform, run: RunContext
) -> FittedTransform:
    """Fitted on what is seen, and tried on the labels of what is held out."""
    rows = seen_rows(fold)
    try:
        fitted = transform.fit(
            task.data.take(rows), run.child("harmonise", task.claim.id, fold.name)
        )
    except DataError as error:
        raise StudyError(
            f"claim {task.claim.id!r}, fold {fold.name!r}: {choice.name} cannot be fitted on the "
            f"{len(rows)} training profiles: {error}; or leave harmonise out"
        ) from error
    try:
        fitted.apply(_borrowed(task.data, fold.test, rows))
    except DataError as error:
        unseen = _unseen_batches(task.data, fold)
        which = f" of batch {', '.join(unseen[:5])}" if unseen else ""
        raise StudyError(
            f"claim {task.claim.id!r}, fold {fold.name!r}: {choice.name} cannot be applied to the "
            f"held-out profiles{which}: {error}; hold out profiles of batches that training also "
            "holds, measure controls in every batch, or leave harmonise out"
        ) from error
    return fitted


def _unseen_batches(data: Dataset, fold: Fold) -> list[str]:
    if not data.has_role("batch"):
        return []
    batch = np.asarray(data.labels("batch"), object)
    return sorted(set(map(str, batch[fold.test])) - set(map(str, batch[seen_rows(fold)])))


def _borrowed(data: Dataset, held: NDArray[np.int64], seen: NDArray[np.int64]) -> Dataset:
    """Each kind of held-out profile once by its labels, with the values of seen profiles."""
    labels = data.obs.iloc[held][list(data.roles)]
    rows = held[~labels.duplicated().to_numpy()]
    part = cast("AnnData", data.take(rows).data)
    values = data.values[np.resize(seen, len(rows))]
    return data.unchecked(AnnData(values, obs=part.obs, var=part.var))


def state_hash(state: State) -> str:
    """SHA-256 of what a transform has learned, its arrays by name and its JSON."""
    arrays = {name: hash_array(np.asarray(array)) for name, array in sorted(state.arrays.items())}
    return hash_json({"arrays": arrays, "meta": dict(state.meta)})


def harmonise_card(study: Study, tasks: tuple[ClaimTask, ...]) -> Mapping[str, Any] | None:
    """What was chosen, what it rests on and what every fold learned; None without a choice."""
    choice = chosen_harmonise(study)
    if choice is None:
        return None
    transform = _transform(choice)
    return {
        "name": choice.name,
        "options": transform.options.model_dump(mode="json"),
        "references": list(transform.references),
        "fitted_on": "training profiles and visible controls of every fold",
        "truth": "held-out values corrected by the transform of their fold",
        "sealed": "held-out values as measured",
        "states": {
            task.claim.id: {name: state_hash(one.state()) for name, one in task.corrections.items()}
            for task in tasks
        },
    }
