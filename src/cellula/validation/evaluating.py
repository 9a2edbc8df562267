"""Evaluating files without a study: exploratory, for nothing was registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.errors import DataError, StudyError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import MODEL, evaluate
from cellula.evaluation.presets.anchors import anchors, beside
from cellula.evaluation.presets.evaluate import evaluate_preset, preset_of
from cellula.io.atomic import write_atomically
from cellula.io.formats import read
from cellula.validation.exploratory import Declared, profiles_source
from cellula.validation.streaming import open_pair

__all__ = ["FULL", "Asked", "Evaluated", "evaluate_files", "require_free", "write_tables"]

#: The preset that is no challenge's: every metric, beside our own baselines and ceiling.
FULL = "full"
TABLES = ("scores", "summary")


@dataclass(frozen=True, slots=True)
class Asked:
    """Two files and what their columns are; predicted_columns None: those of the real file.

    memory_gb: what the process may take, None for most of what is free.
    """

    real: Path
    predicted: Path
    columns: Mapping[str, str]
    predicted_columns: Mapping[str, str] | None = None
    value_type: str = ValueType.LOG1P
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dose_unit: str | None = None
    time_unit: str | None = None
    unit: str | None = None
    metrics: tuple[str, ...] = ()
    preset: str = FULL
    memory_gb: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Two tables: a row a perturbation, context and metric; a row a metric of the prediction
    with its interval, baseline ``b``, ceiling ``r`` and anchored score (of the full panel, a row
    a contestant and metric). unit: what the intervals resample; cautions: what to read beside.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    unit: str
    cautions: tuple[str, ...] = ()

    @property
    def of_the_model(self) -> pd.DataFrame:
        """The summary of the prediction alone."""
        found = self.summary
        return found[found["model"] == MODEL] if "model" in found else found


def evaluate_files(asked: Asked, run: RunContext) -> Evaluated:
    """A file of predictions beside a file of real profiles.

    Raises StudyError or DataError naming file, column and remedy.
    """
    return _panel(asked, run) if asked.preset == FULL else _challenge(asked, run)


def _panel(asked: Asked, run: RunContext) -> Evaluated:
    declared = Declared(
        asked.real,
        asked.columns,
        asked.value_type,
        asked.where,
        dose_unit=asked.dose_unit,
        time_unit=asked.time_unit,
    )
    given = asked.predicted_columns or asked.columns
    columns = {role: column for role, column in given.items() if role != "control"}
    # A prediction may leave the range of what can be measured; only measured values are checked.
    loose = replace(
        declared, path=asked.predicted, columns=columns, where={}, value_type=ValueType.QUANTITY
    )
    real, told = open_pair(profiles_source(declared), profiles_source(loose), run, asked.memory_gb)
    answers = [replace(answer, value_type=real.value_type) for answer in as_predictions(told)]
    panel = evaluate(real, answers, run, unit=asked.unit, metrics=asked.metrics)
    return Evaluated(panel.scores, panel.summary, panel.unit)


# -- challenges -------------------------------------------------------------------------------
def _challenge(asked: Asked, run: RunContext) -> Evaluated:
    """The rules of a challenge, context by context where the roles name one."""
    preset_of(asked.preset)
    _require_plain(asked)
    real, predicted = (_cells(path) for path in (asked.real, asked.predicted))
    given = asked.predicted_columns or asked.columns
    contexts = _contexts(real, predicted, asked.columns.get("context"), given.get("context"))
    predicted.obs = predicted.obs.rename(columns={given["perturbation"]: "perturbation"})
    real.obs = real.obs.rename(columns={asked.columns["perturbation"]: "perturbation"})
    labels = {"perturbation": "perturbation", "control": asked.columns["control"]}
    scores, summaries, cautions = [], [], []
    for name, (own, told) in contexts.items():
        stream = run.child(asked.preset, name)
        outcome = evaluate_preset(asked.preset, real[own], predicted[told], run=stream, **labels)
        found = anchors(asked.preset, real[own], run=stream, **labels)
        scores.append(outcome.table().assign(context=name))
        summaries.append(beside(outcome, found, stream).assign(context=name))
        cautions += [f"{name}: {text}" if name else text for text in outcome.cautions]
    table = pd.concat(scores, ignore_index=True)
    summary = pd.concat(summaries, ignore_index=True).rename(
        columns={"replicate": "r", "lower": "anchored_lower", "upper": "anchored_upper"}
    )
    named = summary["baseline"].fillna("")
    summary["b"] = [
        row.get(name, np.nan) for name, (_, row) in zip(named, summary.iterrows(), strict=True)
    ]
    order = ["perturbation", "context", "metric", "value", "reason"]
    return Evaluated(table[order], summary, "perturbation", tuple(dict.fromkeys(cautions)))


def _require_plain(asked: Asked) -> None:
    """StudyError when something is asked that the rules of a challenge fix."""
    control = asked.columns.get("control", "")
    if "perturbation" not in asked.columns or not control or "=" in control:
        raise StudyError(
            f"{asked.preset} needs the roles perturbation=COLUMN and control=LABEL, the label of "
            "the controls in that column"
        )
    fixed = {"metrics": asked.metrics, "unit": asked.unit, "where": asked.where}
    given = [name for name, value in fixed.items() if value]
    if given:
        raise StudyError(f"{asked.preset} fixes {', '.join(given)}; leave them out, or use {FULL}")


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


# -- files ------------------------------------------------------------------------------------
def require_free(folder: Path, *, is_replaced: bool = False) -> None:
    """DataError when one of the tables is there already and may not be replaced."""
    there = [path for path in _paths(folder) if path.exists()]
    if there and not is_replaced:
        raise DataError(f"{there[0]} exists; replace it with --force or name another folder")


def write_tables(found: Evaluated, folder: Path) -> tuple[Path, ...]:
    """Write ``scores.csv`` and ``summary.csv``."""
    paths = _paths(folder)
    for path, table in zip(paths, (found.scores, found.summary), strict=True):
        write_atomically(path, table.to_csv(index=False).encode())
    return paths


def _paths(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / f"{name}.csv" for name in TABLES)
