"""Reports of an experiment as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.experiment import DataSet, Experiment, ReportTable

__all__ = ["report_table", "reports_of"]

#: The column that numbers iterations of repeated tasks.
ITERATION = "iteration"


def reports_of(experiment: Experiment) -> tuple[ReportTable, ...]:
    """The reports of an experiment; one of all its data generators where it has none."""
    if experiment.reports:
        return experiment.reports
    every = (DataSet(one.name or one.id, one.id) for one in experiment.generators)
    return (ReportTable(experiment.id, tuple(every)),)


def report_table(report: ReportTable, values: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    """A row a time, iterations below one another and numbered where there are several.

    values: data generator -> (iterations, times). Raises DataError on two columns of one name,
    and on data sets that differ in length.
    """
    labels = [one.label for one in report.columns]
    shapes = {values[one.generator].shape for one in report.columns}
    many = sorted(shape for shape in shapes if shape != (1, 1))
    if len(many) > 1:
        raise DataError(
            f"report {report.id!r} joins data sets of {' and '.join(map(str, many))} (iterations, "
            "times); give each a report of its own"
        )
    n_iterations, n_times = many[0] if many else (1, 1)
    columns: dict[str, Any] = {}
    if n_iterations > 1:
        columns[ITERATION] = np.repeat(np.arange(n_iterations), n_times)
    twice = sorted({label for label in labels if labels.count(label) > 1 or label in columns})
    if twice:
        raise DataError(f"report {report.id!r} has two columns {twice[0]!r}; rename one")
    for one in report.columns:
        shown = np.broadcast_to(values[one.generator], (n_iterations, n_times))
        columns[one.label] = shown.ravel()
    return pd.DataFrame(columns)
