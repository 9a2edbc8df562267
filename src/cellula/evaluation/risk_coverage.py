"""Risk against coverage: what the error of the answers is that a model does not decline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.evaluation.bootstrap import interval, unit_weights

__all__ = [
    "Doubt",
    "Gain",
    "RiskCoverage",
    "abstention_gain",
    "group_errors",
    "risk_coverage",
    "thinned",
]

#: Resamples of units of replication behind an interval.
RESAMPLES = 1000
LEVEL = 0.95
#: The share of questions that is declined where none is named.
SHARE = 0.2

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The error of the answers that are kept when the most doubtful are declined.

    kept: (points,) shares of the questions, rising to 1; risk: (points,) root mean squared error
    of these; best: (points,) the same where the answers with the largest errors are declined,
    which no doubt can beat. area, best_area: mean risk over all shares kept [geifman2017]_;
    an area that is that of the whole error everywhere means that doubt tells nothing.
    """

    kept: Floats
    risk: Floats
    best: Floats
    area: float
    best_area: float

    @property
    def excess(self) -> float:
        """Where the area lies between the best (0) and doubt that tells nothing (1).

        (area - best area) / (whole error - best area) [geifman2019]_; NaN where all errors are
        equal; above 1 where the doubtful answers are the better ones.
        """
        span = float(self.risk[-1]) - self.best_area
        return (self.area - self.best_area) / span if span > 1e-12 else float("nan")

    def frame(self) -> pd.DataFrame:
        """One row a point: kept, risk, best."""
        return pd.DataFrame({"kept": self.kept, "risk": self.risk, "best": self.best})


@dataclass(frozen=True, slots=True)
class Gain:
    """What declining the most doubtful share does to the error.

    whole, kept: root mean squared error of all answers and of those kept; value: 1 - kept /
    whole, with its interval over units of replication; NaN with the ``reason``.
    """

    share: float
    whole: float
    kept: float
    value: float
    lower: float
    upper: float
    n_units: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One kind of doubt: its name, its curve, and what declining a share gains."""

    name: str
    curve: RiskCoverage
    gain: Gain

    @classmethod
    def of(
        cls, name: str, comparison: Comparison, doubt: Floats, rng: np.random.Generator
    ) -> Doubt:
        """How well ``doubt`` (groups,) orders the errors of a comparison, a fifth declined."""
        error = group_errors(comparison)
        gain = abstention_gain(error, doubt, comparison.unit, SHARE, rng)
        return cls(name, risk_coverage(error, doubt, comparison.unit), gain)


def group_errors(comparison: Comparison) -> Floats:
    """Mean squared error over readouts of every group: (groups,), in squared units of values."""
    return np.asarray(((comparison.observed - comparison.predicted) ** 2).mean(axis=1))


def risk_coverage(error: Floats, doubt: Floats, unit: Codes) -> RiskCoverage:
    """The curve of squared errors (groups,), the most doubtful groups declined first.

    Every unit of replication weighs the same, its groups share its weight. Groups of equal doubt
    are kept or declined together. Raises DataError without groups, or where lengths differ.
    """
    _check(error, doubt, unit)
    weight = _weights(unit)
    kept, risk = _curve(error, doubt, weight)
    best_kept, best = _curve(error, error, weight)
    area = _area(kept, risk)
    return RiskCoverage(kept, risk, np.interp(kept, best_kept, best), area, _area(best_kept, best))


def thinned(curve: RiskCoverage, points: int = 120) -> RiskCoverage:
    """The same curve with at most so many points, evenly spaced in their order; areas stay."""
    rows = np.unique(np.linspace(0, len(curve.kept) - 1, points).astype(np.int64))
    parts = curve.kept[rows], curve.risk[rows], curve.best[rows]
    return RiskCoverage(*parts, curve.area, curve.best_area)


def abstention_gain(
    error: Floats, doubt: Floats, unit: Codes, share: float, rng: np.random.Generator
) -> Gain:
    """By how much the error falls when the most doubtful share of questions is declined.

    error: squared errors (groups,); doubt: (groups,); unit: (groups,). Units are resampled for the
    interval [efron1979]_; who is declined stays as it is. A gain whose interval holds 0 is none.
    """
    _check(error, doubt, unit)
    weight, codes = _weights(unit), np.unique(unit, return_inverse=True)[1]
    n_units = int(codes.max()) + 1
    order = np.argsort(doubt, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    threshold = doubt[order][int(np.searchsorted(reached, 1.0 - share - 1e-9))]
    is_kept = doubt <= threshold
    whole = np.sqrt(np.sum(weight * error) / weight.sum())
    if is_kept.all():
        nan = float("nan")
        why = f"{len(np.unique(doubt))} different doubt(s): no share of {share:g} can be declined"
        return Gain(share, float(whole), nan, nan, nan, nan, n_units, why)
    sums = np.zeros((n_units, 4))
    columns = np.stack([weight * error, weight, weight * error * is_kept, weight * is_kept], 1)
    np.add.at(sums, codes, columns)
    total = sums.sum(axis=0)
    kept = np.sqrt(total[2] / total[3])
    drawn = unit_weights(n_units, RESAMPLES, rng) @ sums
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.sqrt(drawn[:, 2] / drawn[:, 3]) / np.sqrt(drawn[:, 0] / drawn[:, 1])
    lower, upper = interval(1.0 - ratios, LEVEL)
    value = 1.0 - float(kept / whole) if whole > 0 else float("nan")
    return Gain(share, float(whole), float(kept), value, lower, upper, n_units)


def _check(error: Floats, doubt: Floats, unit: Codes) -> None:
    if not len(error) or not len(error) == len(doubt) == len(unit):
        raise DataError(
            f"{len(error)} errors, {len(doubt)} doubts and {len(unit)} units; expected one of each "
            "for every group, and at least one group"
        )


def _weights(unit: Codes) -> Floats:
    codes = np.unique(unit, return_inverse=True)[1]
    return 1.0 / np.bincount(codes)[codes]


def _curve(error: Floats, doubt: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Share kept and its root mean squared error at every distinct doubt."""
    order = np.argsort(doubt, kind="stable")
    share, square = np.cumsum(weight[order]), np.cumsum((weight * error)[order])
    last = np.append(np.flatnonzero(np.diff(doubt[order]) > 0), len(order) - 1)
    return share[last] / share[-1], np.sqrt(square[last] / share[last])


def _area(kept: Floats, risk: Floats) -> float:
    """Mean risk over all shares kept: each point holds for the shares up to it."""
    return float(np.sum(np.diff(kept, prepend=0.0) * risk))
