"""The contest of a panel: predictions, the trivial answers, and halves of the experiment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.comparison import Comparison, GeneSets
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Model
from cellula.core.perturbation import components
from cellula.core.prediction import Population, Prediction
from cellula.core.run import RunContext
from cellula.data.splits import Fold, Folds, split
from cellula.evaluation.answers import joined
from cellula.evaluation.comparison import RealSide, as_predictions, real_side
from cellula.evaluation.contest import REPLICATE, Contest
from cellula.evaluation.drawn import as_many_cells, drawn_answer, is_population
from cellula.evaluation.question import distinct
from cellula.evaluation.replicate import split_halves
from cellula.evaluation.spill import spilled

__all__ = ["BASELINES", "Material", "draw_contest"]

#: What every score is anchored to: what a perturbation does on average, the controls, and cells
#: of other perturbations (a population without a model; only where there are cells).
BASELINES = ("mean_response", "control", "other_cells")
#: Identical cells of a probe: enough for a test to call what differs from control.
IDENTICAL = 20

Answers: TypeAlias = Mapping[str, Sequence[Prediction]]
Comparisons: TypeAlias = dict[str, Comparison]
#: The perturbations are dealt into so many parts; a baseline answers for one from the others.
PARTS = 5


@dataclass(frozen=True, slots=True)
class Material:
    """What is compared, whatever is drawn: real profiles, answers by name, unit of replication."""

    real: Dataset
    observed: Dataset
    answers: Mapping[str, Sequence[Prediction]]
    unit: str
    gene_sets: GeneSets | None = None

    def side(self, profiles: Dataset) -> RealSide:
        """Some of the real profiles, laid out to be put beside answers."""
        controls, unit = self.real.controls, self.unit
        return real_side(profiles, controls=controls, unit=unit, gene_sets=self.gene_sets)

    def kept(self, answers: Iterable[Prediction], folder: Path) -> list[Prediction]:
        """Answers as one batch; on disk, in ``folder``, where the real profiles are on disk."""
        return joined(answers if self.real.stored is None else spilled(answers, folder))


def draw_contest(
    material: Material, run: RunContext, number: int = 0, *, is_probed: bool = True
) -> Contest:
    """The predictions beside one draw of folds of the trivial answers and of halves.

    number: of the draw; the folds and the halves of different draws are independent. is_probed:
    whether probes stand beside the anchors. Raises DataError where no trivial answer can be given.
    """
    stream = run if number == 0 else run.child("repeat", number)
    scratch = run.scratch / f"draw{number}"
    trivial = {
        name: material.kept(one, scratch / name)
        for name, one in _trivial_answers(material.real, stream, number).items()
    }
    answers = {**trivial, **material.answers}
    halves = split_halves(material.observed, material.unit, stream.child("halves").rng)
    whole = material.side(material.observed)
    half = None if halves is None else material.side(halves[0])

    def beside(side: RealSide, given: Answers) -> Comparisons:
        return {
            name: as_many_cells(side.beside(one), stream.child("cells", name).rng)
            for name, one in given.items()
        }

    full = beside(whole, trivial)
    full |= {name: whole.beside(one) for name, one in material.answers.items()}
    halved = {} if half is None else beside(half, answers)
    probes: Comparisons = {}
    if is_probed:
        source = material.observed if halves is None else halves[1]
        given = _probes(source, stream.child("probes").rng)
        kept = {name: material.kept(one, scratch / name) for name, one in given.items()}
        probes = beside(whole if half is None else half, kept)
    replicate = None
    if half is not None and halves is not None:
        replicate = half.beside(as_predictions(halves[1]))
    return Contest(
        full=_beside_baseline(full),
        halved=_beside_baseline(halved),
        replicate=None
        if replicate is None
        else _beside_baseline({REPLICATE: replicate}, halved)[REPLICATE],
        baselines={name: name for name in BASELINES if name in full},
        probes=_beside_baseline(probes, halved or full),
    )


def _trivial_answers(real: Dataset, run: RunContext, seed: int) -> dict[str, Iterable[Prediction]]:
    """The trivial answers, for each part of the perturbations from the other parts."""
    n = len(np.unique(real.treated.labels("perturbation").codes))
    controls = real.controls
    if n < 2 and controls is None:
        raise DataError(
            f"{n} perturbation(s) and no controls: no trivial answer can stand beside the "
            "prediction; give real profiles of two perturbations at least, or with controls"
        )
    kind = ClaimKind.UNSEEN_PERTURBATION
    folds = split(real, kind, Folds(folds=min(PARTS, n), seed=seed)) if n > 1 else ()
    found: dict[str, Iterable[Prediction]] = {}
    if folds:
        found["mean_response"] = (
            answer
            for fold in folds
            for answer in _mean_response(real, fold, run.child("mean_response", fold.name))
        )
    if controls is not None:
        found["control"] = [drawn_answer(real.treated, controls, run.child("control").rng)]
    if folds and is_population(real.treated):
        found["other_cells"] = [
            drawn_answer(
                real.take(fold.test),
                real.take(fold.train).treated,
                run.child("other_cells", fold.name).rng,
            )
            for fold in folds
        ]
    return found


def _mean_response(real: Dataset, fold: Fold, run: RunContext) -> Iterator[Prediction]:
    model: Model = registry.create("model", "mean_response")
    return model.fit(real.take(fold.train), None, run).predict(
        distinct(real.take(fold.test)),
        real.take(fold.control) if len(fold.control) else None,
        run.child("ask"),
    )


def _probes(replicate: Dataset, rng: np.random.Generator) -> dict[str, list[Prediction]]:
    """Answers that know nothing of a response, by which nobody should gain.

    All are of ALL responses of the other half, the tested ones among them: the mean in identical
    cells; as many cells as the question has there; and, where perturbations are named like
    readouts, the mean with the targets of all other perturbations raised, which tells only whose
    answer it is.
    """
    answer = drawn_answer(replicate, replicate, None)
    raised = _raised(answer)
    if not is_population(replicate):
        return {"constant": [answer]} | ({} if raised is None else {"targets": [raised]})
    found = {
        "constant": [_in_identical_cells(answer)],
        "all_cells": [drawn_answer(replicate, replicate, rng)],
    }
    return found if raised is None else found | {"targets": [_in_identical_cells(raised)]}


def _in_identical_cells(answer: Prediction) -> Prediction:
    cells = np.repeat(answer.mean.astype(np.float32), IDENTICAL, axis=0)
    group = np.repeat(np.arange(len(answer.mean)), IDENTICAL)
    return replace(answer, cells=Population(cells, group))


def _raised(answer: Prediction) -> Prediction | None:
    """An answer with the targets of all perturbations but its own raised, by what readouts differ
    among one another; None where fewer than two readouts are targets.
    """
    place = {name: column for column, name in enumerate(answer.readouts)}
    perturbed = answer.queries.perturbation
    targets = [
        [place[part] for part in components(name) if part in place]
        for name in perturbed.categories.astype(str)
    ]
    panel = sorted({column for columns in targets for column in columns})
    if len(panel) < 2:
        return None
    mean = answer.mean.copy()
    step = float(mean.std(axis=1).mean())
    mean[:, panel] += step
    for row, code in enumerate(np.asarray(perturbed.codes)):
        mean[row, targets[code]] -= step
    return replace(answer, mean=mean)


def _beside_baseline(parts: Comparisons, trivial: Comparisons | None = None) -> Comparisons:
    """Every comparison beside the mean response, where there is one among the trivial answers."""
    known = parts if trivial is None else trivial
    if BASELINES[0] not in known:
        return parts
    mean = known[BASELINES[0]].predicted
    return {
        name: replace(part, baseline=mean, baseline_name=BASELINES[0])
        for name, part in parts.items()
    }
