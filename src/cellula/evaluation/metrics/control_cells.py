"""Cells of groups beside those of their real controls, some groups at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.prediction import Population
from cellula.kernels.column_values import Csr

__all__ = ["CELLS_OF_CONTROLS", "Arms", "Batch", "arms_of", "batches", "csr_of", "sizes_of"]

#: Fewest cells of a group and of its controls.
MIN_CELLS = 2
#: Fewest controls of a group's own unit that stand for those of its context.
FEWEST_OWN = 10
#: Cells that are held together, beside the controls; a larger group is held alone.
CELLS = 16_384

#: What a definition says of them.
CELLS_OF_CONTROLS = (
    "for observed cells those of the group's context and unit of replication where they are at "
    f"least {FEWEST_OWN}, else of its context; for predicted cells those of its context"
)

Codes = NDArray[np.int64]
Side = Literal["observed", "predicted"]


@dataclass(frozen=True, slots=True)
class Arms:
    """Cells of the observed or predicted ``side`` and of the real controls, in the readouts.

    own: (groups,), the population of ``control`` that belongs to the group, -1 for none.
    control_units: (control cells,), unit: (groups,): where controls of a group's own unit stand for
    those of its context, as far as there are enough; None where they do not.
    """

    cells: Population
    control: Population
    own: Codes
    side: Side
    control_units: Codes | None = None
    unit: Codes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some groups of one population of controls, in the space of the readouts.

    groups: (some,) their rows; sizes: (some,) their cells; control: the cells of their controls,
    cells: those of the groups, one group after the other; both (cells, readouts), dense or CSR.
    """

    groups: Codes
    sizes: Codes
    control: Any
    cells: Any


def sizes_of(cells: Population | None, n_groups: int) -> Codes:
    """How many cells every group has: (n_groups,); zeros without cells."""
    if cells is None:
        return np.zeros(n_groups, np.int64)
    return np.bincount(cells.group, minlength=n_groups).astype(np.int64)


def arms_of(comparison: Comparison, side: Side) -> Arms | str:
    """Cells of a side beside the controls, or why no group can be held against them.

    Observed cells stand beside the controls of their own unit, for units differ; a prediction
    serves all units, so its cells stand beside the controls of the context.
    """
    is_observed = side == "observed"
    cells = comparison.observed_cells if is_observed else comparison.predicted_cells
    control, own = comparison.control_cells, comparison.control
    n_readouts = comparison.observed.shape[1]
    if cells is None:
        return f"there are no {side} cells"
    if control is None or own is None:
        return "there are no cells of controls"
    for width in (cells.n_dimensions, control.n_dimensions):
        if width != n_readouts:
            return (
                f"the cells have {width} coordinates, not the {n_readouts} readouts; compare "
                "them in the readouts"
            )
    if is_observed and comparison.control_units is not None:
        return Arms(cells, control, own, side, comparison.control_units, comparison.unit)
    return Arms(cells, control, own, side)


def batches(arms: Arms, reasons: NDArray[Any]) -> Iterator[Batch]:
    """The groups that can be held against their controls, control by control.

    reasons: (groups,) of objects, all "" at first; they are told here for the groups that are in no
    batch: too few cells or controls, or a value that is no number. Which groups stand together
    depends on their sizes only.
    """
    _few(arms, reasons)
    unit = _own_units(arms)
    served = np.column_stack([arms.own, unit])
    for code, own_unit in np.unique(served[reasons == ""], axis=0).tolist():
        groups = np.flatnonzero((reasons == "") & (arms.own == code) & (unit == own_unit))
        base = _controls_of(arms, code, own_unit)
        if not _is_finite(base):
            reasons[groups] = "a control cell has a value that is no number"
            continue
        for some in _parts(groups, sizes_of(arms.cells, len(reasons))[groups]):
            blocks = {int(group): arms.cells.block(int(group)) for group in some}
            sound = [group for group, block in blocks.items() if _is_finite(block)]
            reasons[[group for group in blocks if group not in sound]] = (
                f"a cell of the {arms.side} side has a value that is no number"
            )
            if sound:
                yield Batch(
                    np.array(sound, np.int64),
                    np.array([blocks[group].shape[0] for group in sound], np.int64),
                    base,
                    _joined([blocks[group] for group in sound]),
                )


def _few(arms: Arms, reasons: NDArray[Any]) -> None:
    """Tell the groups with too few cells or controls."""
    own, control = arms.own, arms.control
    n_controls = int(max(own.max(initial=-1), control.group.max(initial=-1))) + 1
    n_own = np.append(sizes_of(control, n_controls), 0)[own]
    reasons[sizes_of(arms.cells, len(own)) < MIN_CELLS] = (
        f"fewer than {MIN_CELLS} {arms.side} cells"
    )
    reasons[n_own < MIN_CELLS] = f"fewer than {MIN_CELLS} control cells"
    reasons[own < 0] = "the group's context has no control cells"


def _own_units(arms: Arms) -> Codes:
    """The unit whose controls serve a group, -1 for those of its whole context: (groups,)."""
    if arms.control_units is None or arms.unit is None:
        return np.full(len(arms.own), -1)
    n_units = int(max(arms.unit.max(initial=-1), arms.control_units.max(initial=-1))) + 1
    is_known = arms.control_units >= 0
    pairs = arms.control.group[is_known] * n_units + arms.control_units[is_known]
    kept, count = np.unique(pairs, return_counts=True)
    is_served = np.isin(arms.own * n_units + arms.unit, kept[count >= FEWEST_OWN])
    return np.where(is_served & (arms.own >= 0), arms.unit, -1)


def _controls_of(arms: Arms, code: int, unit: int) -> Any:
    """The controls of a context, of one unit or (-1) of all: dense or CSR."""
    cells = arms.control.block(code)
    if unit < 0 or arms.control_units is None:
        return cells
    start, stop = np.searchsorted(arms.control.group, [code, code + 1])
    return cells[arms.control_units[start:stop] == unit]


def csr_of(*parts: Any) -> Csr:
    """Cells below one another, dense or CSR, as one CSR with sorted indices."""
    whole = sp.csr_matrix(sp.vstack([sp.csr_matrix(part) for part in parts]))
    whole.sum_duplicates()
    return whole.data, whole.indices, whole.indptr


def _is_finite(block: Any) -> bool:
    return bool(np.isfinite(block.data if sp.issparse(block) else block).all())


def _parts(groups: Codes, sizes: Codes) -> list[Codes]:
    """Neighbouring groups, together up to CELLS cells."""
    parts, total = [0], 0
    for place, size in enumerate(sizes.tolist()):
        if total and total + size > CELLS:
            parts.append(place)
            total = 0
        total += size
    return [part for part in np.split(groups, parts) if len(part)]


def _joined(blocks: list[Any]) -> Any:
    if any(sp.issparse(block) for block in blocks):
        return sp.csr_matrix(sp.vstack(blocks))
    return np.concatenate(blocks)
