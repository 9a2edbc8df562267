"""CV+ and jackknife+: intervals from the fits of folds, where units are few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.dataset import Dataset
from cellula.core.model import Fitted, Model, Options, State
from cellula.core.nested import inner_state, nested_state
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.data.splits import Fold
from cellula.evaluation.comparison import compare, concatenate
from cellula.evaluation.question import distinct
from cellula.evaluation.uncertainty.inside_training import InsideTraining, Restoring
from cellula.evaluation.uncertainty.split_conformal import unit_quantile, units_needed
from cellula.models.baselines.in_step import in_step

__all__ = ["CvPlus", "CvPlusFitted", "CvPlusOptions"]

#: Values (groups x readouts) of which quantiles are taken together.
MOST_VALUES = 2**22

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@final
class CvPlusOptions(Options):
    """Options of :class:`CvPlus`."""

    level: float = Field(default=0.9, gt=0.0, lt=1.0)
    """The nominal chance that the interval holds the pseudobulk of a new unit."""


@final
@dataclass(frozen=True, slots=True)
class CvPlusFitted:
    """A model fitted on all of training, beside the fits of its folds and their residuals.

    residual: (groups, readouts) |observed - predicted| by the fit ``fold`` (groups,) that had not
    seen the group; unit: (groups,). reason: why no interval can be given, or "".
    """

    fitted: Fitted
    of_folds: tuple[Fitted, ...]
    readouts: tuple[str, ...]
    level: float
    residual: Floats
    fold: Codes
    unit: Codes
    reason: str = ""

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """The predictions of the fit on all, with the interval of [barber2021]_.

        It need not be symmetric; values that cannot be negative have no negative bounds.
        """
        if self.reason:
            for batch in self.fitted.predict(queries, control, run):
                yield replace(batch, lower=None, upper=None)
            return
        streams = [one.predict(queries, control, run) for one in (self.fitted, *self.of_folds)]
        for own, *others in in_step(streams):
            yield self._bounded(own, others)

    def _bounded(self, own: Prediction, others: Sequence[Prediction]) -> Prediction:
        place = {name: i for i, name in enumerate(self.readouts)}
        position = np.array([place[name] for name in own.readouts])
        lower, upper = np.empty(own.mean.shape), np.empty(own.mean.shape)
        width = max(1, MOST_VALUES // len(self.fold))
        for row in range(len(own.queries)):
            means = np.stack([one.mean[row] for one in others])
            for start in range(0, len(position), width):
                some = slice(start, start + width)
                mean, residual = means[self.fold, some], self.residual[:, position[some]]
                upper[row, some] = unit_quantile(mean + residual, self.unit, self.level)
                lower[row, some] = -unit_quantile(residual - mean, self.unit, self.level)
        if own.value_type.is_non_negative:
            lower, upper = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
        return replace(own, lower=lower, upper=upper)

    def state(self) -> State:
        """The states of all fits beside their residuals."""
        arrays: dict[str, NDArray[Any]] = {
            "residual": self.residual,
            "fold": self.fold,
            "unit": self.unit,
        }
        meta = {
            "readouts": list(self.readouts),
            "level": self.level,
            "reason": self.reason,
            "n_folds": len(self.of_folds),
        }
        parts = {f"fold{number}": one.state() for number, one in enumerate(self.of_folds)}
        return nested_state(State(arrays, meta), {"fitted": self.fitted.state(), **parts})


@final
class CvPlus:
    """CV+ [barber2021]_ over units of replication; jackknife+ where every fold is one unit.

    For a question the bounds are weighted quantiles of mu_k(g) - R_g and mu_k(g) + R_g over the
    groups g of training, mu_k(g) the answer of the fit that had not seen g and R_g its residual;
    every unit weighs 1/(n + 1) as in ``split_conformal``. All of training is fitted AND
    calibrates, so it serves where units are few: at level 1 - a it covers a new unit with
    probability >= 1 - 2a whatever the model, and near 1 - a where the fits of folds agree.
    """

    name: ClassVar[str] = "cv_plus"
    options_type: ClassVar[type[Options]] = CvPlusOptions
    references: ClassVar[tuple[str, ...]] = ("barber2021", "lee2023")
    options: CvPlusOptions

    def __init__(self, options: CvPlusOptions) -> None:
        self.options = options

    def fit(
        self, model: Model, train: Dataset, folds: Sequence[Fold], unit: str, run: RunContext
    ) -> CvPlusFitted:
        """The model fitted on all of ``train`` and on every fold of it, with its residuals.

        folds: how training is split, as the claim splits its hold-out; ``"each"`` is jackknife+.
        unit: of replication. Raises what the model raises.
        """
        fits, parts, of_group = [], [], []
        for number, fold in enumerate(folds):
            stream, held = run.child("fold", fold.name), train.take(fold.test)
            fits.append(model.fit(train.take(fold.train), None, stream.child("fit")))
            controls = train.take(fold.control) if len(fold.control) else None
            answers = fits[-1].predict(distinct(held), controls, stream.child("ask"))
            parts.append(compare(held, answers, controls=None, unit=unit))
            of_group.append(np.full(len(parts[-1].groups), number))
        return self.wrap(
            InsideTraining(
                fitted=model.fit(train, None, run.child("fit")),
                held_out=concatenate(parts),
                fold=np.concatenate(of_group).astype(np.int64),
                folds=tuple(folds),
                of_folds=tuple(fits),
                train=train,
                unit=unit,
            )
        )

    def wrap(self, inside: InsideTraining) -> CvPlusFitted:
        """See :meth:`cellula.evaluation.uncertainty.inside_training.IntervalMethod.wrap`."""
        found = inside.held_out
        needed, n_units = units_needed(self.options.level), len(np.unique(found.unit))
        reason = ""
        if n_units < needed:
            reason = (
                f"{n_units} unit(s) of {inside.unit}; an interval of {self.options.level:.0%} "
                f"needs {needed}"
            )
        return CvPlusFitted(
            fitted=inside.fitted,
            of_folds=inside.of_folds,
            readouts=found.readouts,
            level=self.options.level,
            residual=np.abs(found.observed - found.predicted),
            fold=inside.fold,
            unit=found.unit,
            reason=reason,
        )

    def restore(self, state: State, model: Restoring) -> CvPlusFitted:
        """The fits whose state this is; ``model`` restores each."""
        arrays, meta = state.arrays, state.meta
        names = [f"fold{number}" for number in range(int(meta["n_folds"]))]
        return CvPlusFitted(
            fitted=model.restore(inner_state(state, "fitted")),
            of_folds=tuple(model.restore(inner_state(state, name)) for name in names),
            readouts=tuple(meta["readouts"]),
            level=float(meta["level"]),
            residual=arrays["residual"],
            fold=arrays["fold"],
            unit=arrays["unit"],
            reason=str(meta["reason"]),
        )
