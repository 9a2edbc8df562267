"""What a preset is: metrics with fixed definitions, per-perturbation columns, and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.metric import MetricDefinition
from cellula.core.run import RunContext
from cellula.evaluation.presets.panel import Panel

__all__ = ["Column", "Outcome", "Preset", "Settings", "mean_column", "median_ratio"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of differential expression.

    level: of the adjusted p; control_cpm: a gene is tested where the controls' mean of counts
    per million is above it, None for all genes; pseudocount: added to both means of a fold change.
    """

    level: float = 0.05
    control_cpm: float | None = None
    pseudocount: float = 0.0


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of every perturbation: the aggregate is sum(numerator) / sum(denominator).

    numerator, denominator: (perturbations,), NaN where a perturbation has no value, with its
    reason. is_mean: whether numerator is itself the value of a perturbation.
    """

    definition: MetricDefinition
    numerator: Floats
    denominator: Floats
    reasons: NDArray[Any]
    is_mean: bool = True

    def aggregate(self, weights: Floats | None = None) -> Floats:
        """The aggregate, or one for each row of weights (resamples, perturbations); NaN if none."""
        has = np.isfinite(self.numerator) & np.isfinite(self.denominator)
        drawn = np.ones((1, len(has))) if weights is None else weights
        above = drawn[:, has] @ self.numerator[has]
        below = drawn[:, has] @ self.denominator[has]
        out = np.full(len(drawn), np.nan)
        np.divide(above, below, out=out, where=below > 0)
        return out

    @property
    def value(self) -> float:
        """The aggregate over all perturbations that have a value; NaN if none has."""
        return float(self.aggregate()[0])

    @property
    def n(self) -> int:
        """How many perturbations have a value."""
        return int(np.isfinite(self.numerator).sum())


def mean_column(
    definition: MetricDefinition, values: Floats, reason: str | NDArray[Any] = ""
) -> Column:
    """A metric whose aggregate is the mean over the perturbations that have a value.

    values: (perturbations,), NaN for none, for which ``reason`` is told.
    """
    reasons = np.where(np.isnan(values), reason, "").astype(object)
    return Column(definition, values, np.where(np.isnan(values), np.nan, 1.0), reasons)


def median_ratio(below: Floats, above: Floats) -> float:
    """The median of above / below where below is not 0; 1 where it always is."""
    known = below > 0
    return float(np.median(above[known] / below[known])) if known.any() else 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a preset says of a submission: one column a metric, and what to read beside them."""

    preset: str
    perturbations: tuple[str, ...]
    columns: tuple[Column, ...]
    cautions: tuple[str, ...] = field(default=())

    def column(self, metric: str) -> Column:
        """The column of a metric. Raises DataError, with the names there are, on another name."""
        for column in self.columns:
            if column.definition.name == metric:
                return column
        names = ", ".join(column.definition.name for column in self.columns)
        raise DataError(f"{self.preset} has no metric {metric!r}; it has {names}")

    def table(self) -> pd.DataFrame:
        """One row a metric and perturbation: perturbation, metric, value, reason."""
        return pd.concat([self._rows(column) for column in self.columns], ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """One row a metric: metric, value, n (perturbations with a value), direction, reason."""
        return pd.DataFrame(
            {
                "metric": [column.definition.id for column in self.columns],
                "value": [column.value for column in self.columns],
                "n": [column.n for column in self.columns],
                "direction": [column.definition.direction for column in self.columns],
                "reason": [_why(column) for column in self.columns],
            }
        )

    def _rows(self, column: Column) -> pd.DataFrame:
        is_mean = column.is_mean
        values = column.numerator if is_mean else np.full(len(self.perturbations), np.nan)
        reasons = column.reasons if is_mean else "a ratio of sums over perturbations"
        return pd.DataFrame(
            {
                "perturbation": self.perturbations,
                "metric": column.definition.id,
                "value": values,
                "reason": reasons,
            }
        )


def _why(column: Column) -> str:
    """Why an aggregate has no value, "" where it has one."""
    if np.isfinite(column.value):
        return ""
    told = [str(reason) for reason in column.reasons if reason]
    return told[0] if told else "the experiment shows no effect beyond the noise of its cells"


class Preset(Protocol):
    """A published set of rules: a value with a name, a version, definitions and settings."""

    @property
    def name(self) -> str:
        """The name by which it is asked for."""

    @property
    def version(self) -> str:
        """What it is equal to: the package and version of the published scorer."""

    @property
    def settings(self) -> Settings:
        """The settings of differential expression."""

    @property
    def definitions(self) -> Sequence[MetricDefinition]:
        """The metrics, in the order of the columns."""

    def columns(
        self, panel: Panel, run: RunContext, *, own_controls: bool
    ) -> tuple[tuple[Column, ...], tuple[str, ...]]:
        """The columns and cautions of a submission.

        own_controls: whether the submission is a second experiment, with controls of its own.
        """
