"""The rules of a challenge applied to two files, context by context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.core.metric import MetricDefinition
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.presets.anchors import Anchors, anchors, beside
from cellula.evaluation.presets.definition import Outcome
from cellula.evaluation.presets.evaluate import evaluate_preset, preset_of
from cellula.evaluation.sides import Side, Sides, sides_of
from cellula.io.formats import read

__all__ = ["Judged", "judge"]


@dataclass(frozen=True, slots=True)
class Judged:
    """scores: a row a perturbation, context and metric, the trivial answers and the replicate
    beside the value; summary: a row a metric and context; definitions: by ``name@version``.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    cautions: tuple[str, ...]
    definitions: Mapping[str, MetricDefinition]
    value_type: ValueType
    sides: Sides


def judge(
    preset: str,
    files: tuple[Path, Path],
    columns: Mapping[str, str],
    predicted_columns: Mapping[str, str],
    run: RunContext,
) -> Judged:
    """A submission beside an experiment: paths of real and predicted cells, role -> column of each.

    Contexts are judged one by one where the roles name one. Raises DataError where the two do not
    fit the rules, naming what differs.
    """
    real, predicted = (_cells(path) for path in files)
    contexts = _contexts(real, predicted, columns.get("context"), predicted_columns.get("context"))
    _name(real, columns, columns["control"])
    _name(predicted, predicted_columns, columns["control"])
    labels = {"perturbation": "perturbation", "control": columns["control"]}
    scores, summaries, cautions = [], [], []
    for name, (own, told) in run.progress.track(list(contexts.items()), "contexts"):
        pair = real[own], predicted[told]
        stream = run.child(preset, name)
        outcome = evaluate_preset(preset, *pair, run=stream, **labels)
        found = anchors(preset, pair[0], run=stream, **labels)
        scores.append(_beside(outcome, found).assign(context=name))
        summaries.append(beside(outcome, found, stream).assign(context=name))
        cautions += [f"{name}: {text}" if name else text for text in outcome.cautions]
    value_type = _value_type(real)
    mine, theirs = (
        Side(one.obs, one.X, tuple(map(str, one.var_names))) for one in (real, predicted)
    )
    sides = sides_of(mine, theirs, value_type)
    return Judged(
        scores=_arranged(pd.concat(scores, ignore_index=True), sides.groups),
        summary=_summary(summaries),
        cautions=tuple(dict.fromkeys(cautions)),
        definitions={one.id: one for one in preset_of(preset).definitions},
        value_type=value_type,
        sides=sides,
    )


def _name(side: AnnData, columns: Mapping[str, str], control: str) -> None:
    """Give the columns of a side the names of their roles; "" where it has no context."""
    if columns["perturbation"] not in side.obs:
        raise DataError(
            f"the cells have no column {columns['perturbation']!r}; they have "
            f"{', '.join(map(str, side.obs.columns))}"
        )
    label = side.obs[columns["perturbation"]].astype(str)
    context = side.obs[columns["context"]].astype(str) if "context" in columns else ""
    side.obs = side.obs[[]].assign(
        perturbation=label, context=context, is_control=(label == control).to_numpy()
    )


def _beside(outcome: Outcome, found: Anchors) -> pd.DataFrame:
    """Every value with those of the trivial answers and of the replicate in columns beside it."""
    table = outcome.table()
    keys = ["perturbation", "metric"]
    for name, other in {**found.trivial, "replicate": found.replicate}.items():
        own = other.table()[[*keys, "value"]].rename(columns={"value": name})
        table = table.merge(own, on=keys, how="left", validate="one_to_one")
    return table


def _arranged(scores: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """The scores in the order of the columns, with the third of the real response."""
    keys = ["perturbation", "context"]
    told = groups[[*keys, "response"]]
    table = scores.merge(told, on=keys, how="left", validate="many_to_one")
    first = [*keys, "metric", "value", "reason"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def _summary(parts: list[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True).rename(
        columns={"replicate": "r", "lower": "anchored_lower", "upper": "anchored_upper"}
    )
    named = table["baseline"].fillna("")
    table["b"] = [
        row.get(name, np.nan) for name, (_, row) in zip(named, table.iterrows(), strict=True)
    ]
    return table


def _value_type(cells: AnnData) -> ValueType:
    """Counts, or logarithms where a value has a fraction."""
    values = cells.X.data if sp.issparse(cells.X) else np.asarray(cells.X)
    is_whole = values.dtype.kind in "iu" or not np.any(np.modf(values)[0])
    return ValueType.COUNTS if is_whole else ValueType.LOG1P


def _cells(path: Path) -> AnnData:
    if not path.exists():
        raise DataError(f"{path}: no such file")
    content = read(path)
    if not isinstance(content, AnnData):
        raise DataError(f"{path.name} holds a {type(content).__name__}; a challenge takes cells")
    return content


def _contexts(
    real: AnnData, predicted: AnnData, own: str | None, told: str | None
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Context -> its rows on both sides; all rows under "" where no role names a context."""
    if own is None or told is None:
        return {"": (np.ones(real.n_obs, bool), np.ones(predicted.n_obs, bool))}
    for data, column, side in ((real, own, "real"), (predicted, told, "predicted")):
        if column not in data.obs:
            raise DataError(
                f"the {side} cells have no column {column!r}; they have "
                f"{', '.join(map(str, data.obs.columns))}"
            )
    mine, theirs = real.obs[own].astype(str), predicted.obs[told].astype(str)
    missing = sorted(set(mine) - set(theirs))
    if missing:
        raise DataError(f"nothing is predicted for the context {', '.join(missing[:5])}")
    return {
        name: ((mine == name).to_numpy(), (theirs == name).to_numpy()) for name in sorted(set(mine))
    }
