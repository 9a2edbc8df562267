"""How hard a question is for a model: what an interval is wide or narrow by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError

__all__ = ["Difficulty", "Kind", "difficulty_of", "half_spread"]

Kind: TypeAlias = Literal["none", "spread", "distance"]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

#: A spread is raised by this share of its mean: a model that is sure is not believed wholly.
FLOOR = 0.1
#: The slope on the distance leans on 0 with the weight of so many units.
SLOPE_UNITS = 5.0
#: The logarithm of an error is not below this: an error of 0 is no proof of ease.
LEAST_LOG = -4.0


@dataclass(frozen=True, slots=True)
class Difficulty:
    """s(question, readout), what residuals are divided and intervals multiplied by.

    none: 1. spread: half the interval of the model itself + ``floor`` (readouts,). distance:
    exp(slope (distance - centre)).
    """

    kind: Kind
    floor: Floats
    slope: float
    centre: float

    def of(
        self, lower: Floats | None, upper: Floats | None, far: Floats | None, position: Codes
    ) -> Floats:
        """Difficulty of questions, (queries, readouts) or (queries, 1).

        lower, upper: the model's own interval (queries, readouts); far: (queries,); position: of
        its readouts among those calibrated. Raises DataError where what is needed is None.
        """
        if self.kind == "none":
            return np.ones((1, 1))
        if self.kind == "distance":
            if far is None:
                raise DataError("difficulty 'distance' needs distances, and none were given")
            return np.exp(self.slope * (far - self.centre))[:, None]
        return half_spread(lower, upper) + self.floor[position]


def half_spread(lower: Floats | None, upper: Floats | None) -> Floats:
    """Half the width of a model's own interval; DataError where it gives none."""
    if lower is None or upper is None:
        raise DataError(
            "the model gives no interval of its own, so it has no spread; wrap it in "
            "'deep_ensemble', take a model with passes of dropout, or use the distance"
        )
    return (upper - lower) / 2.0


def difficulty_of(
    kind: Kind, held_out: Comparison, residual: Floats, far: Floats | None
) -> tuple[Difficulty, Floats]:
    """The difficulty for new units, and that of every held-out group from the OTHER units.

    residual: (groups, readouts); far: (groups,). The second is (groups, readouts) or
    broadcasts to it. Raises DataError where the model is equally sure of everything: spread 0.
    """
    nothing = np.zeros(residual.shape[1])
    if kind == "none":
        return Difficulty("none", nothing, 0.0, 0.0), np.ones((1, 1))
    if kind == "spread":
        half = half_spread(held_out.lower, held_out.upper)
        mean = half.mean(axis=0)
        if not mean.max() > 0:
            raise DataError("the model's own intervals have no width; use the distance instead")
        floor = FLOOR * np.where(mean > 0, mean, mean.mean())
        return Difficulty("spread", floor, 0.0, 0.0), half + floor
    if far is None:
        raise DataError("difficulty 'distance' needs distances, and none were given")
    return _by_distance(residual, held_out.unit, far)


def _by_distance(residual: Floats, unit: Codes, far: Floats) -> tuple[Difficulty, Floats]:
    """Log error = a + b distance by least squares, every unit counting once, b leaning on 0."""
    square = (residual**2).mean(axis=0)
    scaled = residual**2 / np.where(square > 0, square, 1.0)
    error = np.maximum(0.5 * np.log(np.maximum(scaled.mean(axis=1), 1e-300)), LEAST_LOG)
    codes = np.unique(unit, return_inverse=True)[1]
    size = np.bincount(codes)
    sums = np.zeros((len(size), 4))
    columns = np.stack([far, error, far**2, far * error], axis=1)
    np.add.at(sums, codes, columns / size[codes][:, None])
    total = sums.sum(axis=0)
    slope, centre = _slope(total[None], len(size))
    slopes, centres = _slope(total - sums, len(size) - 1)
    own = np.exp(slopes[codes] * (far - centres[codes]))[:, None]
    floor = np.zeros(residual.shape[1])
    return Difficulty("distance", floor, float(slope[0]), float(centre[0])), own


def _slope(sums: Floats, n_units: int) -> tuple[Floats, Floats]:
    """Slopes and centres from sums over units of x, y, x^2 and x y: (rows, 4)."""
    x, y, xx, xy = (sums / n_units).T
    variance = np.maximum(xx - x**2, 0.0)
    lean = (n_units + SLOPE_UNITS) / n_units * variance
    slope = np.divide(xy - x * y, lean, out=np.zeros(len(x)), where=variance > 1e-12)
    return slope, x
