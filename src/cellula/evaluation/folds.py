"""Comparisons of several folds joined into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.prediction import Population
from cellula.evaluation.question import join_frames
from cellula.io.row_store import stacked

__all__ = ["concatenate"]


def concatenate(parts: Sequence[Comparison]) -> Comparison:
    """One comparison of the groups of all parts, in their order; units are matched by name.

    A part without intervals or reference gives NaN rows where another has them, and a part
    without cells gives groups without cells. Raises DataError without parts, when readouts or
    the dimensions of cells differ, or when not all parts have the same named baseline or the
    same gene sets.
    """
    if not parts:
        raise DataError("there is no comparison to join; compare at least one fold")
    head = parts[0]
    for part in parts[1:]:
        if part.readouts != head.readouts:
            raise DataError("the folds do not compare the same readouts in the same order")
        is_same = (part.baseline is None) == (head.baseline is None)
        if not is_same or part.baseline_name != head.baseline_name:
            raise DataError(
                f"the folds have different baselines ({head.baseline_name or 'none'!r} and "
                f"{part.baseline_name or 'none'!r}); compare all with the same one"
            )
        if part.gene_sets is not head.gene_sets:
            raise DataError("the folds have different gene sets; compare all with the same ones")
    units = tuple(sorted({name for part in parts for name in part.units}))
    offsets = np.cumsum([0, *map(_n_controls, parts)])
    index = pd.Index(units)
    return Comparison(
        groups=join_frames([part.groups for part in parts]),
        unit=np.concatenate([index.get_indexer(list(p.units))[p.unit] for p in parts]).astype(
            np.int64
        ),
        units=units,
        readouts=head.readouts,
        observed=np.concatenate([part.observed for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
        lower=_stack(parts, "lower"),
        upper=_stack(parts, "upper"),
        reference=_stack(parts, "reference"),
        baseline=_stack(parts, "baseline"),
        baseline_name=head.baseline_name,
        fold=_folds(parts),
        observed_cells=_cells(parts, "observed_cells"),
        predicted_cells=_cells(parts, "predicted_cells"),
        control_cells=_cells(parts, "control_cells", offsets),
        control=_controls(parts, offsets),
        control_units=_control_units(parts, index),
        gene_sets=head.gene_sets,
    )


def _folds(parts: Sequence[Comparison]) -> NDArray[np.int64]:
    """Every part is a fold; parts that are joined already keep theirs apart."""
    codes: list[NDArray[np.int64]] = []
    start = 0
    for part in parts:
        own = np.zeros(len(part.groups), np.int64) if part.fold is None else part.fold
        codes.append(own + start)
        start += int(own.max(initial=0)) + 1
    return np.concatenate(codes)


def _stack(parts: Sequence[Comparison], name: str) -> NDArray[np.float64] | None:
    arrays = [getattr(part, name) for part in parts]
    if all(array is None for array in arrays):
        return None
    return np.concatenate(
        [
            np.full(part.observed.shape, np.nan) if array is None else array
            for part, array in zip(parts, arrays, strict=True)
        ]
    )


def _n_controls(part: Comparison) -> int:
    """How many populations of controls a part has."""
    return 0 if part.control_cells is None else int(part.control_cells.group.max(initial=-1)) + 1


def _controls(parts: Sequence[Comparison], offsets: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The population of controls of every group; -1 where a part has none."""
    if all(part.control is None for part in parts):
        return None
    return np.concatenate(
        [
            np.full(len(part.groups), -1)
            if part.control is None
            else np.where(part.control < 0, -1, part.control + offset)
            for part, offset in zip(parts, offsets[:-1], strict=True)
        ]
    )


def _control_units(parts: Sequence[Comparison], units: pd.Index) -> NDArray[np.int64] | None:
    """The unit of every control cell of all parts; -1 where a part has none."""
    if all(part.control_units is None for part in parts):
        return None
    return np.concatenate(
        [
            np.full(len(part.control_cells.group), -1)
            if part.control_units is None
            else np.append(units.get_indexer(list(part.units)), -1)[part.control_units]
            for part in parts
            if part.control_cells is not None
        ]
    ).astype(np.int64)


def _cells(
    parts: Sequence[Comparison], name: str, starts: NDArray[np.int64] | None = None
) -> Population | None:
    """The populations of all parts as one; starts: (parts + 1,), by default their groups."""
    groups = np.cumsum([0, *(len(part.groups) for part in parts)])
    offsets = groups if starts is None else starts
    found = [
        (cells.values, cells.group + offset)
        for part, offset in zip(parts, offsets[:-1], strict=True)
        if (cells := getattr(part, name)) is not None
    ]
    if not found:
        return None
    widths = sorted({values.shape[1] for values, _ in found})
    if len(widths) > 1:
        raise DataError(
            f"the cells of the folds have {' and '.join(map(str, widths))} dimensions; "
            "fit every fold's space with the same number of components"
        )
    values = stacked([values for values, _ in found])
    return Population(values, np.concatenate([group for _, group in found]))
