"""A space as a TOML file: lengths, voxels, diffusion, sides, what it starts from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, final

import numpy as np
from pydantic import Field, ValidationError

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.space import AXES, Gaussian, Grid, Profile, Space, Step, Values
from cellula.io.text_file import decoded, text_bytes

__all__ = ["SpaceFile", "read_space"]

Axis: TypeAlias = Literal["x", "y", "z"]
#: A damaged file is not read whole: a field larger than this is no field of a grid.
MOST_VOXELS = 2**31


@final
class StepTable(Options):
    """``{step = "x", at = 5, below = 1, above = 0}``."""

    step: Axis
    """Along which dimension."""
    at: float
    """Where the value changes."""
    below: float
    """The value before."""
    above: float
    """The value from there on."""
    noise: float = 0.0
    """Standard deviation of a normal factor around 1, one a voxel."""


@final
class GaussianTable(Options):
    """``{gaussian = [5, 5], width = 1, height = 2, base = 0}``."""

    gaussian: tuple[float, ...]
    """Its centre."""
    width: float = Field(gt=0)
    """Its standard deviation."""
    height: float
    """What its centre rises above the base."""
    base: float = 0.0
    """What is far away."""
    noise: float = 0.0
    """Standard deviation of a normal factor around 1, one a voxel."""


@final
class UniformTable(Options):
    """``{value = 1, noise = 0.01}``."""

    value: float
    """The value everywhere."""
    noise: float = 0.0
    """Standard deviation of a normal factor around 1, one a voxel."""


@final
class FieldTable(Options):
    """``{file = "u.npy"}``."""

    file: str
    """A NumPy file of the grid's shape, beside the TOML file."""
    noise: float = 0.0
    """Standard deviation of a normal factor around 1, one a voxel."""


Initial: TypeAlias = float | StepTable | GaussianTable | UniformTable | FieldTable


@final
class SpaceTable(Options):
    """What the file may say."""

    lengths: tuple[float, ...]
    """The size of the space along each dimension, one to three."""
    cells: tuple[Annotated[int, Field(strict=True)], ...]
    """Voxels along each dimension."""
    periodic: tuple[Axis, ...] = ()
    """Dimensions that close on themselves."""
    end: float | None = None
    """The last time, where the command does not tell it."""
    points: int | None = Field(None, ge=2)
    """How many times, both ends included, where the command does not tell it."""
    diffusion: dict[str, float] = {}
    """Species -> diffusion coefficient, length^2 per time."""
    fixed: dict[str, dict[str, float]] = {}
    """Species -> side (``x_low``, ``x_high`` ...) -> the value held there."""
    initial: dict[str, Initial] = {}
    """Id -> its field at the start."""


@final
class SpaceFile:
    """A space, and the times that its file tells; None where it does not."""

    __slots__ = ("end", "points", "space")

    def __init__(self, space: Space, end: float | None, points: int | None) -> None:
        self.space, self.end, self.points = space, end, points


def read_space(path: Path) -> SpaceFile:
    """The space of a TOML file.

    Raises DataError, naming file and key, on what is no TOML, an unknown key, a value that does
    not fit, or a field that cannot be read.
    """
    text = decoded(text_bytes(path), path.name)
    try:
        table = SpaceTable.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path.name} is no TOML: {error}") from error
    except ValidationError as error:
        raise DataError(f"{path.name} describes no space: {_mistakes(error)}") from error
    unknown = [one for one in table.periodic if AXES.index(one) >= len(table.lengths)]
    if unknown:
        raise DataError(f"{path.name}: periodic names {unknown[0]!r}, a dimension it has not")
    periodic = tuple(axis in table.periodic for axis in AXES[: len(table.lengths)])
    initial: dict[str, Profile] = {}
    noise: dict[str, float] = {}
    for id, given in table.initial.items():
        initial[id] = _profile(given, path.parent)
        if not isinstance(given, float) and given.noise:
            noise[id] = given.noise
    space = Space(
        Grid(table.lengths, table.cells, periodic), table.diffusion, table.fixed, initial, noise
    )
    return SpaceFile(space, table.end, table.points)


def _mistakes(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if not str(part).endswith("Table"))
    return f"{where}: {first['msg']}"


def _profile(given: Initial, folder: Path) -> Profile:
    match given:
        case StepTable():
            return Step(given.step, given.at, given.below, given.above)
        case GaussianTable():
            return Gaussian(given.gaussian, given.width, given.height, given.base)
        case UniformTable():
            return given.value
        case FieldTable():
            return _read_field(folder / given.file)
    return given


def _read_field(path: Path) -> Values:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path.name} is no NumPy file of a field: {error}") from error
    if found.dtype.kind not in "fiu" or found.size > MOST_VOXELS:
        raise DataError(
            f"{path.name} holds {found.size} values of type {found.dtype}; expected the numbers of "
            "a grid"
        )
    return Values(np.array(found, np.float64))
