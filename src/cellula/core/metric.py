"""Metrics: registered definitions, additive terms, scores that always have a row.

A metric is a smooth function of SUMS over groups: ``finish(sum of terms)``. That one decision
gives strata (sum within a stratum), bootstraps over the unit of replication (weighted sums),
anchored scores (the same weights for prediction, baseline and replicate), streaming and
clusters (sums of blocks) without a second implementation of any metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError

__all__ = ["Direction", "Metric", "MetricDefinition", "Score", "Terms"]

Direction = Literal["higher", "lower", "target"]


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What a metric means, precisely enough that its number can be recomputed elsewhere.

    version: raised whenever a number could change; ``id`` is ``name@version``. layer: cell,
    population, gene, pathway, phenotype or calibration. space: ``readouts`` or the space that
    a gate may choose. genes: which readouts enter. control: whose controls make a delta.
    aggregation: how groups become one number. direction: which way is better; ``target``
    when nearer to ``ideal`` is better. ideal: the value of a perfect prediction. is_per_group: the
    terms of a group depend on that group alone (its row, cells and controls), so that they may be
    computed some groups at a time, anywhere; False where ranks or means over groups enter.
    """

    name: str
    version: int
    equation: str
    layer: Literal["cell", "population", "gene", "pathway", "phenotype", "calibration"]
    space: str
    genes: str
    control: str
    aggregation: str
    direction: Direction
    ideal: float
    references: tuple[str, ...] = ()
    needs_cells: bool = False
    is_per_group: bool = False

    @property
    def id(self) -> str:
        """``name@version``, as a study writes it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Terms:
    """Additive statistics of every group.

    values: (groups, terms) float64; a group without an answer has NaN in its whole row and
    its reason in ``reasons`` (groups,), "" elsewhere. stratum: (groups,) codes of the strata
    whose scores are averaged with equal weight; all 0 for a pooled metric.
    """

    values: NDArray[np.float64]
    reasons: NDArray[Any]
    stratum: NDArray[np.int64]

    def __post_init__(self) -> None:
        groups = len(self.values)
        if self.reasons.shape != (groups,) or self.stratum.shape != (groups,):
            raise DataError("terms, reasons and strata differ in length")
        silent = np.isnan(self.values).any(axis=1) & (self.reasons == "")
        if silent.any():
            raise DataError(f"group {int(np.flatnonzero(silent)[0])} has no value and no reason")


@dataclass(frozen=True, slots=True)
class Score:
    """One row of a score table: a number, or NaN and the reason why there is none.

    metric: ``name@version``. perturbation, context: the stratum, "" for all. n_groups: groups
    behind the number. lower, upper: its interval over resamples of ``n_units`` units of
    replication ``unit``, NaN without one.
    """

    metric: str
    value: float
    reason: str = ""
    perturbation: str = ""
    context: str = ""
    n_groups: int = 0
    lower: float = float("nan")
    upper: float = float("nan")
    unit: str = ""
    n_units: int = 0

    def __post_init__(self) -> None:
        if np.isnan(self.value) and not self.reason:
            raise DataError(f"a score of {self.metric} without a value needs a reason")


@runtime_checkable
class Metric(Protocol):
    """A pure function from a comparison to additive terms, and from their sums to a value."""

    definition: ClassVar[MetricDefinition]

    def terms(self, comparison: Comparison) -> Terms:
        """The statistics of every group; never raises for one bad group, gives its reason."""

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """From sums (..., terms) to values (...); NaN where the sums give no value."""
