"""A regular grid in space, what moves on it how fast, and what it starts from.

Lengths are in the unit that the network's volumes are powers of, or any other that is used
throughout: diffusion coefficients are that length squared per the network's unit of time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError

__all__ = ["AXES", "Gaussian", "Grid", "Profile", "Space", "Step", "Values", "profile_values"]

Floats = NDArray[np.float64]
#: What the dimensions are called.
AXES = ("x", "y", "z")


@dataclass(frozen=True, slots=True)
class Grid:
    """Equal voxels that fill a line, a rectangle or a box, from 0 to ``lengths``.

    cells: how many voxels along each dimension. periodic: whether a dimension closes on itself;
    () for none. Raises DataError on anything but one to three dimensions of two voxels or more.
    """

    lengths: tuple[float, ...]
    cells: tuple[int, ...]
    periodic: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.lengths) <= 3 or len(self.cells) != len(self.lengths):
            raise DataError(
                f"a grid has lengths {self.lengths} and cells {self.cells}; expected one to three "
                "lengths and as many numbers of voxels"
            )
        if not all(0 < one < math.inf for one in self.lengths) or min(self.cells) < 2:
            raise DataError(
                f"a grid has lengths {self.lengths} and cells {self.cells}; expected lengths above "
                "0 and two voxels or more along each"
            )
        if self.periodic and len(self.periodic) != len(self.lengths):
            raise DataError(f"periodic is {self.periodic}; expected a word for each dimension")
        if not self.periodic:
            object.__setattr__(self, "periodic", (False,) * len(self.lengths))

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the dimensions."""
        return AXES[: len(self.lengths)]

    @property
    def spacing(self) -> tuple[float, ...]:
        """The edges of a voxel."""
        return tuple(one / n for one, n in zip(self.lengths, self.cells, strict=True))

    @property
    def n_voxels(self) -> int:
        """How many voxels there are."""
        return math.prod(self.cells)

    @property
    def voxel_volume(self) -> float:
        """The length, area or volume of a voxel."""
        return math.prod(self.spacing)

    def centres(self, axis: int) -> Floats:
        """The middles of the voxels along a dimension: (cells,)."""
        return np.asarray((np.arange(self.cells[axis]) + 0.5) * self.spacing[axis], np.float64)

    def place(self, voxel: int) -> str:
        """Where a voxel, counted in C order, is: ``x = 0.5, y = 1.5``."""
        at = np.unravel_index(voxel, self.cells)
        middles = (self.centres(axis)[k] for axis, k in enumerate(at))
        return ", ".join(f"{name} = {x:.4g}" for name, x in zip(self.axes, middles, strict=False))


@dataclass(frozen=True, slots=True)
class Step:
    """``below`` where the coordinate along ``axis`` is less than ``at``, ``above`` elsewhere."""

    axis: str
    at: float
    below: float
    above: float


@dataclass(frozen=True, slots=True)
class Gaussian:
    """base + height exp(-|x - centre|^2 / (2 width^2))."""

    centre: tuple[float, ...]
    width: float
    height: float
    base: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """A value for every voxel, of the grid's shape."""

    values: Floats


#: One value for all voxels, or what tells one for each.
Profile: TypeAlias = "float | Step | Gaussian | Values"


@dataclass(frozen=True, slots=True)
class Space:
    """A grid, what diffuses on it, what its sides hold, and what it starts from.

    diffusion: species -> coefficient, length^2 / time; what is not named stays where it is.
    fixed: species -> side (``x_low``, ``x_high``, ``y_low`` ...) -> the value held there; through
    all other sides nothing flows. initial: id -> field at the start, in what the id stands for;
    a parameter may have a field too. noise: id -> standard deviation of a normal factor around 1
    that every voxel's value is multiplied by. Raises DataError on a coefficient that is negative
    or no number, and on a side that the grid has not, or that closes on another.
    """

    grid: Grid
    diffusion: Mapping[str, float] = field(default_factory=dict)
    fixed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    initial: Mapping[str, Profile] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for id, coefficient in self.diffusion.items():
            if not 0 <= coefficient < math.inf:
                raise DataError(
                    f"the diffusion coefficient of {id!r} is {coefficient:g}; expected a finite "
                    "number from 0 on"
                )
        for id, sides in self.fixed.items():
            for side, value in sides.items():
                self._check_side(id, side, value)
        for id, level in self.noise.items():
            if not 0 <= level < math.inf:
                raise DataError(f"the noise of {id!r} is {level:g}; expected 0 or more")
            if id not in self.initial:
                raise DataError(f"{id!r} has noise but no field at the start; give it one")

    def _check_side(self, id: str, side: str, value: float) -> None:
        grid = self.grid
        open_axes = [a for a, one in zip(grid.axes, grid.periodic, strict=True) if not one]
        known = [f"{axis}_{end}" for axis in open_axes for end in ("low", "high")]
        if side not in known:
            raise DataError(
                f"{id!r} is held at side {side!r}; sides that can be held are "
                f"{', '.join(known) or 'none: all dimensions are periodic'}"
            )
        if not math.isfinite(value):
            raise DataError(f"{id!r} is held at {value} at side {side!r}; expected a number")


def profile_values(profile: Profile, grid: Grid, id: str) -> Floats:
    """The field of a profile, (cells...). Raises DataError, naming the id, where it is none."""
    if isinstance(profile, Values):
        found = np.asarray(profile.values, np.float64)
        if found.shape != grid.cells:
            raise DataError(
                f"the field of {id!r} has shape {found.shape}; expected that of the grid, "
                f"{grid.cells}"
            )
    elif isinstance(profile, Step):
        found = _step(profile, grid, id)
    elif isinstance(profile, Gaussian):
        found = _gaussian(profile, grid, id)
    else:
        found = np.full(grid.cells, float(profile))
    if not np.isfinite(found).all():
        voxel = int(np.argmin(np.isfinite(found).ravel()))
        raise DataError(
            f"the field of {id!r} is {found.ravel()[voxel]} at {grid.place(voxel)}; expected a "
            "finite number"
        )
    return found


def _step(profile: Step, grid: Grid, id: str) -> Floats:
    if profile.axis not in grid.axes:
        raise DataError(
            f"the step of {id!r} is along {profile.axis!r}; the grid has {', '.join(grid.axes)}"
        )
    axis = grid.axes.index(profile.axis)
    line = np.where(grid.centres(axis) < profile.at, profile.below, profile.above)
    shape = [1] * len(grid.cells)
    shape[axis] = -1
    return np.array(np.broadcast_to(line.reshape(shape), grid.cells))


def _gaussian(profile: Gaussian, grid: Grid, id: str) -> Floats:
    if len(profile.centre) != len(grid.cells):
        raise DataError(
            f"the Gaussian of {id!r} has centre {profile.centre}; expected {len(grid.cells)} "
            "coordinates"
        )
    coarse = max(grid.spacing)
    if not profile.width >= coarse:
        raise DataError(
            f"the Gaussian of {id!r} has width {profile.width:g} and a voxel {coarse:g}: the grid "
            "is too coarse for it; take more voxels or a wider one"
        )
    squared = np.zeros(grid.cells)
    for axis, middle in enumerate(profile.centre):
        shape = [1] * len(grid.cells)
        shape[axis] = -1
        squared += (((grid.centres(axis) - middle) / profile.width) ** 2).reshape(shape)
    return np.asarray(profile.base + profile.height * np.exp(-0.5 * squared), np.float64)
