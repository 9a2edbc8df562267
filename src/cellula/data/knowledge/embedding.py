"""Embeddings of genes or compounds that carry the digests of what they were made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.canonical import hash_array, hash_json
from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError

__all__ = [
    "MADE_FROM",
    "GeneEmbedding",
    "group_digests",
    "require_independent",
    "sources_of",
    "with_embedding",
]

#: Where an annotated matrix keeps the digests of what its vectors were made from.
MADE_FROM = "made_from"


@dataclass(frozen=True, slots=True)
class GeneEmbedding:
    """Vectors of genes or compounds: names (items,) and vectors (items, dimensions).

    provenance: ``sources`` holds the SHA-256 of every file, and of every part of a dataset, that
    the vectors were computed from. Raises DataError when a name repeats or a vector is not finite.
    """

    names: tuple[str, ...]
    vectors: NDArray[np.float64]
    provenance: Provenance

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.names):
            raise DataError(
                f"{len(self.names)} names and vectors of shape {self.vectors.shape}; expected one "
                "row a name"
            )
        if len(set(self.names)) != len(self.names):
            raise DataError("two items of an embedding have one name; keep one row a name")
        if not np.isfinite(self.vectors).all():
            raise DataError("an embedding holds a value that is not finite; leave its item out")
        if not self.provenance.sources:
            raise DataError(
                "an embedding without provenance: name the SHA-256 of what it was made from, "
                "or a leak through it could not be seen"
            )

    def frame(self) -> pd.DataFrame:
        """The vectors as a table of features, indexed by the names."""
        columns = [f"embedding{i}" for i in range(self.vectors.shape[1])]
        return pd.DataFrame(self.vectors, pd.Index(self.names), columns)

    def annotated(self) -> AnnData:
        """The vectors as a matrix that a study reads as features; it keeps the digests.

        obs has the column ``symbol``; ``uns["made_from"]`` is JSON, name -> SHA-256.
        """
        table = self.frame()
        obs = pd.DataFrame({"symbol": list(self.names)}, index=list(self.names))
        found = AnnData(table.to_numpy(), obs, pd.DataFrame(index=table.columns))
        found.uns[MADE_FROM] = json.dumps(dict(self.provenance.sources), sort_keys=True)
        return found


def sources_of(content: object) -> Mapping[str, str]:
    """What a table of features says it was made from: name -> SHA-256, empty where it says nothing.

    Raises DataError where it says so in a form that cannot be read.
    """
    told = content.uns.get(MADE_FROM) if isinstance(content, AnnData) else None
    if told is None:
        return {}
    try:
        found = json.loads(told)
    except (TypeError, ValueError) as error:
        raise DataError(f"uns[{MADE_FROM!r}] is no JSON text of names and SHA-256") from error
    if not isinstance(found, dict):
        raise DataError(f"uns[{MADE_FROM!r}] is no JSON object of names and SHA-256")
    return {str(name): str(digest) for name, digest in found.items()}


def group_digests(data: Dataset) -> dict[str, str]:
    """SHA-256 of the values of every perturbation in every context: what a part holds out.

    The name is ``perturbation in context``. Only the values and the readouts count, whatever the
    order of the profiles and whatever stands beside them.
    """
    queries = data.queries()
    labels = [f"{p} in {c}" for p, c in zip(queries.perturbation, queries.context, strict=True)]
    column = np.array(labels, dtype=object)
    found = {}
    for name in sorted(set(labels)):
        values = data.dense(np.flatnonzero(column == name))
        found[name] = hash_json([list(data.readouts), sorted(hash_array(row) for row in values)])
    return found


def require_independent(
    made_from: Mapping[str, str], held_out: Mapping[str, str], subject: str
) -> None:
    """Raise DataError where something was made from held-out data.

    made_from, held_out: name -> SHA-256 of a file or of a part of a dataset
    (:meth:`~cellula.core.dataset.Dataset.digest`); subject: what was made, for the message.
    """
    hidden = {digest: name for name, digest in held_out.items()}
    shared = sorted(name for name, digest in made_from.items() if digest in hidden)
    if shared:
        names = ", ".join(f"{name} (held out: {hidden[made_from[name]]})" for name in shared[:3])
        raise DataError(
            f"{subject} was made from held-out data: {names}; compute it again from data of other "
            "studies or from training controls alone"
        )


def with_embedding(
    data: Dataset, embedding: GeneEmbedding, held_out: Mapping[str, str] | None = None
) -> Dataset:
    """The dataset with the embedding as its table of perturbation features.

    held_out: name -> SHA-256 of what no feature may know, such as the :func:`group_digests` of a
    held-out part; None: every file that the dataset was read from. The embedding's sources join
    the provenance. Raises DataError on a leak.
    """
    hidden = data.provenance.sources if held_out is None else held_out
    require_independent(embedding.provenance.sources, hidden, "the embedding")
    sources = {**data.provenance.sources, **embedding.provenance.sources}
    provenance = replace(data.provenance, sources=sources)
    return replace(data, perturbation_features=embedding.frame(), provenance=provenance)
