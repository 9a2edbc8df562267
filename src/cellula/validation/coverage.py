"""What the intervals of a claim hold, stratum by stratum, and what declining questions gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from cellula.core.canonical import plain
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.roles import ROLES
from cellula.core.run import RunContext
from cellula.evaluation.interval_strata import MOST_LABELS, interval_strata, strata_labels
from cellula.evaluation.risk_coverage import Doubt, thinned
from cellula.validation.answers import Answer, ClaimTask, FoldAnswers
from cellula.validation.scoring import SELECTED, ClaimScores, of_groups

__all__ = ["grouping_columns", "interval_evidence"]


def interval_evidence(
    task: ClaimTask,
    scores: ClaimScores,
    folds: Sequence[FoldAnswers],
    inputs: Mapping[str, str],
    run: RunContext,
) -> Evidence:
    """Of the selected model: the method of its intervals, their coverage by stratum, the risk.

    Strata are those of the questions, and columns of the data that group contexts or
    perturbations, such as the tissue of a line.
    """
    comparison, plan = scores.view.full[SELECTED], task.intervals
    groups = comparison.groups
    strata = strata_labels(comparison)
    strata |= {
        column: label.reindex(groups[role].astype(str)).to_numpy(str)
        for column, (role, label) in grouping_columns(task.data).items()
    }
    stream = run.child(task.claim.id, "intervals")
    rows = interval_strata(comparison, strata, stream.rng)
    payload: dict[str, Any] = {
        "method": plan.method.name,
        "options": plan.method.options.model_dump(mode="json"),
        "level": plan.method.options.level,
        "unit": task.unit,
        "rows": [asdict(row) for row in rows],
        "reasons": {fold.fold: why for fold in folds if (why := _of_selected(fold).reason)},
    }
    if plan.abstention is not None and all(_of_selected(fold).doubts for fold in folds):
        doubt = of_groups(SELECTED, folds, comparison, scores.fold, "doubt").astype(np.float64)
        told = Doubt.of(plan.abstention.options.by, comparison, doubt, stream.child("risk").rng)
        payload["risk"] = {
            "name": told.name,
            "gain": asdict(told.gain),
            "curve": asdict(thinned(told.curve)),
            "n_declined": int((~scores.in_domain[SELECTED]).sum()),
        }
    return Evidence("intervals", task.claim.id, plain(payload), inputs)


def grouping_columns(data: Dataset) -> dict[str, tuple[str, pd.Series[Any]]]:
    """Column -> (role, its text by label of the role): 2 to 50 texts, one for every label.

    Columns of text that are no other role, each of whose values holds several contexts or
    perturbations on average.
    """
    obs, treated = data.obs, ~data.is_control
    queries = data.queries().take(treated)
    found: dict[str, tuple[str, pd.Series[Any]]] = {}
    for column in obs.columns:
        is_number = pd.api.types.is_numeric_dtype(obs[column].dtype)
        if is_number or (column in ROLES and column != "perturbation_kind"):
            continue
        values = obs[column].astype(str).to_numpy()[treated]
        for role in ("context", "perturbation"):
            names = np.asarray(getattr(queries, role), str)
            pairs = pd.DataFrame({"label": names, "value": values}).drop_duplicates()
            is_one_each = len(pairs) == pairs["label"].nunique()
            n_values = pairs["value"].nunique()
            if is_one_each and 1 < n_values <= min(MOST_LABELS, len(pairs) // 2):
                found.setdefault(str(column), (role, pairs.set_index("label")["value"]))
    return found


def _of_selected(fold: FoldAnswers) -> Answer:
    return next(answer for answer in fold.answers if answer.model == fold.selected)
