"""Dose and time of questions as numbers on one scale, and how far training reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.model import State
from cellula.core.query import QueryTable

__all__ = ["DoseTime"]

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
        centre, spread, reach = np.zeros(2), np.ones(2), np.full((2, 2), np.nan)
        for i, numbers in enumerate((dose_molar, time_s)):
            there = _log10(numbers[np.isfinite(numbers)], i)
            if len(there):
                centre[i], own = there.mean(), there.std()
                spread[i] = own if own > 1e-12 else 1.0
                reach[i] = there.min(), there.max()
        return cls(centre, spread, reach)

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
