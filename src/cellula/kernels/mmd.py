"""Maximum mean discrepancy with five Gaussian kernels, bandwidths in ratio 2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.kernels.energy import energy_values
from cellula.kernels.pair_sums import cross_sums, within_sums
from cellula.kernels.squared_distance import spread

__all__ = ["energy_and_mmd_to_control", "least_gamma", "mmd_of_sums", "squared_mmd"]

#: Above this the kernel of two rows is 1 where they are equal and 0 elsewhere.
GREATEST_GAMMA = 1e200

Floats = NDArray[np.float64]


def least_gamma(x: Any) -> float:
    """The smallest of the five gammas for a reference sample x (n, d), dense or CSR, n >= 2.

    It is 1 / (4 s^2), s^2 the mean squared distance of two different rows; the gammas are then
    s^-2 times 1/4, 1/2, 1, 2 and 4, per squared unit. At most 1e200, which stands for equal rows:
    their kernel with another row is 1 where it equals them and 0 elsewhere. NaN for a row that
    holds one.
    """
    squared = 2.0 * spread(x)
    if np.isnan(squared):
        return float("nan")
    return 0.25 / max(squared, 0.25 / GREATEST_GAMMA)


def squared_mmd(x: Floats, y: Floats, gamma: float, *, is_sized: bool = False) -> Floats:
    """Squared maximum mean discrepancy [gretton2008]_ by kernel: (5,).

    E k(X,X') + E k(Y,Y') - 2 E k(X,Y), k = exp(-gamma 2^b |x - y|^2), b = 0 .. 4; x: (n, d),
    y: (m, d); gamma per squared unit, finite. A V-statistic: not negative, symmetric, 0 for
    equal samples, each to within 1e-12. ``is_sized`` adds (1/n - 1/m)(1 - k_Y), k_Y the mean
    kernel of two different rows of y (needs m >= 2): its expectation is that of a y of n rows.
    """
    n, m = len(x), len(y)
    within_y = within_sums(y, np.array([0, m]), gamma=gamma)[0, 1:]
    within_x = within_sums(x, np.array([0, n]), gamma=gamma)[0, 1:]
    between = cross_sums(x, np.array([0, n]), y, gamma=gamma)[0, 1:]
    return mmd_of_sums((between, within_x, within_y), n, m, is_sized=is_sized)


def mmd_of_sums(
    sums: tuple[Floats, Floats, Floats], n: int, m: int, *, is_sized: bool = False
) -> Floats:
    """:func:`squared_mmd` from sums of kernels over all pairs, (5,) each: of x with y, x, y with
    itself; n, m: rows of x and y.
    """
    between, within_x, within_y = sums
    value = within_x / n**2 + within_y / m**2 - 2.0 * between / (n * m)
    if is_sized and m != n:
        value = value + (1.0 / n - 1.0 / m) * (1.0 - (within_y - m) / (m * (m - 1)))
    return np.asarray(value, np.float64)


def energy_and_mmd_to_control(
    cells: Floats,
    bounds: NDArray[np.int64],
    control: Floats,
    gamma: float,
    *,
    dtype: type[np.floating[Any]] = np.float32,
    threads: int = 1,
) -> tuple[Floats, Floats]:
    """Energy distance (groups,) and squared MMD (groups, 5) from one control, in one pass.

    cells: (n, d), group after group; bounds: (groups + 1,); control: (m, d); gamma: the smallest
    of the five (see :func:`least_gamma`). Both V-statistics. In float32 the energy distance is
    within 1e-6 of the mean distance, the squared MMD within 1e-6. NaN for a group without cells
    or with a value that is no number.
    """
    options: dict[str, Any] = {"gamma": gamma, "dtype": dtype}
    between = cross_sums(cells, bounds, control, threads=threads, **options)
    within = within_sums(cells, bounds, threads=threads, **options)
    base = within_sums(control, np.array([0, len(control)]), **options)[0]
    n, m = np.diff(bounds).astype(np.float64), len(control)
    energy = energy_values(between[:, 0], within[:, 0], float(base[0]), n, m)
    size = np.where(n > 0, n, np.nan)[:, None]
    squared = within[:, 1:] / size**2 + base[1:] / m**2 - 2.0 * between[:, 1:] / (size * m)
    return energy, np.asarray(squared, np.float64)
