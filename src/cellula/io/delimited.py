"""Delimited text tables (comma, tab, semicolon), plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import zlib
from pathlib import Path
from typing import Any, ClassVar, cast, final

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from cellula.core.errors import DataError
from cellula.io.atomic import write_atomically

__all__ = ["DelimitedTable"]

#: What stands for "no value"; "None" does not, for it names a control in many tables.
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null"]
#: The name of a first column whose name the header leaves out, as R writes row names.
ROW_NAMES = "row"


@final
class DelimitedTable:
    """Reads and writes a DataFrame as delimited text.

    ``.csv`` has commas, ``.tsv`` tabs, ``.txt`` whichever of tab, semicolon and comma its first
    line holds most of (written: tab). The first line names the columns; a header one name short
    leaves the first column unnamed, which becomes ``row``. Every row must have every field, so
    a file cut short is an error. Numbers read back as the same floats; an empty field is a
    missing value. The index is not stored.
    """

    name: ClassVar[str] = "delimited"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")

    def read(self, path: Path) -> pd.DataFrame:
        """The table of a file: a range index, columns numeric, boolean or text by content.

        Raises DataError, naming the file, when it is absent, cut short, not text, ragged or
        names a column twice.
        """
        raw = _content(path)
        header, separator = _header(raw, path)
        names = _columns(raw, header, separator, path)
        try:
            table = pacsv.read_csv(
                pa.BufferReader(raw),
                read_options=pacsv.ReadOptions(
                    column_names=names, skip_rows=1, block_size=min(len(raw) + 1, 2**31 - 1)
                ),
                parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(null_values=MISSING, strings_can_be_null=True),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return pd.DataFrame({name: [] for name in names})
            raise DataError(
                f"{path.name} is damaged or cut short: {error}; expected {len(names)} fields in "
                "every row; fetch the file again or repair the row"
            ) from error
        return cast("pd.DataFrame", table.to_pandas())

    def write(self, content: Any, path: Path) -> None:
        """Write a DataFrame atomically; equal tables give equal bytes.

        Raises DataError when the content is no table or has an index of its own.
        """
        if not isinstance(content, pd.DataFrame):
            raise DataError(
                f"{path.name}: delimited text holds a table, not a {type(content).__name__}; "
                "write an .h5ad file"
            )
        if not content.index.equals(pd.RangeIndex(len(content))):
            raise DataError(
                f"{path.name}: the table has an index, which delimited text does not store; "
                "make it a column with reset_index()"
            )
        separator = "," if ".csv" in path.suffixes[-2:] else "\t"
        text = content.to_csv(sep=separator, index=False, lineterminator="\n").encode()
        write_atomically(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _content(path: Path) -> bytes:
    """The bytes of the text, unzipped."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the path") from error
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(
                f"{path.name} is not a whole gzip file ({error}); fetch or copy the file again"
            ) from error
    if not raw.strip():
        raise DataError(f"{path.name} is empty; expected a table with a line of column names")
    return raw.removeprefix(b"\xef\xbb\xbf")


def _header(raw: bytes, path: Path) -> tuple[list[str], str]:
    """The column names of the first line, and the separator."""
    try:
        line = raw.split(b"\n", 1)[0].decode().rstrip("\r")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8 text ({error.reason} at byte {error.start}); "
            "save it as UTF-8 or check what kind of file it is"
        ) from error
    suffix = path.suffixes[-2] if path.suffix == ".gz" else path.suffix
    fixed = {".csv": ",", ".tsv": "\t"}.get(suffix)
    separator = fixed or max("\t;,", key=line.count)
    names = next(csv.reader([line], delimiter=separator))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path.name} names {len(repeated)} column(s) twice: {', '.join(repeated[:5])}; "
            "rename or remove the repeated ones"
        )
    return names, separator


def _columns(raw: bytes, header: list[str], separator: str, path: Path) -> list[str]:
    """The names of all columns, the first one's supplied where the header leaves it out."""
    lines = raw.split(b"\n", 2)
    if len(lines) > 1 and lines[1].strip():
        try:
            first = next(csv.reader([lines[1].decode().rstrip("\r")], delimiter=separator))
        except UnicodeDecodeError as error:
            raise DataError(f"{path.name} is not UTF-8 text: save it as UTF-8") from error
        if len(first) == len(header) + 1:
            return [ROW_NAMES, *header]
    return [name or ROW_NAMES if place == 0 else name for place, name in enumerate(header)]
