"""Dose and time of questions as numbers on one scale, and how far training reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.model import State
from cellula.core.query import QueryTable

__all__ = ["DoseTime", "scale_of"]

#: Doses and times below these count as these: 1e-15 mol/l, 1 s.
LEAST = (1e-15, 1.0)
#: Two numbers whose log10 differ by less are one.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class DoseTime:
    """centre, spread: (2,) of log10 dose (mol/l) and log10 time (s) in training; reach: (2, 2)
    least and greatest of the same, NaN where training has none.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    reach: NDArray[np.float64]

    @classmethod
    def of(cls, dose_molar: NDArray[np.float64], time_s: NDArray[np.float64]) -> DoseTime:
        """From doses and times of training (treatments,), NaN where there are none."""
        numbers = np.stack([_log10(dose_molar, 0), _log10(time_s, 1)])
        return cls(*scale_of(numbers), np.stack([_reach(row) for row in numbers]))

    def encode(self, queries: QueryTable) -> NDArray[np.float64]:
        """(queries, 4): standardised log10 dose, whether there is one, the same of time."""
        found = np.zeros((len(queries), 4))
        for i, column in enumerate((queries.dose_molar, queries.time_s)):
            if column is not None:
                value = (_log10(column, i) - self.centre[i]) / self.spread[i]
                found[:, 2 * i] = np.where(np.isfinite(value), value, 0.0)
                found[:, 2 * i + 1] = np.isfinite(value)
        return found

    def in_reach(self, queries: QueryTable) -> NDArray[np.bool_]:
        """Whether dose and time lie within training's, and are given just where it has them."""
        inside = np.ones(len(queries), bool)
        for i, column in enumerate((queries.dose_molar, queries.time_s)):
            low, high = self.reach[i]
            if column is None or np.isnan(low):
                inside &= column is None and bool(np.isnan(low))
                continue
            number = _log10(column, i)
            inside &= (number >= low - ROUNDING) & (number <= high + ROUNDING)
        return inside

    def state(self) -> State:
        """Arrays from which :meth:`restore` makes this again."""
        return State(
            {"number_centre": self.centre, "number_spread": self.spread, "number_reach": self.reach}
        )

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> DoseTime:
        """The scales of a state."""
        return cls(arrays["number_centre"], arrays["number_spread"], arrays["number_reach"])


def _log10(numbers: NDArray[np.float64], which: int) -> NDArray[np.float64]:
    return np.asarray(np.log10(np.maximum(numbers, LEAST[which])), np.float64)


def _reach(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least and greatest of the numbers that are there; NaN where none is."""
    there = row[np.isfinite(row)]
    return np.array([there.min(), there.max()] if len(there) else [np.nan, np.nan])


def scale_of(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every row without its NaN; 0 and 1 where there is nothing."""
    is_finite = np.isfinite(rows)
    n = np.maximum(is_finite.sum(axis=1), 1)
    filled = np.where(is_finite, rows, 0.0)
    mean = filled.sum(axis=1) / n
    variance = (np.where(is_finite, filled - mean[:, None], 0.0) ** 2).sum(axis=1) / n
    spread = np.sqrt(variance)
    return mean, np.where(spread > 1e-12, spread, 1.0)
