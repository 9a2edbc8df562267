"""Scoring a claim once its labels are open: every model, every metric, baseline and ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext, each
from cellula.evaluation.anchored import AnchoredScore
from cellula.evaluation.comparison import as_predictions, compare, concatenate
from cellula.evaluation.contest import (
    REPLICATE,
    Contest,
    Resamples,
    ScoredMetric,
    anchored_in,
    score_contest,
    score_table,
)
from cellula.evaluation.question import join_frames
from cellula.evaluation.replicate import split_halves
from cellula.evaluation.scorer import Scorer
from cellula.evaluation.space import Space, fit_pca
from cellula.validation.answers import ClaimTask, FoldAnswers, load_metric
from cellula.validation.competitors import BASELINES
from cellula.validation.study import Claim

__all__ = [
    "SELECTED",
    "USUAL",
    "ClaimScores",
    "fitted_on",
    "of_groups",
    "score_claim",
    "scored_metrics",
]

#: The name of the row that is what training selects.
SELECTED = "selected"
#: What every claim is scored by, whatever its gates ask for.
USUAL = (
    "coverage@1",
    "energy_distance@1",
    "interval_width@1",
    "pearson@1",
    "pearson_delta@1",
    "pearson_within_context@1",
    "pearson_within_perturbation@1",
    "r2@1",
    "rmse@1",
    "spearman@1",
    "spearman_within_context@1",
    "spearman_within_perturbation@1",
    "variance_explained@1",
    "wasserstein_per_gene@1",
)
READOUTS = "readouts"


@dataclass(frozen=True, slots=True)
class ClaimScores:
    """All scores of a claim.

    fold: (groups,) the fold of every group of the comparisons in ``view`` (in readouts).
    in_domain: model -> (groups,). gates: the anchored score of the selected model, one a gate
    of the claim. rows: one row a model, metric and stratum (perturbation, context or both).
    """

    view: Contest
    fold: NDArray[Any]
    in_domain: Mapping[str, NDArray[np.bool_]]
    table: tuple[ScoredMetric, ...]
    gates: tuple[AnchoredScore, ...]
    rows: pd.DataFrame


def score_claim(
    task: ClaimTask,
    observed: Sequence[Dataset],
    folds: Sequence[FoldAnswers],
    run: RunContext,
    levels: Sequence[float] | None = None,
) -> ClaimScores:
    """Score every model of a claim by every registered metric.

    observed: the opened profiles of every fold, in the order of the folds. levels: of the
    intervals that the gates read, as registered (default: those of the study file).
    """
    spent = tuple(rule.ci for rule in task.claim.gate) if levels is None else levels
    views: dict[str, Contest] = {}
    for name in (READOUTS, *(rule.space for rule in task.claim.gate)):
        if name not in views:
            spaces = [_space(task, number, name, run) for number in range(len(folds))]
            views[name] = _view(task, observed, folds, spaces, run)
    view = views[READOUTS]
    weights = Resamples(run.child(task.claim.id, "bootstrap"))
    space_of = {rule.metric: rule.space for rule in task.claim.gate}
    for chosen in views.values():
        weights.draw(chosen)

    gated = {rule.metric: Scorer.of(load_metric(rule.metric)) for rule in task.claim.gate}

    def by_metric(id: str) -> tuple[list[ScoredMetric], list[dict[str, Any]]]:
        scorer = gated.get(id) or Scorer.of(load_metric(id))
        chosen = views[space_of.get(id, READOUTS)]
        found = score_contest(scorer, chosen, weights, task.unit)
        return found, score_table(scorer.metric, chosen)

    scored = list(each(by_metric, scored_metrics(task.claim), run))
    fold = _folds_of_groups(task, observed, folds)
    return ClaimScores(
        view=view,
        fold=fold,
        in_domain={
            model: of_groups(model, folds, view.full[model], fold, "in_domain").astype(bool)
            for model in view.full
            if model != REPLICATE
        },
        table=tuple(one for table, _ in scored for one in table),
        gates=tuple(
            anchored_in(gated[rule.metric], views[rule.space], SELECTED, weights, task.unit, level)
            for rule, level in zip(task.claim.gate, spent, strict=True)
        ),
        rows=pd.DataFrame([row for _, rows in scored for row in rows]),
    )


def scored_metrics(claim: Claim) -> tuple[str, ...]:
    """The metrics that a claim is scored by: the usual, those of its gates, those it names.

    Not all that are registered: a plug-in that somebody installs changes no bundle.
    """
    named = (*USUAL, *(rule.metric for rule in claim.gate), *claim.metrics)
    return tuple(sorted(dict.fromkeys(named)))


def fitted_on(task: ClaimTask) -> dict[str, NDArray[np.int64]]:
    """``space/fold`` -> the profiles that each space and correction is fitted on."""
    spaces = {
        f"{rule.space}/{fold.name}": fold.train
        for rule in task.claim.gate
        if rule.space != READOUTS
        for fold in task.folds
    }
    corrections = {
        f"harmonise/{fold.name}": np.union1d(fold.train, fold.control)
        for fold in task.folds
        if fold.name in task.corrections
    }
    return spaces | corrections


# -- comparisons ------------------------------------------------------------------------------
def _space(task: ClaimTask, number: int, name: str, run: RunContext) -> Space | None:
    """The space ``pca<n>``, fitted on the training profiles of a fold; None for readouts."""
    if name == READOUTS:
        return None
    fold = task.folds[number]
    train = task.profiles(fold, fold.train)
    stream = run.child(task.claim.id, name, fold.name)
    return fit_pca(train.values, int(name.removeprefix("pca")), stream.rng)


def _view(
    task: ClaimTask,
    observed: Sequence[Dataset],
    folds: Sequence[FoldAnswers],
    spaces: Sequence[Space | None],
    run: RunContext,
) -> Contest:
    names, anchor = _answered(task), _anchor(task)
    full: dict[str, list[Comparison]] = {name: [] for name in names}
    halved: dict[str, list[Comparison]] = {name: [] for name in names}
    replicate: list[Comparison] = []
    for fold, own, profiles, space in zip(task.folds, folds, observed, spaces, strict=True):
        controls = task.profiles(fold, fold.control) if len(fold.control) else None
        halves = split_halves(
            profiles,
            task.unit,
            run.child(task.claim.id, fold.name, "halves").rng,
            task.claim.replicate_profiles,
        )
        for name in names:
            answers = _predictions(task, own, name)
            full[name].append(_against(task, profiles, answers, controls, space))
            if halves is not None:
                halved[name].append(_against(task, halves[0], answers, controls, space))
        if halves is not None:
            again = as_predictions(halves[1])
            replicate.append(_against(task, halves[0], again, controls, space))
    always = _always_selected(folds)
    return Contest(
        full=_joined(full, always, anchor),
        halved=_joined(halved, always, anchor),
        replicate=_joined_replicate(replicate, halved, anchor),
        baselines={one.kind: one.id for one in task.models if one.is_baseline},
    )


def _always_selected(folds: Sequence[FoldAnswers]) -> str:
    """The one model that was selected in every fold; "" where they differ."""
    names = {fold.selected for fold in folds}
    return names.pop() if len(names) == 1 else ""


def _anchor(task: ClaimTask) -> str:
    """The name under which the mean response competes: a study may give it one of its own."""
    return next((one.id for one in task.models if one.kind == BASELINES[0]), BASELINES[0])


def _joined(
    parts: Mapping[str, list[Comparison]], always: str, anchor: str
) -> dict[str, Comparison]:
    """All folds in one, beside the mean response; ``selected`` is ``always`` where there is."""
    joined = {
        name: concatenate(folds)
        for name, folds in parts.items()
        if folds and not (name == SELECTED and always)
    }
    joined = _with_baseline(joined, anchor)
    if always and always in joined:
        joined[SELECTED] = joined[always]
    return joined


def _joined_replicate(
    parts: list[Comparison], halved: Mapping[str, list[Comparison]], anchor: str
) -> Comparison | None:
    if not parts:
        return None
    baseline = concatenate(halved[anchor])
    return replace(concatenate(parts), baseline=baseline.predicted, baseline_name=BASELINES[0])


def _answered(task: ClaimTask) -> tuple[str, ...]:
    """Names of all rows: baselines by their kind, models by id, further seeds, the selected."""
    names = [
        one.id if seed == one.seeds[0] else f"{one.id}#{seed}"
        for one in task.models
        for seed in one.seeds
    ]
    return (*names, SELECTED)


def _predictions(task: ClaimTask, fold: FoldAnswers, name: str) -> tuple[Prediction, ...]:
    model = fold.selected if name == SELECTED else name
    model, _, seed = model.partition("#")
    one = next(one for one in task.models if one.id == model)
    return fold.of(model, int(seed) if seed else one.seeds[0]).predictions


def _against(
    task: ClaimTask,
    observed: Dataset,
    answers: Sequence[Prediction],
    controls: Dataset | None,
    space: Space | None,
) -> Comparison:
    """Compare where the halved profiles may ask fewer questions than were answered."""
    return compare(observed, answers, controls=controls, unit=task.unit, space=space)


def _with_baseline(parts: dict[str, Comparison], anchor: str) -> dict[str, Comparison]:
    """Every comparison beside the prediction of the mean response."""
    if anchor not in parts:
        return parts
    baseline = parts[anchor].predicted
    return {
        name: replace(part, baseline=baseline, baseline_name=BASELINES[0])
        for name, part in parts.items()
    }


def _folds_of_groups(
    task: ClaimTask, observed: Sequence[Dataset], folds: Sequence[FoldAnswers]
) -> NDArray[Any]:
    sizes = [
        len(_against(task, profiles, fold.answers[0].predictions, None, None).groups)
        for profiles, fold in zip(observed, folds, strict=True)
    ]
    return np.repeat([fold.fold for fold in folds], sizes)


def of_groups(
    model: str,
    folds: Sequence[FoldAnswers],
    comparison: Comparison,
    fold: NDArray[Any],
    what: Literal["in_domain", "doubt"],
) -> NDArray[Any]:
    """What a model says of every group of a comparison: (groups,).

    fold: (groups,) the fold of every group; what: whether it calls the group inside its domain, or
    how much it doubts its answer, where the study declines questions.
    """
    columns = [name for name in comparison.groups.columns if name != "unit"]
    parts: list[pd.DataFrame] = []
    for one in folds:
        name, _, seed = (one.selected if model == SELECTED else model).partition("#")
        answer = next(
            a for a in one.answers if a.model == name and (not seed or a.seed == int(seed))
        )
        for number, batch in enumerate(answer.predictions):
            told = batch.in_domain if what == "in_domain" else answer.doubts[number]
            parts.append(batch.queries.frame().assign(fold=one.fold, told=told))
    known = join_frames(parts).drop_duplicates([*columns, "fold"])
    asked = comparison.groups[columns].assign(fold=fold)
    merged = asked.merge(known, on=[*columns, "fold"], how="left", validate="many_to_one")
    return np.asarray(merged["told"])
