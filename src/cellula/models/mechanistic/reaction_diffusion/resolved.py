"""Whether a grid is fine enough for the fields that are on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import EngineError
from cellula.core.space import Space

__all__ = ["check_resolved"]

Floats = NDArray[np.float64]
#: A field whose range is less than this share of its greatest value is flat.
FLAT = 1e-3


def check_resolved(
    space: Space, id: str, fields: Floats, elapsed: float, largest_jump: float
) -> None:
    """Raise EngineError where a diffusing field, (cells...), jumps between neighbouring voxels.

    A front or a layer that is thinner than a voxel moves at a wrong speed, or stands still. What
    was sharp at the start is not looked at before it could have spread over a voxel: D t / dx^2,
    the diffusion number, is below 1.
    """
    diffusion = space.diffusion[id]
    span = float(fields.max() - fields.min())
    if span <= FLAT * float(np.abs(fields).max()):
        return
    for axis, dx in enumerate(space.grid.spacing):
        number = diffusion * elapsed / dx**2
        if number < 1:
            continue
        jumps = np.abs(np.diff(fields, axis=axis))
        if float(jumps.max()) <= largest_jump * span:
            continue
        voxel = int(np.argmax(jumps))
        at = np.unravel_index(voxel, jumps.shape)
        place = space.grid.place(int(np.ravel_multi_index(at, fields.shape)))
        raise EngineError(
            f"the grid is too coarse: {id!r} changes by {jumps.max() / span:.0%} of its range "
            f"from one voxel to the next along {space.grid.axes[axis]} at {place}, where voxels "
            f"are {dx:g} wide (diffusion number D t / dx^2 = {number:.3g}); take more voxels, or "
            "allow it with largest_jump = 1"
        )
