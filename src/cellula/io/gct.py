"""GCT: the text format of the Connectivity Map and GenePattern, readouts as rows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, numbers, typed
from cellula.io.atomic import write_atomically
from cellula.io.delimited import parse_table
from cellula.io.parts import Reduced, named_parts, reduced
from cellula.io.text_file import decoded, text_bytes

__all__ = ["Gct", "readout_annotations"]

#: How many row annotations a version 1.2 file has: its column Description.
ONE_DESCRIPTION = 1
#: The Connectivity Map writes -666 where an annotation has no value.
NO_VALUE = "-666"


@final
class Gct:
    """Reads GCT 1.2 and 1.3 as an AnnData of samples x readouts, and writes 1.3.

    Annotations of columns become obs, those of rows var; -666 in an annotation is a missing
    value, categoricals come back as text. Format: https://clue.io/connectopedia/gct_format.
    """

    name: ClassVar[str] = "gct"
    suffixes: ClassVar[tuple[str, ...]] = (".gct", ".gct.gz")
    takes: ClassVar[str] = "annotated"

    def read(self, path: Path) -> AnnData:
        """The annotated matrix of a file, float64; "NA" and "NaN" are NaN.

        Raises DataError, naming the file, when it is absent, cut short, of another format, or
        has other numbers of rows and columns than its second line says.
        """
        raw = text_bytes(path)
        version, sizes, body = _head(raw, path.name)
        n_rows, n_columns, n_var, n_obs = _sizes(version, sizes, path.name)
        width = 1 + n_var + n_columns
        lines = body.split(b"\n", 1 + n_obs)
        top = _table(b"\n".join(lines[: 1 + n_obs]), width, width, path.name)
        rows = _table(b"\n".join(lines[1 + n_obs :]), width, 1 + n_var, path.name)
        if (len(top), len(rows)) != (1 + n_obs, n_rows):
            raise DataError(
                f"{path.name} has {len(rows)} rows of values, its second line says {n_rows}: it is "
                "cut short or damaged; fetch the file again"
            )
        header = top.iloc[0]
        samples = header.iloc[1 + n_var :].tolist()
        obs = top.iloc[1:, 1 + n_var :].T.set_axis(samples)
        obs.columns = top.iloc[1:, 0].tolist()
        var = rows.iloc[:, 1 : 1 + n_var].set_axis(rows.iloc[:, 0].tolist())
        var.columns = header.iloc[1 : 1 + n_var].tolist()
        values = rows.iloc[:, 1 + n_var :].set_axis(var.index).set_axis(samples, axis=1)
        matrix = np.ascontiguousarray(numbers(values, path.name).T)
        return annotated(matrix, typed(obs, NO_VALUE), typed(var, NO_VALUE), path.name)

    def reduce(self, content: AnnData) -> Reduced:
        """X (dense), obs and var: what the format holds."""
        return reduced(content, obs=content.obs.columns, var=content.var.columns, is_dense=True)

    def write(self, content: Any, path: Path) -> None:
        """Write X, obs and var of an AnnData as GCT 1.3, atomically; numbers read back equal.

        Layers, coordinates and unstructured parts have no place in the format and are refused.
        Raises DataError when the content is no AnnData of X, obs and var alone, or a text in it
        holds a tab or a line break.
        """
        data = readout_annotations(content, path.name, "GCT")
        matrix = data.X.toarray() if sp.issparse(data.X) else np.asarray(data.X)
        sizes = (data.n_vars, data.n_obs, data.var.shape[1], data.obs.shape[1])
        lines = ["#1.3", "\t".join(map(str, sizes))]
        lines.append(_line(["id", *data.var.columns, *data.obs_names], path.name))
        padding = ["na"] * data.var.shape[1]
        for name in data.obs.columns:
            lines.append(_line([name, *padding, *_texts(data.obs[name])], path.name))
        annotations = [_texts(data.var[name]) for name in data.var.columns]
        for place, readout in enumerate(data.var_names):
            described = [column[place] for column in annotations]
            values = map(_number, matrix[:, place].tolist())
            lines.append(_line([readout, *described, *values], path.name))
        text = ("\n".join(lines) + "\n").encode()
        write_atomically(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def readout_annotations(content: Any, file: str, format: str) -> AnnData:
    """The content, when the format can hold all of it: an AnnData of numbers, obs and var.

    Raises DataError naming the part that would be lost.
    """
    if not isinstance(content, AnnData):
        raise DataError(
            f"{file}: {format} holds an AnnData, not a {type(content).__name__}; "
            "write a table as .parquet or .csv"
        )
    lost = list(named_parts(content))
    if content.X is None or not np.issubdtype(content.X.dtype, np.number):
        lost.append("the matrix X, which is missing or holds no numbers")
    if lost:
        raise DataError(
            f"{file}: {format} has no place for {'; '.join(lost)}: write an .h5ad file, or take "
            "them out first"
        )
    return content


def _head(raw: bytes, file: str) -> tuple[str, list[str], bytes]:
    """The version, the numbers of the second line, and the rest."""
    parts = raw.replace(b"\r\n", b"\n").split(b"\n", 2)
    version = parts[0].strip()
    if version not in (b"#1.2", b"#1.3") or len(parts) < 3:
        raise DataError(
            f"{file} is no GCT file: its first line is {parts[0][:20]!r}; expected #1.2 or #1.3, "
            "then the numbers of rows and columns: name the format that it has"
        )
    return version.decode(), decoded(parts[1], file).split("\t"), parts[2]


def _sizes(version: str, found: list[str], file: str) -> tuple[int, int, int, int]:
    """Rows, columns, row annotations, column annotations."""
    expected = 2 if version == "#1.2" else 4
    fields = [text.strip() for text in found if text.strip()]
    if len(fields) != expected or not all(text.isdecimal() for text in fields):
        raise DataError(
            f"{file}: the second line is {' '.join(found)[:60]!r}; a GCT {version} file has "
            f"{expected} whole numbers there: fetch the file again"
        )
    sizes = [*map(int, fields), ONE_DESCRIPTION, 0]
    return sizes[0], sizes[1], sizes[2], sizes[3]


def _table(lines: bytes, width: int, n_text: int, file: str) -> pd.DataFrame:
    """Lines of ``width`` fields, the first ``n_text`` of which are text."""
    places = [str(place) for place in range(width)]
    raw = "\t".join(places).encode() + b"\n" + lines + b"\n"
    table = parse_table(raw, file, "\t", text=places[:n_text])
    if table.shape[1] != width:
        raise DataError(
            f"{file} has {table.shape[1]} fields a row, its second line asks for {width}; it "
            "is cut short or damaged: fetch the file again"
        )
    return table


def _texts(column: pd.Series[Any]) -> list[str]:
    missing: NDArray[np.bool_] = column.isna().to_numpy()
    plain = column.astype(object)
    return [NO_VALUE if gone else str(value) for value, gone in zip(plain, missing, strict=True)]


def _number(value: float) -> str:
    return "NaN" if value != value else repr(value)


def _line(fields: list[Any], file: str) -> str:
    texts = [str(field) for field in fields]
    for text in texts:
        if any(mark in text for mark in "\t\n\r") or text.startswith('"'):
            raise DataError(
                f"{file}: {text!r} holds a tab, a line break or begins with a quote, which GCT "
                "cannot hold; rename it or write an .h5ad file"
            )
    return "\t".join(texts)
