"""Features that are computed from a file: from other cells' responses, from pairs of genes."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from anndata import AnnData

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.feature_options import Pairs
from cellula.data.knowledge.embedding import GeneEmbedding, group_digests, require_independent
from cellula.data.knowledge.pairs import PairColumns, pair_graph
from cellula.data.knowledge.responses import response_embedding
from cellula.data.profiles import profiles_of
from cellula.data.roles import keep_rows

__all__ = ["derived_features"]


def derived_features(
    content: object, source: DataSource, digest: str, hidden: Callable[[], Dataset]
) -> pd.DataFrame:
    """The table of features, indexed by perturbation.

    content: profiles where ``source.responses`` is given, a table where ``source.pairs`` is.
    digest: SHA-256 of the file; hidden: the study's own profiles, none of which may be among those
    that responses are computed from. Raises DataError where one is, or the file is not what it was
    said to be.
    """
    if source.pairs is not None:
        return _pairs(content, source, source.pairs, digest)
    made = _responses(content, source, source.responses or 1)
    require_independent(made.provenance.sources, group_digests(hidden()), source.name)
    return _frame(made, "response")


def _responses(content: object, source: DataSource, dimensions: int) -> GeneEmbedding:
    profiles = profiles_of(content, source)
    if not isinstance(profiles, AnnData) or source.value_type is None:
        raise DataError(f"{source.name}: responses are computed from profiles of one modality")
    return response_embedding(Dataset(profiles, source.value_type), dimensions)


def _pairs(content: object, source: DataSource, pairs: Pairs, digest: str) -> pd.DataFrame:
    if not isinstance(content, pd.DataFrame):
        raise DataError(f"{source.name} holds no table of pairs; expected two columns of names")
    if source.where:
        content = content[keep_rows(content, source.where, source.name)].reset_index(drop=True)
    columns = PairColumns(pairs.left, pairs.right, pairs.weight, pairs.least)
    provenance = Provenance({source.name: digest}, source.license, citation=source.citation)
    graph = pair_graph(content, columns, source.name, provenance)
    return _frame(graph.embedding(pairs.dimensions), "pair")


def _frame(made: GeneEmbedding, kind: str) -> pd.DataFrame:
    """The vectors, their columns named after what they are: a model may weigh each kind."""
    table = made.frame()
    table.columns = pd.Index([f"{kind}{i}" for i in range(table.shape[1])])
    return table
