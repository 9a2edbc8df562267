"""Cells of a group beside those of its controls: how many there are, and why they cannot serve."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.prediction import Population

__all__ = ["MIN_CELLS", "cell_reasons", "sizes_of"]

#: Fewest cells of a group and of its controls.
MIN_CELLS = 2


def sizes_of(cells: Population | None, n_groups: int) -> NDArray[np.int64]:
    """How many cells every group has: (n_groups,); zeros without cells."""
    if cells is None:
        return np.zeros(n_groups, np.int64)
    return np.bincount(cells.group, minlength=n_groups).astype(np.int64)


def cell_reasons(comparison: Comparison, cells: Population | None, side: str) -> NDArray[np.str_]:
    """Why the cells of a group cannot be held against its controls, "" where they can: (groups,).

    cells: of the observed or the predicted ``side``, in the space of the readouts.
    """
    n_groups, n_readouts = comparison.observed.shape
    control, own = comparison.control_cells, comparison.control
    if cells is None:
        return np.full(n_groups, f"there are no {side} cells")
    if control is None or own is None:
        return np.full(n_groups, "there are no cells of controls")
    width = cells.values.shape[1]
    if width != n_readouts or control.values.shape[1] != n_readouts:
        return np.full(
            n_groups,
            f"the cells have {width} coordinates, not the {n_readouts} readouts; compare them "
            "in the readouts",
        )
    n_controls = int(max(own.max(initial=-1), control.group.max(initial=-1))) + 1
    control_size = np.append(sizes_of(control, n_controls), 0)
    is_bad_control = np.append(_has_bad(control, n_controls), False)
    return np.select(
        [
            own < 0,
            control_size[own] < MIN_CELLS,
            sizes_of(cells, n_groups) < MIN_CELLS,
            is_bad_control[own],
            _has_bad(cells, n_groups),
        ],
        [
            "the group's context has no control cells",
            f"fewer than {MIN_CELLS} control cells",
            f"fewer than {MIN_CELLS} {side} cells",
            "a control cell has a value that is no number",
            f"a cell of the {side} side has a value that is no number",
        ],
        "",
    ).astype(str)


def _has_bad(cells: Population, n_groups: int) -> NDArray[np.bool_]:
    """Which groups have a cell with a value that is no number: (n_groups,)."""
    values = cells.values
    stored = values.data if sp.issparse(values) else np.asarray(values)
    is_bad = ~np.isfinite(stored)
    if not is_bad.any():
        return np.zeros(n_groups, bool)
    if sp.issparse(values):
        row = np.searchsorted(values.indptr, np.flatnonzero(is_bad), side="right") - 1
    else:
        row = np.flatnonzero(is_bad.any(axis=1))
    found = np.zeros(n_groups, bool)
    found[cells.group[row]] = True
    return found
