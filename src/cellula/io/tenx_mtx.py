"""10x Genomics matrix folders: matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, readout_names
from cellula.io.damage import require_fitting
from cellula.io.modalities import by_feature_type
from cellula.io.text_file import decoded, text_bytes

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["LAYOUTS", "TenxMtx"]

#: Cell Ranger 3 and later, and before.
LAYOUTS = (
    ("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"),
    ("matrix.mtx", "genes.tsv", "barcodes.tsv"),
)
#: The first line, the comments and the sizes of a Matrix Market text.
HEAD = re.compile(
    rb"%%MatrixMarket matrix coordinate (?P<kind>integer|real|pattern) general[ \t]*\r?\n"
    rb"(?:[ \t]*(?:%[^\n]*)?\n)*"
    rb"[ \t]*(?P<rows>\d+)[ \t]+(?P<columns>\d+)[ \t]+(?P<values>\d+)[ \t]*\r?\n?",
    re.IGNORECASE,
)
SPACES = re.compile(rb"[ \t]+(?=[^\r\n])")


@final
class TenxMtx:
    """Reads a folder of Cell Ranger as cells x features, counts in CSR.

    Features are called by their symbol, those that share one by ``SYMBOL_ID``; ``gene_ids`` and
    ``feature_types`` stand in var. Several feature types become the modalities of a MuData.
    """

    name: ClassVar[str] = "tenx_mtx"
    suffixes: ClassVar[tuple[str, ...]] = (".feature_bc_matrix",)

    def read(self, path: Path) -> AnnData | MuData:
        """The counts of a folder such as ``filtered_feature_bc_matrix``.

        Raises DataError, naming folder and file, when one of the three files is missing, cut
        short, or does not fit the others.
        """
        names = _require_files(path)
        matrix, features, barcodes = (_text(path, name) for name in names)
        table = _fields(features, f"{path.name}/{names[1]}", 2)
        labels = [fields[0] for fields in _fields(barcodes, f"{path.name}/{names[2]}", 1)]
        ids, symbols = [fields[0] for fields in table], [fields[1] for fields in table]
        counts = _counts(matrix, f"{path.name}/{names[0]}")
        if counts.shape != (len(ids), len(labels)):
            raise DataError(
                f"{path.name} is no whole 10x matrix: {names[0]} is {counts.shape[0]} x "
                f"{counts.shape[1]}, beside {len(ids)} features and {len(labels)} barcodes; fetch "
                "the folder again"
            )
        var = pd.DataFrame({"gene_ids": ids}, index=pd.Index(readout_names(symbols, ids)))
        if all(len(fields) > 2 for fields in table):
            var["feature_types"] = [fields[2] for fields in table]
        obs = pd.DataFrame(index=pd.Index(labels))
        return by_feature_type(annotated(counts.T.tocsr(), obs, var, path.name), path.name)


def _require_files(path: Path) -> tuple[str, str, str]:
    """The names of the three files. Raises DataError where there are not all three."""
    if not path.is_dir():
        raise DataError(
            f"{path} is no folder; a 10x matrix is the folder of {', '.join(LAYOUTS[0])}: name it"
        )
    missing = [[name for name in names if not (path / name).is_file()] for names in LAYOUTS]
    if all(missing):
        least = min(missing, key=len)
        raise DataError(
            f"{path.name} has no {' and no '.join(least)}; expected the files "
            f"{', '.join(LAYOUTS[0])}, or {', '.join(LAYOUTS[1])}: fetch or rename them"
        )
    return LAYOUTS[missing.index([])]


def _text(folder: Path, name: str) -> bytes:
    try:
        return text_bytes(folder / name)
    except DataError as error:
        raise DataError(f"{folder.name}: {error}") from error


def _fields(raw: bytes, file: str, least: int) -> list[list[str]]:
    """The fields of every line, at least so many."""
    lines = decoded(raw, file).replace("\r\n", "\n").removesuffix("\n").split("\n")
    rows = [line.split("\t") for line in lines]
    short = [number for number, fields in enumerate(rows, 1) if len(fields) < least]
    if short:
        raise DataError(
            f"{file}: line {short[0]} has {len(rows[short[0] - 1])} field(s), expected {least} or "
            "more between tabs; fetch the folder again"
        )
    return rows


def _counts(raw: bytes, file: str) -> sp.csc_matrix:
    """Features x barcodes from a Matrix Market text of coordinates, every index checked."""
    found = HEAD.match(raw)
    if found is None:
        raise DataError(
            f"{file} begins with {raw[:40]!r}; expected a Matrix Market matrix of coordinates "
            "(general; integer, real or pattern) and its sizes: fetch the folder again"
        )
    kind = found["kind"].lower()
    n_rows, n_columns, n_values = (int(found[name][:18]) for name in ("rows", "columns", "values"))
    names = ["row", "column"] if kind == b"pattern" else ["row", "column", "value"]
    table = _triples(raw[found.end() :], names, file)
    if len(table) != n_values:
        raise DataError(
            f"{file} holds {len(table)} values, its head says {n_values}: it is cut short or "
            "damaged; fetch the folder again"
        )
    places = [table[name].to_numpy() - 1 for name in names[:2]]
    for place, size, what in zip(places, (n_rows, n_columns), names, strict=False):
        if len(place) and (place.min() < 0 or place.max() >= size):
            raise DataError(
                f"{file} has a value outside of its {size} {what}s; fetch the folder again"
            )
    values = np.ones(len(table)) if kind == b"pattern" else table["value"].to_numpy()
    require_fitting(8 * (n_columns + 1), file)
    return sp.csc_matrix((values.astype(np.float32), places), shape=(n_rows, n_columns))


def _triples(raw: bytes, names: list[str], file: str) -> pd.DataFrame:
    """The lines of coordinates: whole numbers, and a number."""
    if not raw.strip():
        return pd.DataFrame({name: np.empty(0, np.int64) for name in names})
    lines = SPACES.sub(b" ", raw)
    types = {"row": pa.int64(), "column": pa.int64(), "value": pa.float64()}
    try:
        table = pacsv.read_csv(
            pa.BufferReader(lines),
            read_options=pacsv.ReadOptions(column_names=names),
            parse_options=pacsv.ParseOptions(delimiter=" "),
            convert_options=pacsv.ConvertOptions(
                column_types={name: types[name] for name in names}, null_values=[]
            ),
        )
    except pa.ArrowException as error:
        raise DataError(
            f"{file} is damaged or cut short: {' '.join(str(error).split())}; fetch the folder "
            "again"
        ) from error
    return cast("pd.DataFrame", table.to_pandas())
