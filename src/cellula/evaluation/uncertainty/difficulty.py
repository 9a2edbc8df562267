"""How hard a question is for a model: what an interval is wide or narrow by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.core.query import QueryTable

__all__ = ["Difficulty", "Kind", "difficulty_of", "half_spread", "signs_of"]

Kind: TypeAlias = Literal["none", "spread", "distance", "estimated"]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

#: A spread is raised by this share of its mean: a model that is sure is not believed wholly.
FLOOR = 0.1
#: Slopes lean on 0 with the weight of so many units.
SLOPE_UNITS = 5.0
#: The logarithm of an error is not below this: an error of 0 is no proof of ease.
LEAST_LOG = -4.0
#: An estimated difficulty is within exp(-+ this): beyond what was seen a line is not believed.
MOST_LOG = 2.0
#: The arrays of a difficulty in their order.
ARRAYS = ("floor", "slope", "centre", "scale", "typical", "least", "most")
#: Doses and times below these count as these: 1e-15 mol/l, 1 s.
LEAST = {"dose_molar": 1e-15, "time_s": 1.0}


@dataclass(frozen=True, slots=True)
class Difficulty:
    """s(question, readout), what residuals are divided and intervals multiplied by.

    none: 1. spread: half the interval of the model itself + ``floor`` (readouts,). distance,
    estimated: exp(slope' (signs - centre) / scale), slope, centre, scale: (signs,), of the signs
    of :func:`signs_of`; typical: (readouts,) the mean answer, from which one may differ.
    """

    kind: Kind
    floor: Floats
    slope: Floats
    centre: Floats
    scale: Floats
    typical: Floats
    least: Floats
    most: Floats

    @classmethod
    def none(cls, n_readouts: int) -> Difficulty:
        """All questions are equally hard."""
        zero, nothing = np.zeros(n_readouts), np.zeros(0)
        return cls("none", zero, nothing, nothing, nothing, zero, nothing, nothing)

    def of(
        self,
        queries: QueryTable,
        mean: Floats,
        bounds: tuple[Floats | None, Floats | None],
        far: Floats | None,
        position: Codes,
    ) -> Floats:
        """Difficulty of questions, (queries, readouts) or (queries, 1) or (1, 1).

        mean: (queries, readouts) the answers, bounds: the model's own interval, far: (queries,)
        distances; position: of its readouts among those calibrated. Raises DataError where what is
        needed is None.
        """
        if self.kind == "none":
            return np.ones((1, 1))
        if self.kind == "spread":
            return half_spread(*bounds) + self.floor[position]
        signs = signs_of(self.kind, queries, mean - self.typical[position], far)
        return self.told_by(signs)[:, None]

    def told_by(self, signs: Floats) -> Floats:
        """Exp of the fitted line at signs (questions, signs): (questions,).

        Beyond the signs of calibration the line is flat: nothing is known of it there.
        """
        line = (
            (np.clip(signs, self.least, self.most) - self.centre) / self.scale * self.slope
        ).sum(axis=1)
        return np.asarray(np.exp(np.clip(line, -MOST_LOG, MOST_LOG)))

    def state(self) -> State:
        """Arrays and the kind from which :meth:`restore` makes this again."""
        return State({name: getattr(self, name) for name in ARRAYS}, {"kind": self.kind})

    @classmethod
    def restore(cls, state: State) -> Difficulty:
        """The difficulty of a state."""
        arrays: Any = state.arrays
        return cls(state.meta["kind"], *(arrays[name] for name in ARRAYS))


def half_spread(lower: Floats | None, upper: Floats | None) -> Floats:
    """Half the width of a model's own interval; DataError where it gives none."""
    if lower is None or upper is None:
        raise DataError(
            "the model gives no interval of its own, so it has no spread; wrap it in "
            "'deep_ensemble', take a model with passes of dropout, or use the distance"
        )
    return (upper - lower) / 2.0


def signs_of(kind: Kind, queries: QueryTable, change: Floats, far: Floats | None) -> Floats:
    """What a question's difficulty is told by: (questions, signs).

    distance: the distance to training alone. estimated: with it log10 dose, log10 time, how many
    components are combined, and the logarithm of the root mean square of ``change`` (questions,
    readouts), by how much the answer differs from the typical one.
    """
    if far is None:
        raise DataError(f"difficulty {kind!r} needs distances, and none were given")
    if kind == "distance":
        return far[:, None]
    columns = [far]
    for name, least in LEAST.items():
        column = getattr(queries, name)
        columns.append(
            np.zeros(len(far)) if column is None else np.log10(np.maximum(column, least))
        )
    labels = queries.perturbation
    combined = np.array([str(name).count("+") for name in labels.categories], np.float64)
    columns.append(combined[labels.codes])
    columns.append(np.log(np.sqrt(np.mean(change**2, axis=1)) + 1e-6))
    return np.stack(columns, axis=1)


def difficulty_of(
    kind: Kind, held_out: Comparison, residual: Floats, far: Floats | None
) -> tuple[Difficulty, Floats]:
    """The difficulty for new units, and that of every held-out group from the OTHER units.

    residual: (groups, readouts); far: (groups,). The second is (groups, readouts) or
    broadcasts to it. Raises DataError where the model is equally sure of everything: spread 0,
    and where spreads of several fits would be compared.
    """
    flat = Difficulty.none(residual.shape[1])
    if kind == "none":
        return flat, np.ones((1, 1))
    if kind == "spread":
        return _by_spread(held_out)
    typical = held_out.predicted.mean(axis=0)
    queries = QueryTable.from_frame(held_out.groups)
    signs = signs_of(kind, queries, held_out.predicted - typical, far)
    square = (residual**2).mean(axis=0)
    scaled = residual**2 / np.where(square > 0, square, 1.0)
    error = np.maximum(0.5 * np.log(np.maximum(scaled.mean(axis=1), 1e-300)), LEAST_LOG)
    centre, scale, slope, others = _line(signs, error, held_out.unit)
    bounds = signs.min(axis=0), signs.max(axis=0)
    found = Difficulty(kind, flat.floor, slope, centre, scale, typical, *bounds)
    own = ((signs - centre) / scale * others).sum(axis=1)
    return found, np.exp(np.clip(own, -MOST_LOG, MOST_LOG))[:, None]


def _by_spread(held_out: Comparison) -> tuple[Difficulty, Floats]:
    """Half the model's own interval, and a tenth of its mean."""
    half = half_spread(held_out.lower, held_out.upper)
    if held_out.fold is not None and len(np.unique(held_out.fold)) > 1:
        raise DataError(
            f"the spread of {len(np.unique(held_out.fold))} fits depends on how much each of them "
            "has seen; calibrate the very fit that is asked, on one part held out"
        )
    mean = half.mean(axis=0)
    if not mean.max() > 0:
        raise DataError("the model's own intervals have no width; use the distance instead")
    floor = FLOOR * np.where(mean > 0, mean, mean.mean())
    nothing = np.zeros(0)
    nothings = nothing, nothing, nothing, np.zeros(len(mean)), nothing, nothing
    found = Difficulty("spread", floor, *nothings)
    return found, half + floor


def _line(signs: Floats, error: Floats, unit: Codes) -> tuple[Floats, Floats, Floats, Floats]:
    """Centre, scale and slopes of log error on signs, and the slopes without a group's own unit.

    Least squares, every unit counting once, slopes leaning on 0: (signs,) x 3 and (groups, signs).
    """
    codes = np.unique(unit, return_inverse=True)[1]
    size = np.bincount(codes)
    weight = (1.0 / size[codes])[:, None]
    centre = (weight * signs).sum(axis=0) / len(size)
    scale = np.sqrt((weight * (signs - centre) ** 2).sum(axis=0) / len(size))
    scale = np.where(scale > 1e-9, scale, 1.0)
    x = np.column_stack([np.ones(len(signs)), (signs - centre) / scale])
    square = np.zeros((len(size), x.shape[1], x.shape[1]))
    cross = np.zeros((len(size), x.shape[1]))
    np.add.at(square, codes, weight[:, :, None] * x[:, :, None] * x[:, None, :])
    np.add.at(cross, codes, weight * x * error[:, None])
    lean = np.diag(np.r_[0.0, np.full(signs.shape[1], SLOPE_UNITS)])
    whole = np.linalg.solve(square.sum(axis=0) + lean, cross.sum(axis=0))
    others = np.linalg.solve(
        square.sum(axis=0) - square + lean, (cross.sum(axis=0) - cross)[:, :, None]
    )
    return centre, scale, whole[1:], others[codes, 1:, 0]
