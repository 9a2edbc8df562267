"""10x Genomics matrix folders: matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, readout_names
from cellula.io.folder import write_folder
from cellula.io.modalities import by_feature_type
from cellula.io.parts import Reduced, reduced

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["TenxFolder", "TenxMtx"]

#: Cell Ranger 3 and later, and before.
LAYOUTS = (
    ("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"),
    ("matrix.mtx", "genes.tsv", "barcodes.tsv"),
)
#: The columns of var that the format holds.
VAR = ("gene_ids", "feature_types")


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
        from scanpy import read_10x_mtx  # a second to import, which no other format needs

        _require_files(path)
        try:
            data = read_10x_mtx(path, var_names="gene_ids", gex_only=False)
        except (OSError, EOFError, ValueError, KeyError, IndexError, zlib.error) as error:
            raise DataError(
                f"{path.name} is no whole 10x matrix: {_reason(path, error)}; fetch the folder "
                "again"
            ) from error
        ids = data.var_names.astype(str)
        var = data.var.assign(gene_ids=ids.to_numpy())
        var.index = pd.Index(readout_names(data.var["gene_symbols"].tolist(), list(ids)))
        named = annotated(
            sp.csr_matrix(data.X), data.obs, var.drop(columns="gene_symbols"), path.name
        )
        return by_feature_type(named, path.name)


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


def _require_files(path: Path) -> None:
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


def _reason(path: Path, error: Exception) -> str:
    """Which of the files is cut short, or else what the reader said."""
    for item in sorted(path.glob("*.gz")):
        try:
            gzip.decompress(item.read_bytes())
        except (EOFError, OSError, zlib.error):
            return f"{item.name} is not a whole gzip file"
    return (str(error).splitlines() or [type(error).__name__])[0]
