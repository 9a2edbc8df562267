"""Graphs of genes from files: shared processes of the Gene Ontology, interactions, receptors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.dataset import Provenance
from cellula.core.errors import DataError
from cellula.data.knowledge.graph import KnowledgeGraph
from cellula.data.knowledge.neighbours import nearest_graph, shared_terms
from cellula.io.digest import hash_source
from cellula.io.formats import read

__all__ = ["gene_ontology", "interactions"]

#: What joins the genes of a complex in a table of interactions.
COMPLEX = "_"
COLUMNS = ("source_genesymbol", "target_genesymbol", "resource")


def gene_ontology(
    folder: Path, names: Sequence[str], neighbours: int = 20, version: str = ""
) -> KnowledgeGraph:
    """Genes joined to those with which they share most biological processes [ashburner2000]_.

    folder: as the reader ``gene_ontology`` expects it; the weight of an edge is the Jaccard index
    of both genes' processes, propagated to ancestors; a gene without processes has no edge.
    Raises DataError as the reader does.
    """
    content = read(folder, "gene_ontology")
    if not isinstance(content, AnnData):
        raise DataError(f"{folder.name} is no table of genes and processes")
    place = pd.Index(content.obs_names).get_indexer(pd.Index(list(names), dtype=object))
    rows = np.flatnonzero(place >= 0)
    terms = sp.csr_matrix(content.X)[place[rows]]
    known = [str(names[int(i)]) for i in rows]
    provenance = Provenance(
        {folder.name: hash_source(folder)}, "CC-BY-4.0", citation="ashburner2000"
    )
    graph = KnowledgeGraph(
        tuple(known), nearest_graph(shared_terms(terms), neighbours), provenance, version
    )
    return graph.subset(names)


def interactions(
    path: Path,
    names: Sequence[str],
    resources: Sequence[str] = ("consensus",),
    license: str = "unknown",
    version: str = "",
) -> KnowledgeGraph:
    """Genes whose products interact, such as ligands and receptors, from a table of pairs.

    path: a table with the columns source_genesymbol, target_genesymbol and resource
    [turei2021]_. A complex (``ITGA1_ITGB1``) stands for each of its genes. The weight of an edge is
    the number of the chosen resources that name the pair. Raises DataError, listing those there
    are, on an unknown resource, or naming it on a missing column.
    """
    table = read(path)
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{path.name} is no table of interactions")
    absent = [column for column in COLUMNS if column not in table.columns]
    if absent:
        raise DataError(
            f"{path.name} has no column {', '.join(absent)}; expected {', '.join(COLUMNS)}"
        )
    known = sorted(set(table["resource"].astype(str)))
    unknown = [name for name in resources if name not in known]
    if unknown:
        raise DataError(f"{path.name} has no resource {unknown[0]!r}; it has {', '.join(known)}")
    chosen = table[table["resource"].isin(list(resources))][list(COLUMNS)].astype(str)
    for column in COLUMNS[:2]:
        chosen = chosen.assign(**{column: chosen[column].str.split(COMPLEX)}).explode(column)
    pairs = chosen.drop_duplicates()
    index = pd.Index(list(names), dtype=object)
    left, right = (index.get_indexer(pd.Index(pairs[column])) for column in COLUMNS[:2])
    is_edge = (left >= 0) & (right >= 0) & (left != right)
    both = np.ones(int(is_edge.sum())), (left[is_edge], right[is_edge])
    one = sp.csr_matrix(both, (len(index), len(index)))
    provenance = Provenance({path.name: hash_source(path)}, license, citation="turei2021")
    return KnowledgeGraph(tuple(names), sp.csr_matrix(one.maximum(one.T)), provenance, version)
