"""Gene Ontology: which gene is annotated to which term, as a matrix of genes x terms."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated
from cellula.io.delimited import parse_table
from cellula.io.text_file import text_bytes

__all__ = ["GeneOntology"]

#: The files of a folder, each also with ``.gz``: their names, and the columns that they need.
FILES = {
    "human_gene_go.csv": ("symbol", "ont", "go_id", "evidence"),
    "go_bp_parents.csv": ("child", "parent"),
}
#: Evidence code "no biological data": an annotation that says nothing is known.
NO_DATA = "ND"
#: Terms with fewer genes tell hardly any two alike, those with more nearly all.
FEWEST, MOST = 10, 1000


@final
class GeneOntology:
    """Reads a folder of gene annotations and of the ontology's edges as genes x processes, 0 or 1.

    ``human_gene_go.csv`` has a row an annotation (symbol, ont, go_id, evidence), and
    ``go_bp_parents.csv`` a row an edge (child, parent). A gene of a biological process is a gene
    of all its ancestors [ashburner2000]_; annotations with the evidence ND say nothing and are
    left out. Kept are terms with 10 to 1,000 genes; a gene without any term is no row. obs has
    the column ``symbol``, var the column ``n_genes``.
    """

    name: ClassVar[str] = "gene_ontology"
    suffixes: ClassVar[tuple[str, ...]] = (".gene_ontology",)

    def read(self, path: Path) -> AnnData:
        """Genes x terms, float32, both in the order of their names.

        Raises DataError, naming folder and file, when a file or a column is missing or the
        edges run in a circle.
        """
        annotations, edges = (_table(path, name) for name in FILES)
        is_process = (annotations["ont"] == "BP") & (annotations["evidence"] != NO_DATA)
        pairs = annotations.loc[is_process, ["symbol", "go_id"]].astype(str)
        if pairs.empty:
            raise DataError(f"{path.name} annotates no gene to a biological process (ont = BP)")
        genes, symbols = pd.factorize(pairs["symbol"], sort=True)
        ends = edges[["child", "parent"]].astype(str)
        names = np.unique(np.concatenate([pairs["go_id"], ends["child"], ends["parent"]]))
        terms = np.searchsorted(names, pairs["go_id"].to_numpy(str))
        direct = _indicator(genes, terms, (len(symbols), len(names)))
        child, parent = (np.searchsorted(names, ends[side].to_numpy(str)) for side in ends)
        steps = _indicator(child, parent, (len(names), len(names)))
        whole = _propagated(direct, steps, path.name)
        return _kept(whole, np.asarray(symbols, str), names, path.name)


def _table(folder: Path, name: str) -> pd.DataFrame:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; the ontology is a folder of {', '.join(FILES)}")
    found = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if found is None:
        raise DataError(f"{folder.name} has no {name} (or {name}.gz); it needs {', '.join(FILES)}")
    table = parse_table(text_bytes(found), f"{folder.name}/{found.name}", ",")
    absent = [column for column in FILES[name] if column not in table.columns]
    if absent:
        raise DataError(
            f"{folder.name}/{found.name} has no column {', '.join(absent)}; expected "
            f"{', '.join(FILES[name])}"
        )
    return table


def _indicator(
    rows: np.ndarray[tuple[int], np.dtype[np.intp]],
    columns: np.ndarray[tuple[int], np.dtype[np.intp]],
    shape: tuple[int, int],
) -> sp.csr_matrix:
    """A sparse matrix of 1 where a pair occurs, once or more often."""
    matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)
    matrix.data[:] = 1.0
    return matrix


def _propagated(direct: sp.csr_matrix, steps: sp.csr_matrix, name: str) -> sp.csr_matrix:
    """Annotations to the terms and to all their ancestors.

    Goes one generation up at a time; a path has no more steps than there are terms.
    """
    whole, fresh = direct, direct
    for _ in range(steps.shape[0]):
        fresh = fresh @ steps
        if fresh.nnz == 0:
            return whole
        fresh.data[:] = 1.0
        whole = whole.maximum(fresh)
    raise DataError(f"{name}: the edges of the ontology run in a circle; fetch them again")


def _kept(
    whole: sp.csr_matrix,
    symbols: np.ndarray[tuple[int], np.dtype[np.str_]],
    names: np.ndarray[tuple[int], np.dtype[np.str_]],
    name: str,
) -> AnnData:
    n_genes = np.asarray(whole.astype(bool).sum(axis=0)).ravel().astype(np.int64)
    is_kept = (n_genes >= FEWEST) & (n_genes <= MOST)
    kept = sp.csr_matrix(whole[:, is_kept])
    has_term = np.diff(kept.indptr) > 0
    obs = pd.DataFrame({"symbol": symbols[has_term]}, index=symbols[has_term])
    var = pd.DataFrame({"n_genes": n_genes[is_kept]}, index=names[is_kept])
    return annotated(sp.csr_matrix(kept[has_term]), obs, var, name)
