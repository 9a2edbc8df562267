"""Resampling of the unit of replication: never of cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.kernels.counters import resample_counts

__all__ = ["interval", "unit_weights"]


def unit_weights(n_units: int, n_resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How often each unit is drawn in each resample: shape (n_resamples, n_units).

    Every row is multinomial with n_units draws and equal probabilities, the bootstrap of
    [efron1979]_, by counters from one key that ``rng`` gives. The same weights are handed to
    every model, baseline and replicate, so that differences and ratios between them are paired.
    Raises DataError without units or resamples.
    """
    if n_units < 1 or n_resamples < 1:
        raise DataError(
            f"{n_resamples} resamples of {n_units} units: both must be at least 1; "
            "score without weights where no interval is wanted"
        )
    key = int(rng.integers(2**64, dtype=np.uint64))
    return resample_counts(key, 0, n_resamples, n_units)


def interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Percentile interval of resampled values (resamples,); NaN resamples do not count.

    (NaN, NaN) when fewer than half of the resamples have a value: the interval would describe
    a selection of them. Raises DataError when ``level`` is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise DataError(f"level {level} is no share; expected a number between 0 and 1 (0.95)")
    finite = values[np.isfinite(values)]
    if 2 * len(finite) < max(len(values), 1):
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(finite, [tail, 1.0 - tail])
    return float(lower), float(upper)
