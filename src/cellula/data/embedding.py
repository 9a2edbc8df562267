"""Vectors of cells and genes beside the values of a file, with where they come from; and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core import registry
from cellula.core.canonical import canonical_json
from cellula.core.dataset import Dataset
from cellula.core.embedding import CellEmbedder, Embedding, GeneEmbedder
from cellula.core.errors import DataError
from cellula.core.perturbation import components
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.matrix import matrix_part

__all__ = ["EmbeddingRequest", "attached", "embed", "embedding_of", "provenance_of"]

#: The entry of uns that tells where vectors come from: "obsm:KEY" or "varm:KEY" -> JSON text.
UNS = "embeddings"
Axis = Literal["cells", "genes"]
PLACE: Mapping[str, str] = {"cells": "obsm", "genes": "varm"}


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """kind: name of the embedder; checkpoint: its file or folder; options: by name.

    of: cells, genes, or None for what the checkpoint can; key: of the entries, "" after the
    checkpoint; layer: that holds the values, None for X; gene_column: column of var with the names
    that the checkpoint knows genes by, "" for the readouts.
    """

    kind: str
    checkpoint: Path
    options: Mapping[str, Any]
    value_type: ValueType = ValueType.COUNTS
    of: Axis | None = None
    key: str = ""
    layer: str | None = None
    gene_column: str = ""


def embed(
    content: AnnData, file: str, request: EmbeddingRequest, run: RunContext
) -> tuple[AnnData, dict[str, dict[str, Any]]]:
    """The matrix with vectors in obsm and varm, and their provenance by entry.

    file: the name in messages. Raises StudyError on wrong options, DataError on a checkpoint that
    cannot be read, knows too few genes or has no vectors of what was asked for.
    """
    opened = registry.create("embedder", request.kind, request.options).open(request.checkpoint)
    data = _dataset(content, file, request)
    found: list[tuple[Axis, Embedding]] = []
    if isinstance(opened, CellEmbedder) and request.of != "genes":
        found.append(("cells", opened.embed_cells(data, run)))
    if isinstance(opened, GeneEmbedder) and request.of != "cells":
        vectors = opened.embed_genes(data.readouts, run)
        found.append(("genes", vectors))
    if not found:
        raise DataError(
            f"{request.kind} of {request.checkpoint} has no vectors of {request.of}; ask for the "
            "other, or see its options (cellula plugins)"
        )
    key = request.key or f"X_{re.sub(r'[^0-9A-Za-z]+', '_', found[0][1].checkpoint.name)}"
    told = {}
    for of, embedding in found:
        names = data.obs.index if of == "cells" else pd.Index(data.readouts)
        content = attached(content, key, embedding, of, names)
        told[f"{PLACE[of]}:{key}"] = provenance_of(content, f"{PLACE[of]}:{key}")
    return content, told


def attached(
    content: AnnData, key: str, embedding: Embedding, of: Axis, names: pd.Index
) -> AnnData:
    """A copy with the vectors as an entry of obsm or varm, NaN for genes without one.

    names: what the embedding calls each cell or gene of ``content``, in order. Raises DataError
    where the entry is there already or its name cannot be written.
    """
    if not re.fullmatch(r"[0-9A-Za-z_.-]+", key):
        raise DataError(f"{key!r} is no name of an entry; expected letters, digits, _ . -")
    where = content.obsm if of == "cells" else content.varm
    if key in where:
        raise DataError(f"{PLACE[of]} has {key!r} already; give the vectors another name (--key)")
    place = pd.Index(embedding.names).get_indexer(names)
    values = np.where((place >= 0)[:, None], embedding.values[place], np.nan)
    result = AnnData(
        content.X,
        content.obs,
        content.var,
        dict(content.uns),
        obsm=dict(content.obsm),
        varm=dict(content.varm),
        layers=dict(content.layers),
        obsp=dict(content.obsp),
        varp=dict(content.varp),
        raw=content.raw,
    )
    (result.obsm if of == "cells" else result.varm)[key] = values.astype(embedding.values.dtype)
    told = {
        "of": of,
        "dimensions": len(embedding.dimensions),
        "coverage": embedding.coverage,
        "missing": list(embedding.missing),
        "checkpoint": embedding.checkpoint,
    }
    text = canonical_json(told).decode()
    result.uns[UNS] = {**dict(content.uns.get(UNS, {})), f"{PLACE[of]}:{key}": text}
    return result


def provenance_of(content: AnnData, entry: str) -> dict[str, Any]:
    """What uns tells of ``obsm:KEY`` or ``varm:KEY``; empty where it tells nothing.

    Raises DataError where that is no JSON object.
    """
    known = content.uns.get(UNS, {})
    text = known.get(entry) if isinstance(known, Mapping) else None
    if text is None:
        return {}
    try:
        told = json.loads(str(text))
    except ValueError as error:
        raise DataError(f"uns[{UNS!r}][{entry!r}] is no JSON: {error}; embed anew") from error
    if not isinstance(told, dict):
        raise DataError(f"uns[{UNS!r}][{entry!r}] holds no object; embed anew")
    return told


def embedding_of(
    content: AnnData, entry: str, labels: pd.Series[Any] | None, file: str
) -> pd.DataFrame:
    """A feature table: of genes their vectors, of cells the mean of those with the same label.

    entry: ``varm:KEY`` or ``obsm:KEY``; labels: one of every gene or cell, None for the names of
    the genes. A gene or cell without a vector is left out. Raises DataError where there is no such
    entry or a label has two genes.
    """
    place, _, key = entry.partition(":")
    where = content.varm if place == "varm" else content.obsm
    if key not in where:
        raise DataError(f"{file} has no {entry}; its {place} has: {', '.join(where) or 'nothing'}")
    names = content.var_names if place == "varm" else content.obs_names
    values = np.asarray(where[key], np.float64)
    called = pd.Index(names if labels is None else labels, dtype=object)
    has_vector = np.isfinite(values).all(axis=1) & ~np.asarray(called.isna())
    index = called.astype(str)
    columns = [f"{key}_{i}" for i in range(values.shape[1])]
    table = pd.DataFrame(values[has_vector], index[has_vector], columns)
    if place == "obsm":
        return table.groupby(level=0, sort=True).mean()
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"{file}: two genes are called {twice!r} in {entry}; name another column")
    return table.set_axis(pd.Index(["+".join(components(name)) or name for name in table.index]))


def _dataset(content: AnnData, file: str, request: EmbeddingRequest) -> Dataset:
    """The values as a dataset without roles, its readouts called as the checkpoint calls genes."""
    obs = pd.DataFrame(index=content.obs_names.astype(str))
    rows = np.ones(content.n_obs, bool)
    part = matrix_part(content, rows, obs, (), file, request.layer)
    if request.gene_column:
        if request.gene_column not in part.var:
            raise DataError(
                f"{file}: var has no column {request.gene_column!r}; it has: "
                f"{', '.join(map(str, part.var.columns)) or 'none'}"
            )
        names = part.var[request.gene_column].astype(object)
        is_told = names.notna() & (names.astype(str) != "")
        part.var_names = pd.Index(np.where(is_told, names.astype(str), part.var_names))
    return Dataset(part, request.value_type)
