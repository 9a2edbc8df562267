"""Fields over time in a Zarr folder, written one time after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import zarr
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.field_course import FieldCourse
from cellula.core.space import Grid
from cellula.io.atomic import replaced_folder, restored, told

__all__ = ["SUFFIX", "AddField", "field_store", "read_fields"]

Floats = NDArray[np.float64]
#: Take the fields of the next time, (ids, cells...).
AddField: TypeAlias = Callable[[Floats], None]
SUFFIX = ".zarr"
#: What the group says it is, and in which version.
ENCODING, VERSION = "cellula-fields", "0.1.0"


@contextmanager
def field_store(path: Path, grid: Grid, ids: Sequence[str], times: Floats) -> Iterator[AddField]:
    """A folder of fields that is there when all times are; one time is in memory.

    ``values`` is (times, ids, cells...), a chunk a time and id; ``times`` is beside it. Raises
    DataError on a name that does not end in ``.zarr`` or is a file, StorageError where the disk
    refuses.
    """
    if path.suffix != SUFFIX:
        raise DataError(f"{path.name} is no name of fields; they go to a folder NAME{SUFFIX}")
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; a folder is written there: give another name")
    restored(path)
    with replaced_folder(path) as fresh, told(path):
        group: Any = zarr.open_group(fresh, mode="w", zarr_format=2)
        group.attrs.update(
            {
                "encoding-type": ENCODING, "encoding-version": VERSION, "ids": list(ids),
                "axes": list(grid.axes), "lengths": list(grid.lengths),
                "periodic": [bool(one) for one in grid.periodic],
            }
        )  # fmt: skip
        group.create_array("times", data=np.asarray(times, np.float64))
        values = group.create_array(
            "values", shape=(len(times), len(ids), *grid.cells), chunks=(1, 1, *grid.cells),
            dtype="float64", fill_value=np.nan,
        )  # fmt: skip
        done = 0

        def add(fields: Floats) -> None:
            nonlocal done
            values[done] = fields
            done += 1

        yield add
        if done != len(times):
            raise DataError(f"{done} of {len(times)} times were written to {path.name}")


def read_fields(path: Path) -> FieldCourse:
    """The fields of a folder, in memory. Raises DataError where it is absent or something else."""
    if not path.is_dir():
        raise DataError(f"{path} is no folder of fields; check the path")
    try:
        group: Any = zarr.open_group(path, mode="r", zarr_format=2)
        words = dict(group.attrs)
        values, times = group["values"][:], group["times"][:]
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path.name} is damaged or holds no fields: {error}") from error
    if words.get("encoding-type") != ENCODING or words.get("encoding-version") != VERSION:
        raise DataError(
            f"{path.name} is {words.get('encoding-type')} {words.get('encoding-version')}; "
            f"expected {ENCODING} {VERSION}"
        )
    if np.isnan(values).any():
        raise DataError(f"{path.name} lacks a chunk, or one is damaged; copy or write it again")
    grid = Grid(tuple(words["lengths"]), values.shape[2:], tuple(words["periodic"]))
    return FieldCourse(grid, tuple(words["ids"]), times, values)
