"""Gene sets of a file among the readouts of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cellula.core.comparison import GeneSets
from cellula.core.errors import DataError

__all__ = ["MatchedGeneSets", "match_gene_sets"]

COLUMNS = ("set", "gene")


@dataclass(frozen=True, slots=True)
class MatchedGeneSets:
    """The sets that have enough members among the readouts, and what was left out.

    too_small: names of the sets with fewer. n_found, n_genes: how many of the distinct genes of all
    sets are readouts, and how many there are.
    """

    sets: GeneSets
    too_small: tuple[str, ...]
    n_found: int
    n_genes: int

    def describe(self) -> str:
        """In a sentence: what was found, and the names of what was left out."""
        said = (
            f"{self.n_found} of {self.n_genes} genes of the gene sets are readouts; "
            f"{len(self.sets.names)} sets are used"
        )
        if not self.too_small:
            return said
        some = ", ".join(self.too_small[:5]) + (", ..." if len(self.too_small) > 5 else "")
        return f"{said}, {len(self.too_small)} have too few members ({some})"


def match_gene_sets(
    table: pd.DataFrame, readouts: Sequence[str], min_members: int = 2
) -> MatchedGeneSets:
    """The sets of a table with the columns set and gene, as read from a ``.gmt`` file.

    Genes match readouts by their exact names. Kept are the sets with at least ``min_members``
    readouts, in the order in which they first occur; a gene that is no readout is passed over.

    Raises DataError on a table without these columns, and, naming genes and readouts, where no set
    is kept.
    """
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent:
        raise DataError(
            f"the gene sets have no column {', '.join(absent)} (they have: "
            f"{', '.join(map(str, table.columns))}); expected set and gene, one row a gene of a set"
        )
    codes, names = pd.factorize(table["set"].astype(str))
    genes = table["gene"].astype(str)
    column = pd.Index(readouts).get_indexer(pd.Index(genes))
    is_found = column >= 0
    members = np.zeros((len(names), len(readouts)), bool)
    members[codes[is_found], column[is_found]] = True
    is_kept = members.sum(axis=1) >= min_members
    distinct = genes.drop_duplicates()
    n_found = int(distinct.isin(set(readouts)).sum())
    if not is_kept.any():
        raise DataError(
            f"none of {len(names)} gene sets has {min_members} members among the {len(readouts)} "
            f"readouts ({n_found} of {len(distinct)} genes found): the sets name "
            f"{', '.join(distinct[:3])}, the readouts are {', '.join(map(str, readouts[:3]))}; "
            "give sets in the same identifiers (symbols or Ensembl)"
        )
    return MatchedGeneSets(
        GeneSets(tuple(map(str, names[is_kept])), members[is_kept]),
        tuple(map(str, names[~is_kept])),
        n_found,
        len(distinct),
    )
