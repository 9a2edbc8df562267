"""10x Genomics matrices in HDF5 (``filtered_feature_bc_matrix.h5``)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import h5py
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, readout_names
from cellula.io.damage import DAMAGE, require_room
from cellula.io.modalities import by_feature_type

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["TenxH5"]
#: What a file of Cell Ranger 3 or later has at least.
PARTS = (
    "barcodes",
    "data",
    "indices",
    "indptr",
    "shape",
    "features/feature_type",
    "features/genome",
    "features/id",
    "features/name",
)


@final
class TenxH5:
    """Reads the HDF5 file of Cell Ranger (2, or 3 and later) as cells x features, counts in CSR.

    Features are called by their symbol, those that share one by ``SYMBOL_ID``; ``gene_ids`` and
    ``feature_types`` stand in var. Several feature types become the modalities of a MuData.
    """

    name: ClassVar[str] = "tenx_h5"
    suffixes: ClassVar[tuple[str, ...]] = (".h5",)

    def read(self, path: Path) -> AnnData | MuData:
        """The counts of a file.

        Raises DataError, naming the file, when it is absent, cut short or another kind of HDF5
        file, or (Cell Ranger 2) holds several genomes.
        """
        from scanpy import read_10x_h5  # a second to import, which no other format needs

        _require_layout(path)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".* names are not unique")
                data = read_10x_h5(path, gex_only=False)
        except DAMAGE as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{path.name} is damaged or cut short: {first}; fetch the file again"
            ) from error
        names = readout_names(data.var_names.tolist(), data.var["gene_ids"].tolist())
        var = data.var.set_axis(pd.Index(names))
        named = annotated(sp.csr_matrix(data.X), data.obs, var, path.name)
        return by_feature_type(named, path.name)


def _require_layout(path: Path) -> None:
    """Raise DataError unless the file has the groups of Cell Ranger."""
    if not path.is_file():
        raise DataError(f"{path} is no file; check the path")
    require_room(path)
    try:
        with h5py.File(path, "r") as file:
            groups = list(file)
            is_tenx = any(
                isinstance(file[name], h5py.Group) and "barcodes" in file[name] for name in groups
            )
            lost = _lost(file["matrix"]) if "matrix" in groups else []
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path.name} is not a whole HDF5 file ({error}); fetch the file again"
        ) from error
    if not is_tenx:
        found = ", ".join(groups[:6]) or "nothing"
        raise DataError(
            f"{path.name} is no 10x matrix: it has {found} at its top, expected 'matrix'; name "
            "the format that it has, e.g. format = 'h5ad' for an AnnData"
        )
    if lost:
        raise DataError(
            f"{path.name} is damaged: its matrix has no {', '.join(lost)}; fetch the file again"
        )


def _lost(matrix: h5py.Group) -> list[str]:
    """The data sets of Cell Ranger 3 that are not there."""
    return [name for name in PARTS if not isinstance(matrix.get(name), h5py.Dataset)]
