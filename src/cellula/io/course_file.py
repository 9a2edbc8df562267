"""Time courses of a population written to a file batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cellula.core.simulation import Trajectory
from cellula.io.atomic import replaced_atomically
from cellula.io.course_table import course_table
from cellula.io.formats import write, writer_of
from cellula.io.parquet import ParquetTable

__all__ = ["Add", "course_file"]

#: Take a part of the population, whose first cell has that number.
Add: TypeAlias = Callable[[Trajectory, int], None]


@contextmanager
def course_file(path: Path, n_cells: int) -> Iterator[Add]:
    """A file of courses, a row a cell and time, that is there when all batches are.

    Parquet gets a group of rows a batch and is never in memory as a whole; any other format is
    gathered and written at the end. n_cells: of the population. Raises DataError, listing the
    suffixes there are, on a name that asks for no format; StorageError where the disk refuses.
    """
    is_streamed = isinstance(writer_of(path), ParquetTable)
    inner = _streamed(path, n_cells) if is_streamed else _gathered(path, n_cells)
    with inner as add:
        yield add


@contextmanager
def _streamed(path: Path, n_cells: int) -> Iterator[Add]:
    with replaced_atomically(path) as place, ExitStack() as stack:
        writers: list[Any] = []

        def add(part: Trajectory, first: int) -> None:
            frame = course_table(part, first=first, n_cells=n_cells)
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if not writers:
                made = pq.ParquetWriter(place, table.schema, compression="zstd")
                writers.append(stack.enter_context(made))
            writers[0].write_table(table, row_group_size=max(len(frame), 1))

        yield add


@contextmanager
def _gathered(path: Path, n_cells: int) -> Iterator[Add]:
    tables: list[pd.DataFrame] = []

    def add(part: Trajectory, first: int) -> None:
        tables.append(course_table(part, first=first, n_cells=n_cells))

    yield add
    write(pd.concat(tables, ignore_index=True), path)
