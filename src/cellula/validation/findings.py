"""What a scored claim becomes as evidence: score table, gates, selection, domain, reasons why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.canonical import plain
from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.metric import Metric
from cellula.core.model import Explaining
from cellula.evaluation.contest import LEVEL, N_RESAMPLES
from cellula.evaluation.score import score
from cellula.validation.answers import ClaimTask, FoldAnswers
from cellula.validation.competitors import Competitor
from cellula.validation.scoring import SELECTED, ClaimScores
from cellula.validation.study import Explain

__all__ = ["attribution", "claim_evidence", "gate_evidence"]


def claim_evidence(
    task: ClaimTask, scores: ClaimScores, folds: Sequence[FoldAnswers], inputs: Mapping[str, str]
) -> tuple[Evidence, ...]:
    """Evidence of kinds scores, selection, domain and stability."""
    return (
        _score_table(task, scores, inputs),
        _selection(task, folds, inputs),
        _domain(task, scores, inputs),
        _stability(task, scores, folds, inputs),
    )


def gate_evidence(
    task: ClaimTask, scores: ClaimScores, inputs: Mapping[str, str]
) -> tuple[Evidence, ...]:
    """The anchored score that each gate of the claim decides by, in the order of the gates."""
    return tuple(
        anchored.evidence(task.claim.id, SELECTED, rule.space, inputs)
        for rule, anchored in zip(task.claim.gate, scores.gates, strict=True)
    )


def _score_table(task: ClaimTask, scores: ClaimScores, inputs: Mapping[str, str]) -> Evidence:
    observed = scores.view.full[SELECTED]
    rows = [
        {
            "model": one.model,
            "metric": one.score.metric,
            "value": one.score.value,
            "lower": one.score.lower,
            "upper": one.score.upper,
            "reason": one.score.reason,
            "n_groups": one.score.n_groups,
            "anchored": None if one.anchored is None else asdict(one.anchored),
        }
        for one in scores.table
    ]
    payload = {
        "unit": task.unit,
        "n_units": len(observed.units),
        "n_groups": len(observed.groups),
        "level": LEVEL,
        "rows": rows,
    }
    return Evidence("scores", task.claim.id, plain(payload), inputs)


def _selection(
    task: ClaimTask, folds: Sequence[FoldAnswers], inputs: Mapping[str, str]
) -> Evidence:
    first = {one.id: one.seeds[0] for one in task.models}
    payload = {
        "metric": task.metric.definition.id,
        "folds": [
            {
                "fold": fold.fold,
                "selected": fold.selected,
                "scores": {
                    one.model: one.calibration_score
                    for one in fold.answers
                    if one.seed == first[one.model]
                },
            }
            for fold in folds
        ],
    }
    return Evidence("selection", task.claim.id, plain(payload), inputs)


def _domain(task: ClaimTask, scores: ClaimScores, inputs: Mapping[str, str]) -> Evidence:
    """The selected model inside and outside what it calls its domain."""
    comparison, flags = scores.view.full[SELECTED], scores.in_domain[SELECTED]
    payload = {
        "metric": task.metric.definition.id,
        "n": len(flags),
        "n_in_domain": int(flags.sum()),
        "score_in": _score_of(task.metric, comparison, flags),
        "score_out": _score_of(task.metric, comparison, ~flags),
    }
    return Evidence("domain", task.claim.id, plain(payload), inputs)


def _score_of(metric: Metric, comparison: Comparison, rows: NDArray[np.bool_]) -> float:
    """The metric over some groups of a comparison (without their cells); NaN where none."""
    if not rows.any():
        return float("nan")
    return score(metric, comparison.take(rows)).value


def _stability(
    task: ClaimTask,
    scores: ClaimScores,
    folds: Sequence[FoldAnswers],
    inputs: Mapping[str, str],
) -> Evidence:
    """How far the anchored score of every gate moves: over resamples, and over seeds.

    Seeds: of every model that was selected in some fold and was fitted with several.
    """
    rows: list[dict[str, Any]] = []
    chosen = {fold.selected for fold in folds}
    several = [one for one in task.models if one.id in chosen and len(one.seeds) > 1]
    for rule, anchored in zip(task.claim.gate, scores.gates, strict=True):
        row = {"metric": rule.metric, "space": rule.space}
        spread = {"over": "resamples", "n": N_RESAMPLES, "sd": anchored.sd}
        rows.append({**row, "model": SELECTED, **spread})
        for one in several:
            values = _over_seeds(one, rule.metric, scores)
            spread = {"over": "seeds", "n": len(one.seeds), "sd": float(np.std(values, ddof=1))}
            kept = {"seeds": list(one.seeds), "values": values}
            rows.append({**row, "model": one.id, **spread, **kept})
    return Evidence("stability", task.claim.id, plain({"rows": rows}), inputs)


def _over_seeds(one: Competitor, metric: str, scores: ClaimScores) -> list[float]:
    """The anchored score of every seed of a model; NaN where a seed has none."""
    names = [one.id, *(f"{one.id}#{seed}" for seed in one.seeds[1:])]
    found = {row.model: row.anchored for row in scores.table if row.score.metric == metric}
    anchored = [found.get(name) for name in names]
    return [float("nan") if score is None else score.value for score in anchored]


def attribution(
    task: ClaimTask, folds: Sequence[FoldAnswers], explain: Explain, inputs: Mapping[str, str]
) -> Evidence | None:
    """The strongest features of the explained perturbations, averaged over the training folds.

    None where the explaining model does not compete for the claim. Raises DataError when it
    cannot explain, or a perturbation is not among its rows.
    """
    if explain.model not in {one.id for one in task.models}:
        return None
    seed = next(one.seeds[0] for one in task.models if one.id == explain.model)
    fitted = [fold.of(explain.model, seed).fitted for fold in folds]
    found = [one.attribute() for one in fitted if isinstance(one, Explaining)]
    if not found:
        raise DataError(
            f"model {explain.model!r} cannot explain itself; choose a linear one, such as ridge"
        )
    values = np.mean([one.values for one in found], axis=0)
    position = {name: row for row, name in enumerate(found[0].rows)}
    rows: list[dict[str, Any]] = []
    for wanted in explain.perturbation:
        if wanted.id not in position:
            raise DataError(
                f"explain names perturbation {wanted.id!r}, which {explain.model!r} was not "
                "fitted on; name one of the training data"
            )
        effect = values[position[wanted.id]]
        order = np.argsort(-np.abs(effect), kind="stable")
        ranks = {found[0].features[column]: rank for rank, column in enumerate(order, 1)}
        rows.append(
            {
                "perturbation": wanted.id,
                "name": wanted.name,
                "source": wanted.source,
                "top": [
                    {"feature": found[0].features[column], "value": effect[column]}
                    for column in order[: explain.top]
                ],
                "expected": [
                    {"feature": name, "rank": ranks.get(name)} for name in wanted.expected
                ],
            }
        )
    payload = {"model": explain.model, "method": found[0].method, "rows": rows}
    return Evidence("attribution", task.claim.id, plain(payload), inputs)
