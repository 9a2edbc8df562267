"""GEO series matrices: the processed values of a series with what is said of its samples."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, numbers, typed
from cellula.io.delimited import parse_table
from cellula.io.text_file import text_bytes

__all__ = ["GeoSeriesMatrix"]

BEGIN, END = "!series_matrix_table_begin", "!series_matrix_table_end"
CHARACTERISTICS = re.compile(r"characteristics_(ch\d+)")
#: Between the values of a field that a sample or the series has several times.
JOINT = " | "


@final
class GeoSeriesMatrix:
    """Reads a GEO series matrix file as an AnnData of samples x probes (or genes).

    obs has one column a ``!Sample_`` field (``title``, ``source_name_ch1`` ...) and one a
    characteristic (``tissue: liver`` becomes column ``tissue``; a second channel's repeated
    names end in ``_ch2``); ``uns["series"]`` has the ``!Series_`` fields. Values are as the
    submitter processed them: read ``data_processing``. Text is UTF-8, or else Latin-1, as older
    files are. Format: https://www.ncbi.nlm.nih.gov/geo/info/seq.html.
    """

    name: ClassVar[str] = "geo_series_matrix"
    suffixes: ClassVar[tuple[str, ...]] = (".series_matrix.txt", ".series_matrix.txt.gz")

    def read(self, path: Path) -> AnnData:
        """The annotated matrix of a file, float64; an empty field or ``null`` is NaN.

        Raises DataError, naming the file, when it is absent, cut short, no series matrix, or
        holds no values (a sequencing series: the message names its supplementary files).
        """
        raw = text_bytes(path)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        head, body = _parts(text, path.name)
        fields = _fields(head)
        series = {name: JOINT.join(values[0]) for name, values in fields["Series"].items()}
        table = parse_table(body.encode(), path.name, "\t", text=["ID_REF"])
        if not len(table):
            raise DataError(_no_values(path.name, fields))
        values = table.drop(columns=table.columns[0])
        samples = [str(name) for name in values.columns]
        obs = _samples(fields["Sample"], samples, path.name)
        var = pd.DataFrame(index=pd.Index(table.iloc[:, 0].astype(str)))
        matrix = np.ascontiguousarray(numbers(values, path.name).T)
        data = annotated(matrix, obs, var, path.name)
        data.uns["series"] = series
        return data


def _parts(text: str, file: str) -> tuple[list[str], str]:
    """The lines of the head, and the text of the table."""
    lines = text.splitlines()
    marks = {line.strip(): place for place, line in enumerate(lines) if line.startswith("!series")}
    if BEGIN not in marks:
        raise DataError(
            f"{file} is no GEO series matrix: it has no line {BEGIN}; name the format that it has"
        )
    if END not in marks:
        raise DataError(f"{file} is cut short: it has no line {END}; fetch the file again")
    table = lines[marks[BEGIN] + 1 : marks[END]]
    if not table:
        raise DataError(f"{file} is damaged: its table has no line of names; fetch the file again")
    return lines[: marks[BEGIN]], "\n".join(table) + "\n"


def _fields(head: Iterable[str]) -> Mapping[str, dict[str, list[list[str]]]]:
    """``Series`` and ``Sample`` fields: name -> the values of each line that has this name.

    All lines of a series field are put together as one.
    """
    fields: dict[str, dict[str, list[list[str]]]] = {"Series": {}, "Sample": {}}
    for name, *values in filter(None, csv.reader(head, delimiter="\t")):
        kind, _, field = name.removeprefix("!").partition("_")
        if kind == "Sample":
            fields[kind].setdefault(field, []).append(values)
        elif kind == "Series":
            fields[kind].setdefault(field, [[]])[0].extend(values)
    return fields


def _samples(
    fields: Mapping[str, list[list[str]]], samples: Sequence[str], file: str
) -> pd.DataFrame:
    """What is said of every sample: one row a sample, in the order of the table."""
    accessions = fields.get("geo_accession", [[]])[0]
    if list(accessions) != list(samples):
        raise DataError(
            f"{file}: the table has {len(samples)} samples, !Sample_geo_accession names "
            f"{len(accessions)}, or in another order; fetch the file again"
        )
    columns: dict[str, list[str]] = {}
    for field, lines in fields.items():
        uneven = [line for line in lines if len(line) != len(samples)]
        if uneven:
            raise DataError(
                f"{file}: !Sample_{field} has {len(uneven[0])} values for {len(samples)} samples; "
                "fetch the file again"
            )
        channel = CHARACTERISTICS.fullmatch(field)
        if channel:
            _characterise(columns, lines, channel[1])
        else:
            columns[field] = [
                JOINT.join(filter(None, values)) for values in zip(*lines, strict=True)
            ]
    return typed(pd.DataFrame(columns, index=pd.Index(samples)))


def _characterise(columns: dict[str, list[str]], lines: list[list[str]], channel: str) -> None:
    """Add a column a characteristic; a sample may name its characteristics in any order."""
    taken = set(columns)
    for line in lines:
        for place, text in enumerate(line):
            key, colon, value = text.partition(":")
            name = key.strip() if colon else f"characteristics_{channel}"
            name = f"{name}_{channel}" if name in taken else name
            if not text.strip():
                continue
            column = columns.setdefault(name, [""] * len(line))
            new = value.strip() if colon else text.strip()
            column[place] = JOINT.join(filter(None, (column[place], new)))


def _no_values(file: str, fields: Mapping[str, dict[str, list[list[str]]]]) -> str:
    lines = fields["Series"].get("supplementary_file", [[]])
    extra = ", ".join(text for text in lines[0] if text) or "see the page of the series"
    return (
        f"{file} holds no values, as those of sequencing series do; its data are in the "
        f"supplementary files ({extra}): fetch and read one of these"
    )
