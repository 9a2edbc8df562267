"""Parquet tables."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar, cast, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cellula.core.errors import DataError
from cellula.io.atomic import write_atomically

__all__ = ["ParquetTable", "frame_bytes"]


@final
class ParquetTable:
    """Reads and writes a DataFrame as Parquet, index and categoricals included."""

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    takes: ClassVar[str] = "table"

    def read(self, path: Path) -> pd.DataFrame:
        """The table of a file. Raises DataError, naming the file, when it is damaged."""
        if not path.is_file():
            raise DataError(f"{path} is no file; check the path")
        try:
            return cast("pd.DataFrame", pq.read_table(path).to_pandas())
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{path.name} is not a whole Parquet file, or names a column twice "
                f"({' '.join(str(error).split())}); fetch or write it again"
            ) from error

    def write(self, content: Any, path: Path) -> None:
        """Write a DataFrame atomically; equal tables give equal bytes.

        Raises DataError when the content is no table or a column mixes types.
        """
        if not isinstance(content, pd.DataFrame):
            raise DataError(
                f"{path.name}: Parquet holds a table, not a {type(content).__name__}; "
                "write an .h5ad file"
            )
        write_atomically(path, frame_bytes(content, path.name))


def frame_bytes(frame: pd.DataFrame, name: str = "table") -> bytes:
    """A DataFrame as the bytes of a Parquet file; equal tables give equal bytes.

    Raises DataError, naming the table, when a column mixes types.
    """
    buffer = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_pandas(frame), buffer, compression="zstd")
    except pa.ArrowException as error:
        raise DataError(
            f"{name}: a column has no Parquet type ({error}); make it all numbers or all text"
        ) from error
    return buffer.getvalue()
