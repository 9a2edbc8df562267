"""10x Genomics matrix folders: matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, readout_names
from cellula.io.modalities import by_feature_type

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["TenxMtx"]

#: Cell Ranger 3 and later, and before.
LAYOUTS = (
    ("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"),
    ("matrix.mtx", "genes.tsv", "barcodes.tsv"),
)


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
