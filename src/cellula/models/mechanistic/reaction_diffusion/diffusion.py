"""Diffusion of all fields on the grid, exact in time along each dimension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.space import Space
from cellula.models.mechanistic.reaction_diffusion.propagator import Line, Propagator, propagator
from cellula.models.mechanistic.reaction_diffusion.steady import steady_field

__all__ = ["Diffusion"]

Floats = NDArray[np.float64]
#: So many matrices are kept for steps that come again.
KEPT = 64
#: What comes in and is less than this share of the steady field is rounding.
ROUNDING = 1e-11


@final
@dataclass(slots=True)
class Diffusion:
    """What diffuses: column of the states -> (coefficient, its line along each dimension).

    Along different dimensions diffusion commutes, so that one after the other is exact: of what
    is missing to the steady field, where sides hold values. kept, inflows: what was made for
    steps before, by their length; they change no number.
    """

    moving: Mapping[int, tuple[float, tuple[Line, ...]]]
    steady: Mapping[int, Floats]
    shape: tuple[int, ...]
    kept: dict[tuple[Line, float, float], Propagator] = field(default_factory=dict)
    inflows: dict[tuple[int, float], Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, space: Space, place: Mapping[str, int], scale: Mapping[str, float]) -> Diffusion:
        """The diffusion of a space's species; place, scale: see ``local``."""
        moving = {
            place[id]: (coefficient, _lines(space, id, scale[id]))
            for id, coefficient in space.diffusion.items()
            if coefficient > 0 and id in place
        }
        steady = {
            column: steady_field(lines)
            for column, (_, lines) in moving.items()
            if any(line.is_driven for line in lines)
        }
        return cls(moving, steady, space.grid.cells)

    def advance(self, states: Floats, step: float) -> Floats:
        """The states, (voxels, states), after the diffusion of a time ``step`` alone."""
        found = states.copy()
        for column in self.moving:
            fields = np.ascontiguousarray(states[:, column]).reshape(self.shape)
            fields = self._spread(column, fields, step)
            if column in self.steady:
                fields = fields + self._inflow(column, step)
            found[:, column] = fields.ravel()
        return found

    def _spread(self, column: int, fields: Floats, step: float) -> Floats:
        coefficient, lines = self.moving[column]
        for axis, line in enumerate(lines):
            fields = self._propagator(line, coefficient, step).apply(fields, axis)
        return fields

    def _inflow(self, column: int, step: float) -> Floats:
        """What comes in through the sides: what the steady field would lose without."""
        key = (column, step)
        if key not in self.inflows:
            level = self.steady[column]
            found = level - self._spread(column, level, step)
            found[np.abs(found) < ROUNDING * np.abs(level).max()] = 0.0
            _make_room(self.inflows)
            self.inflows[key] = found
        return self.inflows[key]

    def _propagator(self, line: Line, coefficient: float, step: float) -> Propagator:
        key = (line, coefficient, step)
        if key not in self.kept:
            _make_room(self.kept)
            self.kept[key] = propagator(line, coefficient, step)
        return self.kept[key]


def _make_room(kept: dict[Any, Any]) -> None:
    """Forget what was made first, where there is much."""
    if len(kept) >= KEPT:
        kept.pop(next(iter(kept)))


def _lines(space: Space, id: str, scale: float) -> tuple[Line, ...]:
    grid, held = space.grid, space.fixed.get(id, {})
    values = {side: value * scale for side, value in held.items()}
    return tuple(
        Line(n, dx, is_periodic, values.get(f"{name}_low"), values.get(f"{name}_high"))
        for name, n, dx, is_periodic in zip(
            grid.axes, grid.cells, grid.spacing, grid.periodic, strict=True
        )
    )
