"""Evaluating files without a study: exploratory, for nothing was registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import Panel, evaluate
from cellula.io.atomic import write_atomically
from cellula.validation.exploratory import Declared, open_declared

__all__ = ["Asked", "evaluate_files", "write_panel"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Two files and what their columns are; predicted_columns None: those of the real file."""

    real: Path
    predicted: Path
    columns: Mapping[str, str]
    predicted_columns: Mapping[str, str] | None
    value_type: str
    where: Mapping[str, tuple[str, ...]]
    dose_unit: str | None = None
    time_unit: str | None = None
    unit: str | None = None
    metrics: tuple[str, ...] = ()


def evaluate_files(asked: Asked, run: RunContext) -> Panel:
    """The panel of a file of predictions beside a file of real profiles.

    Raises StudyError or DataError naming file, column and remedy.
    """
    declared = Declared(
        asked.real,
        asked.columns,
        asked.value_type,
        asked.where,
        dose_unit=asked.dose_unit,
        time_unit=asked.time_unit,
    )
    real = open_declared(declared)
    given = asked.predicted_columns or asked.columns
    columns = {role: column for role, column in given.items() if role != "control"}
    # A prediction may leave the range of what can be measured; only measured values are checked.
    loose = replace(
        declared, path=asked.predicted, columns=columns, where={}, value_type=ValueType.QUANTITY
    )
    answers = [
        replace(answer, value_type=real.value_type)
        for answer in as_predictions(open_declared(loose))
    ]
    return evaluate(real, answers, run, unit=asked.unit, metrics=asked.metrics)


def write_panel(panel: Panel, folder: Path, *, is_replaced: bool = False) -> tuple[Path, ...]:
    """Write ``scores.csv`` and ``summary.csv``; DataError when they are there already."""
    paths = tuple(folder / f"{name}.csv" for name in ("scores", "summary"))
    there = [path for path in paths if path.exists()]
    if there and not is_replaced:
        raise DataError(f"{there[0]} exists; replace it with --force or name another folder")
    for path, table in zip(paths, (panel.scores, panel.summary), strict=True):
        write_atomically(path, table.to_csv(index=False).encode())
    return paths
