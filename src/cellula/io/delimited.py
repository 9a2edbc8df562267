"""Delimited text tables (comma, tab, semicolon), plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast, final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from cellula.core.errors import DataError
from cellula.io.atomic import write_atomically
from cellula.io.text_file import decoded, text_bytes

__all__ = ["ROW_NAMES", "DelimitedTable", "parse_table"]

#: What stands for "no value"; "None" does not, for it names a control in many tables.
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null"]
#: The name of a first column whose name the header leaves out, as R writes row names.
ROW_NAMES = "row"
#: A field that begins with a needless zero: an identifier, which a number would not write back.
PADDED = r"^[+-]?0[0-9]"
PADDED_FIELD = re.compile(rb"[\t,;\n\"][+-]?0[0-9]")


@final
class DelimitedTable:
    """Reads and writes a DataFrame as delimited text.

    ``.csv`` has commas, ``.tsv`` tabs, ``.txt`` whichever of tab, semicolon and comma its first
    line holds most of (written: tab). The first line names the columns; a header one name short
    leaves the first column unnamed, which becomes ``row``. Every row must have every field, so
    a file cut short is an error. Numbers read back as the same floats; a column of whole numbers
    of which one has leading zeros (``007``) holds identifiers and stays text; an empty field is
    a missing value. The index is not stored.
    """

    name: ClassVar[str] = "delimited"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
    takes: ClassVar[str] = "table"

    def read(self, path: Path) -> pd.DataFrame:
        """The table of a file: a range index, columns numeric, boolean or text by content.

        Raises DataError, naming the file, when it is absent, cut short, not text, ragged or
        names a column twice.
        """
        return self.read_labelled(path, ())

    def read_labelled(self, path: Path, labels: Sequence[str]) -> pd.DataFrame:
        """The table as :meth:`read` gives it, but fractions in the columns ``labels`` as text.

        So a label ``1.10`` is not the number 1.1. Whole numbers stay numbers, and a name that
        is no column is passed over.
        """
        raw = text_bytes(path)
        suffix = path.suffixes[-2] if path.suffix == ".gz" else path.suffix
        separator = {".csv": ",", ".tsv": "\t"}.get(suffix)
        table = parse_table(raw, path.name, separator)
        fractions = [name for name in labels if name in table and _has_fractions(table[name])]
        if not fractions:
            return table
        return table.assign(**parse_table(raw, path.name, separator, fractions)[fractions])

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


def _has_fractions(column: pd.Series[Any]) -> bool:
    if column.dtype.kind != "f":
        return False
    there = column.dropna()
    return bool((there != there.round()).any())


def parse_table(
    raw: bytes, file: str, separator: str | None = None, text: Sequence[str] = ()
) -> pd.DataFrame:
    """The table of a delimited text whose first line names the columns.

    raw: UTF-8 bytes. file: its name in messages. separator: None takes whichever of tab,
    semicolon and comma the first line holds most of. text: columns that are text whatever
    they hold. Raises DataError as :meth:`DelimitedTable.read` does.
    """
    header, separator = _header(raw, file, separator)
    names = _columns(raw, header, separator, file)
    strings = [name for name in text if name in names]
    table = _arrow(raw, file, separator, names, strings)
    if table is None:
        return pd.DataFrame({name: [] for name in names})
    if PADDED_FIELD.search(raw):
        table = _padded_as_text(table, raw, file, separator)
    return cast("pd.DataFrame", table.to_pandas())


def _arrow(
    raw: bytes, file: str, separator: str, names: list[str], text: Sequence[str]
) -> pa.Table | None:
    """The table, None where there is no row; the columns ``text`` as text."""
    try:
        return pacsv.read_csv(
            pa.BufferReader(raw),
            read_options=pacsv.ReadOptions(
                column_names=names, skip_rows=1, block_size=min(len(raw) + 1, 2**31 - 1)
            ),
            parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                null_values=MISSING,
                strings_can_be_null=True,
                column_types=dict.fromkeys(text, pa.string()),
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return None
        told = " ".join(str(error).split())
        raise DataError(
            f"{file} is damaged or cut short: {told}; expected {len(names)} fields in every row; "
            "fetch the file again or repair the row"
        ) from error


def _padded_as_text(table: pa.Table, raw: bytes, file: str, separator: str) -> pa.Table:
    """The table with every column of whole numbers that holds a padded one as text."""
    whole = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    again = _arrow(raw, file, separator, table.column_names, whole)
    if again is None:
        return table
    for name in whole:
        column = again.column(name)
        if pc.any(pc.match_substring_regex(column, PADDED)).as_py():
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def _header(raw: bytes, file: str, separator: str | None) -> tuple[list[str], str]:
    """The column names of the first line, and the separator."""
    line = decoded(raw.split(b"\n", 1)[0], file).rstrip("\r")
    separator = separator or max("\t;,", key=line.count)
    names = next(csv.reader([line], delimiter=separator))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"{file} names {len(repeated)} column(s) twice: {', '.join(repeated[:5])}; "
            "rename or remove the repeated ones"
        )
    return names, separator


def _columns(raw: bytes, header: list[str], separator: str, file: str) -> list[str]:
    """The names of all columns, the first one's supplied where the header leaves it out."""
    lines = raw.split(b"\n", 2)
    if len(lines) > 1 and lines[1].strip():
        line = decoded(lines[1], file).rstrip("\r")
        if len(next(csv.reader([line], delimiter=separator))) == len(header) + 1:
            return [ROW_NAMES, *header]
    return [name or ROW_NAMES if place == 0 else name for place, name in enumerate(header)]
