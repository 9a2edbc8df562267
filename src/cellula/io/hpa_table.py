"""Human Protein Atlas downloads: expression by tissue, cell type or line, and its other tables."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, readout_names
from cellula.io.delimited import parse_table
from cellula.io.text_file import text_bytes

__all__ = ["HpaTable"]

GENE, SYMBOL = "Gene", "Gene name"
#: The measures of expression, the best comparable one first; it becomes X, the others layers.
MEASURES = ("nTPM", "nCPM", "NX", "pTPM", "TPM", "Read count")


@final
class HpaTable:
    """Reads a download of the Human Protein Atlas (``.tsv.zip``, or unpacked).

    An expression table of one row a gene and tissue (or cell type, cell line, ...) becomes an
    AnnData of tissues x genes: X is its normalised measure (nTPM, nCPM), other measures are
    layers, genes are called by their symbol with ``gene_id`` in var, and a pair that the table
    leaves out is NaN. Any other table (``proteinatlas.tsv``, stainings) stays a table.
    """

    name: ClassVar[str] = "hpa"
    suffixes: ClassVar[tuple[str, ...]] = (".tsv.zip",)

    def read(self, path: Path) -> AnnData | pd.DataFrame:
        """The content of a file.

        Raises DataError, naming the file, when it is absent, cut short, without the columns
        Gene and Gene name, or has two values for a gene and tissue.
        """
        table = parse_table(text_bytes(path), path.name, "\t", text=[GENE, SYMBOL])
        if GENE not in table.columns or not {SYMBOL, "Ensembl"} & set(table.columns):
            found = ", ".join(map(str, table.columns[:5]))
            raise DataError(
                f"{path.name} is no table of the Human Protein Atlas: it has {found}, expected "
                f"{GENE} and {SYMBOL}; name the format that it has"
            )
        measures = [name for name in MEASURES if name in table.columns]
        labels = [name for name in table.columns if name not in (GENE, SYMBOL, *measures)]
        is_long = bool(measures and labels) and table[labels].dtypes.map(_is_text).all()
        return _pivoted(table, labels, measures, path.name) if is_long else table


def _is_text(kind: object) -> bool:
    return not pd.api.types.is_float_dtype(kind)


def _pivoted(table: pd.DataFrame, labels: list[str], measures: list[str], file: str) -> AnnData:
    """Profiles by labels x genes, both in the order in which they first occur."""
    rows = table.groupby(labels, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    columns, ids = pd.factorize(table[GENE])
    firsts = pd.Series(rows).drop_duplicates().index
    obs = table.loc[firsts, labels].reset_index(drop=True)
    obs.index = pd.Index(obs[labels].astype(str).agg("|".join, axis=1))
    genes = table.drop_duplicates(GENE)
    var = pd.DataFrame({"gene_id": list(ids)})
    var.index = pd.Index(readout_names(genes[SYMBOL].tolist(), list(ids)))
    twice = pd.DataFrame({"row": rows, "column": columns}).duplicated().to_numpy()
    if twice.any():
        place = int(np.flatnonzero(twice)[0])
        raise DataError(
            f"{file}: row {place} is a second value of {table[SYMBOL].iloc[place]} in "
            f"{obs.index[rows[place]]}; keep one a pair"
        )

    def matrix(name: str) -> NDArray[np.float64]:
        values = np.full((len(obs), len(var)), np.nan)
        values[rows, columns] = table[name].to_numpy(np.float64)
        return values

    layers = {name: matrix(name) for name in measures[1:]}
    return annotated(matrix(measures[0]), obs, var, file, layers)
