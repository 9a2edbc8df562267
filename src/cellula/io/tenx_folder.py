"""Writing the matrix folder of 10x Genomics."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.folder import write_folder
from cellula.io.parts import Reduced, reduced
from cellula.io.tenx_mtx import LAYOUTS, TenxMtx

__all__ = ["TenxFolder"]

#: The columns of var that the format holds.
VAR = ("gene_ids", "feature_types")


@final
class TenxFolder:
    """Writes counts as the folder that Cell Ranger 3 and later write.

    A folder holds counts, the names of cells, and of features their id, symbol and type: var may
    have the columns ``gene_ids`` and ``feature_types``, obs none. The number type of the counts
    is not stored.
    """

    name: ClassVar[str] = "tenx_mtx"
    suffixes: ClassVar[tuple[str, ...]] = TenxMtx.suffixes
    takes: ClassVar[str] = "annotated"

    def reduce(self, content: AnnData) -> Reduced:
        """X as it is, and of var the two columns that the format holds."""
        return reduced(content, obs=(), var=VAR, is_dense=False)

    def write(self, content: Any, path: Path) -> None:
        """Write the three files of a folder, which is whole or not there.

        Raises DataError when the content is anything else than counts with the columns above, or
        a name holds a tab or a line break.
        """
        if not isinstance(content, AnnData):
            raise DataError(
                f"{path.name}: a 10x folder holds an AnnData of counts, not a "
                f"{type(content).__name__}; write a table as .parquet or .csv"
            )
        lost = self.reduce(content).lost
        if lost:
            raise DataError(
                f"{path.name}: a 10x folder has no place for {'; '.join(lost)}: write an .h5ad "
                "file, or take them out first"
            )
        counts = _counts(content, path.name)
        names = content.var_names.astype(str)
        ids = content.var["gene_ids"].astype(str) if "gene_ids" in content.var else names
        types = _feature_types(content)
        features = ["\t".join(row) for row in zip(ids, _symbols(names, ids), types, strict=True)]
        barcodes = list(content.obs_names.astype(str))
        for name in (*barcodes, *names, *ids):
            if any(mark in name for mark in '\t\n\r"'):
                raise DataError(
                    f"{path.name}: the name {name!r} holds a tab, a quote or a line break, which a "
                    "10x folder cannot hold; rename it"
                )
        texts = (_market(counts), "\n".join(features) + "\n", "\n".join(barcodes) + "\n")
        packed = (gzip.compress(text.encode(), mtime=0) for text in texts)
        write_folder(path, dict(zip(LAYOUTS[0], packed, strict=True)))


def _counts(data: AnnData, file: str) -> Any:
    """The matrix as CSC of int64, genes x cells. Raises DataError where it holds no counts."""
    matrix = None if data.X is None else sp.csr_matrix(data.X)
    stored = np.empty(0) if matrix is None else matrix.data
    is_whole = matrix is not None and np.issubdtype(stored.dtype, np.number)
    is_whole = is_whole and bool(np.all((stored >= 0) & (stored == np.floor(stored))))
    if matrix is None or not is_whole:
        raise DataError(
            f"{file}: a 10x folder holds counts, and X holds other values; write an .h5ad file, or "
            "take the counts"
        )
    return matrix.astype(np.int64).T.tocsc()


def _feature_types(data: AnnData) -> list[str]:
    if "feature_types" in data.var:
        return [str(name) for name in data.var["feature_types"]]
    return ["Gene Expression"] * data.n_vars


def _symbols(names: Any, ids: Any) -> list[str]:
    """The symbols that the reader turns into these names again."""
    return [name.removesuffix(f"_{id}") for name, id in zip(names, ids, strict=True)]


def _market(counts: Any) -> str:
    """A MatrixMarket text of whole numbers, cell by cell."""
    counts.sum_duplicates()
    counts.eliminate_zeros()
    entries = counts.tocoo()
    lines = [
        "%%MatrixMarket matrix coordinate integer general",
        f"{entries.shape[0]} {entries.shape[1]} {entries.nnz}",
    ]
    triples = zip(entries.row.tolist(), entries.col.tolist(), entries.data.tolist(), strict=True)
    lines += [f"{row + 1} {column + 1} {value}" for row, column, value in triples]
    return "\n".join(lines) + "\n"
