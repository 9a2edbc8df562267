"""CELLxGENE Discover datasets: AnnData by the CELLxGENE schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import readout_names
from cellula.io.h5ad import H5ad

__all__ = ["CellxGene"]

#: What the schema asks of obs; the labels that the portal adds stand beside the ids.
REQUIRED = (
    "assay_ontology_term_id",
    "cell_type_ontology_term_id",
    "disease_ontology_term_id",
    "donor_id",
    "tissue_ontology_term_id",
)
COUNTS = "counts"


@final
class CellxGene:
    """Reads a dataset of CELLxGENE Discover as an AnnData with its raw counts as a layer.

    Genes are called by ``feature_name``, those that share one by ``NAME_ID``, with their
    Ensembl id as ``feature_id`` in var. Where X is normalised, the raw counts of the same genes
    become the layer ``counts``; where there is no ``raw``, X holds the counts. obs keeps the
    labels (``cell_type``, ``tissue``) and their ontology ids. Schema:
    https://github.com/chanzuckerberg/single-cell-curation.
    """

    name: ClassVar[str] = "cellxgene"
    suffixes: ClassVar[tuple[str, ...]] = (".cellxgene.h5ad",)

    def read(self, path: Path) -> AnnData:
        """The annotated matrix of a file, in memory.

        Raises DataError, naming the file and what is missing, when it is absent, cut short or
        not by the schema, or its raw genes do not include all its genes.
        """
        data = H5ad().read(path)
        missing = [name for name in REQUIRED if name not in data.obs.columns]
        if missing:
            raise DataError(
                f"{path.name} is not by the CELLxGENE schema: obs has no {', '.join(missing)}; "
                'read it with format = "h5ad"'
            )
        layers = dict(data.layers)
        if data.raw is not None and COUNTS not in layers:
            layers[COUNTS] = _raw_counts(data, path.name)
        ids = data.var_names.astype(str).tolist()
        var = data.var.assign(feature_id=ids)
        if "feature_name" in var.columns:
            var.index = pd.Index(readout_names(var["feature_name"].astype(str).tolist(), ids))
        return AnnData(
            data.X, obs=data.obs, var=var, uns=data.uns, obsm=dict(data.obsm), layers=layers
        )


def _raw_counts(data: AnnData, file: str) -> Any:
    """The raw counts of the genes of X, in their order."""
    raw = data.raw
    places = raw.var_names.get_indexer(data.var_names)
    if (places < 0).any():
        absent = data.var_names[places < 0][0]
        raise DataError(
            f"{file}: {int((places < 0).sum())} genes of X are not among the raw ones, e.g. "
            f'{absent}; fetch the file again, or read it with format = "h5ad" without its counts'
        )
    matrix = raw.X
    return matrix.tocsr()[:, places] if sp.issparse(matrix) else matrix[:, places]
