"""Split-conformal intervals of the pseudobulk, over the unit of replication."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.model import Fitted, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.evaluation.comparison import compare
from cellula.evaluation.question import joint_codes, labels_of
from cellula.evaluation.uncertainty.inside_training import InsideTraining, Restoring

__all__ = [
    "ConformalFitted",
    "SplitConformal",
    "SplitConformalOptions",
    "unit_quantile",
    "units_needed",
    "widened",
]

#: Fewest calibration groups from which a perturbation gets a scale of its own.
MIN_GROUPS = 20
#: The logarithm of a perturbation's scale is shrunk by n / (n + 5).
SHRINKAGE = 5.0
#: No perturbation is taken to be easier than this share of the common scale.
SMALLEST_SCALE = 0.01
#: Shares that differ by less are equal.
TOLERANCE = 1e-12

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@final
class SplitConformalOptions(Options):
    """Options of :class:`SplitConformal`."""

    level: float = Field(default=0.9, gt=0.0, lt=1.0)
    """The chance that the interval holds the pseudobulk of a new unit."""
    difficulty: Literal["none", "perturbation"] = "none"
    """Whether perturbations that are harder to predict get wider intervals."""


@final
@dataclass(frozen=True, slots=True)
class ConformalFitted:
    """A fitted model whose predictions carry an interval.

    fitted: the model inside, whose means do not change. half_width: (readouts,), half the width
    of the interval at scale 1, or None where no interval can be given, for the ``reason``.
    scales: perturbation -> scale; others have scale 1.
    """

    fitted: Fitted
    readouts: tuple[str, ...]
    level: float
    half_width: Floats | None
    scales: Mapping[str, float]
    n_units: int
    reason: str = ""

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """The predictions of the model inside, with mean -+ half width * scale.

        Values that cannot be negative have no negative bounds. An interval of the model's own
        is replaced, and taken away where there is none.
        """
        for batch in self.fitted.predict(queries, control, run):
            yield self._widen(batch)

    def _widen(self, batch: Prediction) -> Prediction:
        if self.half_width is None:
            return replace(batch, lower=None, upper=None)
        position = pd.Index(self.readouts).get_indexer(list(batch.readouts))
        labels = batch.queries.perturbation
        scale = np.array([self.scales.get(str(name), 1.0) for name in labels.categories])
        return widened(batch, self.half_width[position] * scale[labels.codes][:, None])

    def state(self) -> State:
        """The state of the model inside, under ``fitted``, beside the calibration."""
        inner = self.fitted.state()
        arrays = {f"fitted/{name}": array for name, array in inner.arrays.items()}
        if self.half_width is not None:
            arrays["half_width"] = self.half_width
        meta = {
            "fitted": dict(inner.meta),
            "readouts": list(self.readouts),
            "level": self.level,
            "scales": dict(self.scales),
            "n_units": self.n_units,
            "reason": self.reason,
        }
        return State(arrays, meta)


@final
class SplitConformal:
    """Hierarchical split conformal prediction [dunn2023]_ [lee2023]_.

    Residuals |observed - predicted| of held-out calibration groups are taken per readout. Units
    of replication are exchangeable, groups and cells within a unit are not: each of n units has
    weight 1/(n+1), spread evenly over its groups, and the remaining 1/(n+1) lies at infinity.
    The weighted quantile at ``level`` is the half width; it covers a group of a NEW unit with
    probability >= level. With n < 1/(1 - level) - 1 units (9 for 90 %) it is infinite and no
    interval is given. With difficulty "perturbation" residuals are divided by a shrunk scale of
    the perturbation, estimated from the OTHER units, as it will be for a new unit.
    """

    name: ClassVar[str] = "split_conformal"
    options_type: ClassVar[type[Options]] = SplitConformalOptions
    references: ClassVar[tuple[str, ...]] = ("vovk2005", "dunn2023", "lee2023")
    options: SplitConformalOptions

    def __init__(self, options: SplitConformalOptions) -> None:
        self.options = options

    def calibrate(
        self,
        fitted: Fitted,
        calibration: Dataset,
        controls: Dataset | None,
        unit: str,
        run: RunContext,
    ) -> ConformalFitted:
        """The fitted model with intervals from profiles that it has NOT seen.

        calibration: profiles of units split from training as the claim splits its hold-out.
        unit: perturbation, context or a role (donor, replicate, batch, individual); never cells.
        """
        queries = _distinct(calibration.queries())
        batches = fitted.predict(queries, controls, run)
        return self.calibrate_on(
            fitted, compare(calibration, batches, controls=None, unit=unit), unit
        )

    def calibrate_on(self, fitted: Fitted, held_out: Comparison, unit: str) -> ConformalFitted:
        """The fitted model with intervals from residuals that are already there.

        held_out: groups beside predictions of a model that had NOT seen them, their units those
        of ``unit``: of ``fitted`` itself (the guarantee of the split), or out of the folds of
        training for a ``fitted`` that was then fitted on all of it (cross-conformal:
        near the level in practice, without the guarantee of a split).
        """
        level, n_units = self.options.level, len(held_out.units)
        needed = units_needed(level)
        if n_units < needed:
            reason = (
                f"{n_units} calibration unit(s) of {unit}; an interval of {level:.0%} needs "
                f"{needed}"
            )
            return ConformalFitted(fitted, held_out.readouts, level, None, {}, n_units, reason)
        residual = np.abs(held_out.observed - held_out.predicted)
        scales: dict[str, float] = {}
        if self.options.difficulty == "perturbation":
            scales, of_group = _difficulty(held_out, residual)
            residual = residual / of_group[:, None]
        half_width = unit_quantile(residual, held_out.unit, level)
        return ConformalFitted(fitted, held_out.readouts, level, half_width, scales, n_units)

    def wrap(self, inside: InsideTraining) -> ConformalFitted:
        """See :meth:`cellula.evaluation.uncertainty.inside_training.IntervalMethod.wrap`."""
        return self.calibrate_on(inside.fitted, inside.held_out, inside.unit)

    def restore(self, state: State, model: Restoring) -> ConformalFitted:
        """The calibrated model whose state this is; ``model`` restores the one inside."""
        arrays = {
            name.removeprefix("fitted/"): array
            for name, array in state.arrays.items()
            if name.startswith("fitted/")
        }
        meta: Mapping[str, Any] = state.meta
        return ConformalFitted(
            fitted=model.restore(State(arrays, meta["fitted"])),
            readouts=tuple(meta["readouts"]),
            level=float(meta["level"]),
            half_width=state.arrays.get("half_width"),
            scales=dict(meta["scales"]),
            n_units=int(meta["n_units"]),
            reason=str(meta["reason"]),
        )


def unit_quantile(scores: Floats, unit: Codes, level: float) -> Floats:
    """Weighted conformal quantile of every column: (readouts,); infinite with too few units.

    scores: (groups, readouts), unit: (groups,). The smallest q for which
    sum over units of (share of the unit's scores <= q) / (n_units + 1) reaches ``level``.
    """
    codes = np.unique(unit, return_inverse=True)[1]
    size = np.bincount(codes)
    weight = 1.0 / (size[codes] * (len(size) + 1.0))
    order = np.argsort(scores, axis=0, kind="stable")
    is_reached = np.cumsum(weight[order], axis=0) >= level - TOLERANCE
    found = np.take_along_axis(scores, np.take_along_axis(order, is_reached.argmax(0)[None], 0), 0)
    return np.where(is_reached.any(axis=0), found[0], np.inf)


def units_needed(level: float) -> int:
    """The fewest calibration units of which an interval of this level is finite: 9 for 90 %."""
    return int(np.ceil(level / (1.0 - level) - TOLERANCE))


def widened(batch: Prediction, width: Floats) -> Prediction:
    """A batch with the interval mean -+ width (queries, readouts), not below 0 where values
    are not.
    """
    lower, upper = batch.mean - width, batch.mean + width
    if batch.value_type.is_non_negative:
        lower, upper = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
    return replace(batch, lower=lower, upper=upper)


def _distinct(queries: QueryTable) -> QueryTable:
    (keys,) = joint_codes([queries])
    return queries.take(np.unique(keys, return_index=True)[1])


def _difficulty(comparison: Comparison, residual: Floats) -> tuple[dict[str, float], Floats]:
    """Scale of every perturbation for a new unit, and of every group from the other units.

    scale = rms(z)^(n / (n + 5)), z the residual over the readout's root mean square, n the
    number of groups of the perturbation; 1 for a perturbation of fewer than 20.
    """
    mean_square = (residual**2).mean(axis=0)
    size = np.divide(1.0, mean_square, out=np.zeros_like(mean_square), where=mean_square > 0)
    z_square = (residual**2 * size).mean(axis=1)
    codes, names = labels_of(comparison.groups["perturbation"])
    total, count = _sums(codes, z_square), _sums(codes, np.ones(len(codes)))
    pair = np.unique(codes * len(comparison.units) + comparison.unit, return_inverse=True)[1]
    own, n_own = _sums(pair, z_square)[pair], _sums(pair, np.ones(len(pair)))[pair]
    scales = _shrunk(total, count)
    kept = {str(name): float(scales[i]) for i, name in enumerate(names) if scales[i] != 1.0}
    return kept, _shrunk(total[codes] - own, count[codes] - n_own)


def _sums(codes: Codes, values: Floats) -> Floats:
    return np.asarray(np.bincount(codes, weights=values), np.float64)


def _shrunk(total: Floats, count: Floats) -> Floats:
    mean = np.divide(np.maximum(total, 0.0), count, out=np.ones(len(count)), where=count > 0)
    scale = np.maximum(np.sqrt(mean), SMALLEST_SCALE) ** (count / (count + SHRINKAGE))
    return np.asarray(np.where(count >= MIN_GROUPS, scale, 1.0), np.float64)
