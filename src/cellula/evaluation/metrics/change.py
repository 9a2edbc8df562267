"""The change of a profile from a reference, without what is rounding only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["centred_change", "change_from", "row_correlation"]

#: A change below this share of the largest value of the profile is rounding, not a change.
TOLERANCE = 1e-12

Floats = NDArray[np.float64]


def change_from(profile: Floats, reference: Floats) -> Floats:
    """Difference of profile and reference, 0 where it is rounding only: (groups, readouts)."""
    change = profile - reference
    return np.where(np.abs(change) <= TOLERANCE * _largest(profile, reference), 0.0, change)


def centred_change(profile: Floats, reference: Floats) -> Floats:
    """Change minus its mean over readouts; a row of 0 where it is rounding only: same shape."""
    change = profile - reference
    centred = change - change.mean(axis=1, keepdims=True)
    spread = np.abs(centred).max(axis=1, keepdims=True, initial=0.0)
    return np.where(spread <= TOLERANCE * _largest(profile, reference), 0.0, centred)


def row_correlation(x: Floats, y: Floats) -> Floats:
    """Correlation of centred rows, 0 where one of them is 0: (rows,), within -1 and 1."""
    both = np.sqrt((x**2).sum(axis=1)) * np.sqrt((y**2).sum(axis=1))
    product = np.einsum("ij,ij->i", x, y)
    values = np.divide(product, both, out=np.zeros(len(x)), where=both > 0)
    return np.asarray(np.clip(values, -1.0, 1.0), np.float64)


def _largest(profile: Floats, reference: Floats) -> Floats:
    largest = np.maximum(np.abs(profile), np.abs(reference))
    return np.asarray(largest.max(axis=1, keepdims=True, initial=0.0), np.float64)
