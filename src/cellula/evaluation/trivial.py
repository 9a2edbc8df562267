"""The contest of a panel: predictions, the trivial answers, and halves of the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext
from cellula.data.splits import Folds, split
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.contest import REPLICATE, Contest
from cellula.evaluation.question import distinct
from cellula.evaluation.replicate import split_halves

__all__ = ["BASELINES", "PARTS", "Material", "draw_contest"]

#: What every score is anchored to.
BASELINES = ("mean_response", "control")
#: The perturbations are dealt into so many parts; a baseline answers for one from the others.
PARTS = 5


@dataclass(frozen=True, slots=True)
class Material:
    """What is compared, whatever is drawn: real profiles, answers by name, unit of replication."""

    real: Dataset
    observed: Dataset
    answers: Mapping[str, Sequence[Prediction]]
    unit: str


def draw_contest(material: Material, run: RunContext, number: int = 0) -> Contest:
    """The predictions beside one draw of folds of the trivial answers and of halves.

    number: of the draw; the folds and the halves of different draws are independent. Raises
    DataError where no trivial answer can be given.
    """
    stream = run if number == 0 else run.child("repeat", number)
    contestants = {**_baselines(material.real, stream, number), **material.answers}
    observed, unit, controls = material.observed, material.unit, material.real.controls
    halves = split_halves(observed, unit, stream.child("halves").rng)

    def against(profiles: Dataset, answers: Sequence[Prediction]) -> Comparison:
        return compare(profiles, answers, controls=controls, unit=unit)

    full = {name: against(observed, answers) for name, answers in contestants.items()}
    halved = (
        {}
        if halves is None
        else {name: against(halves[0], answers) for name, answers in contestants.items()}
    )
    replicate = None if halves is None else against(halves[0], as_predictions(halves[1]))
    return Contest(
        full=_beside_baseline(full),
        halved=_beside_baseline(halved),
        replicate=None
        if replicate is None
        else _beside_baseline({**halved, REPLICATE: replicate})[REPLICATE],
        baselines={name: name for name in BASELINES if name in full},
    )


def _baselines(real: Dataset, run: RunContext, seed: int) -> dict[str, list[Prediction]]:
    """The answers of the trivial models, for each part of the perturbations from the others."""
    n = len(np.unique(real.treated.labels("perturbation").codes))
    found: dict[str, list[Prediction]] = {}
    for name in BASELINES:
        model = registry.create("model", name)
        if model.capabilities.needs_control and real.controls is None:
            continue
        if n < 2:
            continue
        parts = split(real, ClaimKind.UNSEEN_PERTURBATION, Folds(folds=min(PARTS, n), seed=seed))
        found[name] = [
            answer
            for fold in parts
            for answer in model.fit(
                real.take(fold.train), None, run.child(name, fold.name)
            ).predict(
                distinct(real.take(fold.test)),
                real.take(fold.control) if len(fold.control) else None,
                run.child(name, fold.name, "ask"),
            )
        ]
    if not found:
        raise DataError(
            f"{n} perturbation(s) and {'no' if real.controls is None else 'some'} controls: no "
            "trivial answer can stand beside the prediction; give real profiles of two "
            "perturbations at least, with controls"
        )
    return found


def _beside_baseline(parts: dict[str, Comparison]) -> dict[str, Comparison]:
    """Every comparison beside the mean response, where there is one."""
    if BASELINES[0] not in parts:
        return parts
    mean = parts[BASELINES[0]].predicted
    return {
        name: replace(part, baseline=mean, baseline_name=BASELINES[0])
        for name, part in parts.items()
    }
