"""Conformal intervals that look at the question: by difficulty, by distance, for all readouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Fitted, Options, State
from cellula.core.nested import inner_state, nested_state
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.evaluation.uncertainty.difficulty import Difficulty, difficulty_of
from cellula.evaluation.uncertainty.inside_training import InsideTraining, Restoring
from cellula.evaluation.uncertainty.question_distance import QuestionDistance
from cellula.evaluation.uncertainty.split_conformal import unit_quantile, units_needed, widened

__all__ = ["AdaptiveConformal", "AdaptiveConformalOptions", "AdaptiveFitted"]

#: The mean square of a readout leans on that of all readouts with the weight of so many units.
SHAPE_UNITS = 5.0

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@final
class AdaptiveConformalOptions(Options):
    """Options of :class:`AdaptiveConformal`."""

    level: float = Field(default=0.9, gt=0.0, lt=1.0)
    """The chance that the interval holds the pseudobulk of a new unit."""
    difficulty: Literal["none", "spread", "distance", "estimated"] = "none"
    """What makes an interval wide: nothing, the interval that the model itself gives, the distance
    of the question to those of training, or that with dose, time, number of components and size
    of the answer."""
    strata: int = Field(default=1, ge=1)
    """Bins of that distance in each of which the level holds; fewer where units are few."""
    band: bool = False
    """Whether the level is that of all readouts together, not of each."""


@final
@dataclass(frozen=True, slots=True)
class AdaptiveFitted:
    """A fitted model whose predictions carry an interval that depends on the question.

    half_width: (bins, readouts) at difficulty 1, or None where no interval can be given, for the
    ``reason``. limits: (bins - 1,) distances between the bins. n_units: by bin.
    """

    fitted: Fitted
    readouts: tuple[str, ...]
    half_width: Floats | None
    limits: Floats
    difficulty: Difficulty
    distance: QuestionDistance | None
    n_units: tuple[int, ...]
    reason: str = ""

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """The predictions of the model inside, with mean -+ half width * difficulty.

        Values that cannot be negative have no negative bounds. The interval of the model itself
        is replaced, and taken away where there is none.
        """
        for batch in self.fitted.predict(queries, control, run):
            yield self._widen(batch)

    def bins(self, queries: QueryTable) -> Codes:
        """The bin of distance of every question: (queries,)."""
        if self.distance is None:
            return np.zeros(len(queries), np.int64)
        return _bins(self.distance.at(queries), self.limits)

    def _widen(self, batch: Prediction) -> Prediction:
        if self.half_width is None:
            return replace(batch, lower=None, upper=None)
        order = {name: i for i, name in enumerate(self.readouts)}
        position = np.array([order[name] for name in batch.readouts])
        far = None if self.distance is None else self.distance.at(batch.queries)
        place = np.zeros(len(batch.queries), np.int64) if far is None else _bins(far, self.limits)
        bounds = (batch.lower, batch.upper)
        scale = self.difficulty.of(batch.queries, batch.mean, bounds, far, position)
        return widened(batch, self.half_width[place][:, position] * scale)

    def state(self) -> State:
        """The state of the model inside beside the calibration."""
        arrays: dict[str, NDArray[Any]] = {"limits": self.limits}
        if self.half_width is not None:
            arrays["half_width"] = self.half_width
        meta: dict[str, Any] = {
            "readouts": list(self.readouts),
            "n_units": list(self.n_units),
            "reason": self.reason,
            "has_distance": self.distance is not None,
        }
        parts = {"fitted": self.fitted.state(), "difficulty": self.difficulty.state()}
        if self.distance is not None:
            parts["distance"] = self.distance.state()
        return nested_state(State(arrays, meta), parts)


@final
class AdaptiveConformal:
    """Split conformal prediction [vovk2005]_ whose score knows the question.

    Scores are |observed - predicted| / s of held-out groups. The difficulty s(question, readout)
    is 1, or the half width that the model itself gives plus a tenth of its mean (locally weighted
    scores [lei2018]_), or the exponential of a line in the distance (and dose, time, size of the
    answer) fitted on the OTHER units, as it will be for a new one. Bins of the distance to
    training are calibrated apart (Mondrian [vovk2005]_): the level holds in each. The score of a
    band is the largest over readouts, each by its root mean square over the OTHER units
    [diquigiovanni2022]_: the level holds for all readouts at once.
    Units of replication are exchangeable, as in ``split_conformal`` [dunn2023]_ [lee2023]_.
    """

    name: ClassVar[str] = "adaptive_conformal"
    options_type: ClassVar[type[Options]] = AdaptiveConformalOptions
    references: ClassVar[tuple[str, ...]] = (
        "vovk2005",
        "lei2018",
        "diquigiovanni2022",
        "dunn2023",
        "lee2023",
    )
    options: AdaptiveConformalOptions

    def __init__(self, options: AdaptiveConformalOptions) -> None:
        self.options = options

    def calibrate_on(
        self,
        fitted: Fitted,
        held_out: Comparison,
        unit: str,
        distance: QuestionDistance | None = None,
        of_groups: Floats | None = None,
    ) -> AdaptiveFitted:
        """The fitted model with intervals from residuals of groups that it had NOT seen.

        held_out: groups beside predictions; where the difficulty is the spread, with the interval
        of ``fitted`` itself, for spreads of several fits are on no common scale. distance: to the
        training of ``fitted``; of_groups: (groups,) distance of every group to the training of
        the fit that answered it, ``distance`` itself where None.
        Raises DataError where distance or spread is asked for and missing, or the spread is that of
        several fits.
        """
        options, needs_distance = self.options, self._needs_distance
        if needs_distance and distance is None:
            raise DataError(
                "bins of distance, and the difficulties 'distance' and 'estimated', need the "
                "distance to the training questions; hand over QuestionDistance.of(train)"
            )
        kept = distance if needs_distance else None
        far = None
        if kept is not None:
            asked = QueryTable.from_frame(held_out.groups) if of_groups is None else None
            far = kept.at(asked) if asked is not None else of_groups
        needed, n_units = units_needed(options.level), len(np.unique(held_out.unit))
        if n_units < needed:
            reason = (
                f"{n_units} calibration unit(s) of {unit}; an interval of {options.level:.0%} "
                f"needs {needed}"
            )
            nothing = Difficulty.none(len(held_out.readouts))
            return AdaptiveFitted(
                fitted, held_out.readouts, None, np.zeros(0), nothing, kept, (n_units,), reason
            )
        residual = np.abs(held_out.observed - held_out.predicted)
        difficulty, of_group = difficulty_of(options.difficulty, held_out, residual, far)
        limits = _limits(far, held_out.unit, options.strata, needed)
        place = np.zeros(len(residual), np.int64) if far is None else _bins(far, limits)
        z, shape = residual / of_group, np.ones(residual.shape[1])
        if options.band:
            z, shape = _largest(z, held_out.unit)
        rows = [place == number for number in range(len(limits) + 1)]
        half = [unit_quantile(z[row], held_out.unit[row], options.level) * shape for row in rows]
        counts = tuple(len(np.unique(held_out.unit[row])) for row in rows)
        return AdaptiveFitted(
            fitted, held_out.readouts, np.stack(half), limits, difficulty, kept, counts
        )

    def wrap(self, inside: InsideTraining) -> AdaptiveFitted:
        """See :meth:`cellula.evaluation.uncertainty.inside_training.IntervalMethod.wrap`.

        Raises DataError as :meth:`calibrate_on`.
        """
        held = inside.held_out
        if not self._needs_distance:
            return self.calibrate_on(inside.fitted, held, inside.unit)
        parts = inside.distance(), inside.distances()
        return self.calibrate_on(inside.fitted, held, inside.unit, *parts)

    @property
    def _needs_distance(self) -> bool:
        options = self.options
        return options.strata > 1 or options.difficulty in {"distance", "estimated"}

    def restore(self, state: State, model: Restoring) -> AdaptiveFitted:
        """The calibrated model whose state this is; ``model`` restores the one inside."""
        arrays, meta = state.arrays, state.meta
        distance = None
        if meta["has_distance"]:
            inner = inner_state(state, "distance")
            distance = QuestionDistance.restore(inner.arrays, inner.meta)
        return AdaptiveFitted(
            fitted=model.restore(inner_state(state, "fitted")),
            readouts=tuple(meta["readouts"]),
            half_width=arrays.get("half_width"),
            limits=arrays["limits"],
            difficulty=Difficulty.restore(inner_state(state, "difficulty")),
            distance=distance,
            n_units=tuple(meta["n_units"]),
            reason=str(meta["reason"]),
        )


def _bins(far: Floats, limits: Floats) -> Codes:
    """The bin of every distance; a distance that is a limit belongs below it."""
    return np.searchsorted(limits, far, side="left").astype(np.int64)


def _limits(far: Floats | None, unit: Codes, strata: int, needed: int) -> Floats:
    """Limits between at most ``strata`` bins of equal weight, each with the units it needs."""
    if far is None:
        return np.zeros(0)
    codes = np.unique(unit, return_inverse=True)[1]
    weight = 1.0 / np.bincount(codes)[codes]
    order = np.argsort(far, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    for n_bins in range(strata, 1, -1):
        wanted = np.arange(1, n_bins) / n_bins
        limits = np.unique(far[order][np.searchsorted(reached, wanted - 1e-9)])
        place = _bins(far, limits)
        n_units = [len(np.unique(unit[place == number])) for number in range(len(limits) + 1)]
        if min(n_units) >= needed:
            return np.asarray(limits, np.float64)
    return np.zeros(0)


def _largest(z: Floats, unit: Codes) -> tuple[Floats, Floats]:
    """The largest of z / shape over readouts, the shape from the OTHER units, and that of all.

    z: (groups, readouts); gives (groups, 1) and (readouts,). Every unit counts once.
    """
    codes = np.unique(unit, return_inverse=True)[1]
    size = np.bincount(codes)
    square = np.zeros((len(size), z.shape[1]))
    np.add.at(square, codes, z**2 / size[codes][:, None])
    total = square.sum(axis=0)
    shape_of = _shape(total, len(size))
    others = np.stack([_shape(total - own, len(size) - 1) for own in square])
    return (z / others[codes]).max(axis=1, keepdims=True), shape_of


def _shape(total: Floats, n_units: int) -> Floats:
    """Root mean square of every readout (readouts,), leaning on that of all."""
    pooled = max(float(total.mean()) / n_units, 1e-300)
    return np.sqrt((total + SHAPE_UNITS * pooled) / (n_units + SHAPE_UNITS))
