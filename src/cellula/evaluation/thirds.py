"""The thirds of responses by size: what is right on large ones only is right where it is easy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["THIRDS", "thirds_of"]

#: The names of the thirds, the smallest responses first.
THIRDS = ("small", "medium", "large")


def thirds_of(sizes: NDArray[np.float64]) -> NDArray[np.str_]:
    """The third of every size (rows,): ties in the order of the rows, NaN among the small."""
    place = pd.Series(sizes).rank(method="first", na_option="top").to_numpy() - 1
    third = np.minimum((3 * place / max(len(sizes), 1)).astype(np.int64), 2)
    return np.asarray(THIRDS, np.str_)[np.asarray(third, np.int64)]
