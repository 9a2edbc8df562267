"""Vectors that another program made, looked up by the name of the cell or gene."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.dataset import Dataset
from cellula.core.embedding import Checkpoint, Embedding
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.io.digest import hash_source
from cellula.io.formats import read
from cellula.models.learned.embedders.card import (
    checkpoint_card,
    json_object,
    refuse_pickle,
    require_there,
)

__all__ = ["Precomputed", "PrecomputedOptions"]

SHOWN = 5


class PrecomputedOptions(Options):
    """Options of :class:`Precomputed`."""

    of: Literal["cells", "genes"] = "cells"
    """What the vectors are of."""
    key: str = ""
    """Of an annotated matrix the entry of obsm (cells) or varm (genes); "": X, a row a name."""
    label: str = ""
    """Of a table the column of names; "": the first column that is no number, else the index."""
    min_coverage: float = Field(default=0.5, ge=0, le=1)
    """The least share of the genes that must have a vector; of the cells every one must."""


@final
@dataclass(frozen=True, slots=True)
class Precomputed:
    """Vectors from a file of any program: scFoundation, State, UCE, a table of one's own.

    An annotated matrix (``.h5ad``, ``.zarr``) with the vectors in obsm, varm or X; a table
    (``.parquet``, ``.csv``) of a row a name; or ``NAME.npy`` beside ``NAME.names.json``, the list
    of its rows. ``source.json`` beside the file, or ``NAME.source.json``, tells name, version,
    license and citation.
    """

    options: PrecomputedOptions

    name: ClassVar[str] = "precomputed"
    options_type: ClassVar[type[Options]] = PrecomputedOptions
    references: ClassVar[tuple[str, ...]] = ()

    def open(self, path: Path) -> OpenedCells | OpenedGenes:
        """See :meth:`cellula.core.embedding.Embedder.open`."""
        require_there(path)
        refuse_pickle(path, [path])
        names, values = _vectors(path, self.options)
        checkpoint = checkpoint_card(self.name, path, hash_source(path), _told(path))
        opened = OpenedCells if self.options.of == "cells" else OpenedGenes
        return opened(self.options, checkpoint, names, values)


@final
@dataclass(frozen=True, slots=True)
class OpenedCells:
    """Vectors (cells, dimensions) by name."""

    options: PrecomputedOptions
    checkpoint: Checkpoint
    names: pd.Index
    values: NDArray[Any]

    def embed_cells(self, data: Dataset, run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.CellEmbedder.embed_cells`; every cell must be there."""
        return _looked_up(self, [str(name) for name in data.obs.index], 1.0, "cells")


@final
@dataclass(frozen=True, slots=True)
class OpenedGenes:
    """Vectors (genes, dimensions) by name."""

    options: PrecomputedOptions
    checkpoint: Checkpoint
    names: pd.Index
    values: NDArray[Any]

    def embed_genes(self, genes: Sequence[str], run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.GeneEmbedder.embed_genes`."""
        return _looked_up(self, genes, self.options.min_coverage, "genes")


def _looked_up(
    opened: OpenedCells | OpenedGenes, names: Sequence[str], least: float, what: str
) -> Embedding:
    place = opened.names.get_indexer(pd.Index(list(names), dtype=object))
    is_there = place >= 0
    missing = tuple(str(names[i]) for i in np.flatnonzero(~is_there).tolist())
    coverage = float(is_there.mean()) if len(place) else 0.0
    if not is_there.any() or coverage < least:
        raise DataError(
            f"{opened.checkpoint.name} has vectors of {int(is_there.sum())} of {len(place)} {what} "
            f"(at least {least:.0%} is asked); it lacks e.g. {', '.join(missing[:SHOWN])} and has "
            f"e.g. {', '.join(map(str, opened.names[:SHOWN]))}: are these the same kind of name?"
        )
    values = opened.values[place[is_there]]
    dimensions = tuple(f"{opened.checkpoint.name}_{i}" for i in range(values.shape[1]))
    kept = tuple(str(names[i]) for i in np.flatnonzero(is_there).tolist())
    return Embedding(values, kept, dimensions, opened.checkpoint, coverage, missing)


def _vectors(path: Path, options: PrecomputedOptions) -> tuple[pd.Index, NDArray[Any]]:
    """Names and vectors of a file. Raises DataError where they are not what was told."""
    if path.suffix == ".npy":
        values, names = _array(path), _array_names(path)
    else:
        content = read(path)
        if isinstance(content, AnnData):
            names, values = _annotated(content, path, options)
        elif isinstance(content, pd.DataFrame):
            names, values = _of_table(content, path, options.label)
        else:
            raise DataError(f"{path} holds a {type(content).__name__}, no vectors")
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise DataError(
            f"{path} holds {values.dtype} of shape {values.shape}; expected numbers, a row a name"
        )
    if len(names) != len(values):
        raise DataError(f"{path} has {len(values)} vectors and {len(names)} names; name every row")
    index = pd.Index([str(name) for name in names], dtype=object)
    if not index.is_unique:
        raise DataError(f"{path} has two vectors of {index[index.duplicated()][0]!r}; keep one")
    is_double = values.dtype == np.float64 or values.dtype.kind != "f"
    return index, values.astype(np.float64 if is_double else np.float32)


def _array(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} is no array of numbers ({error}); save it anew") from error


def _array_names(path: Path) -> Sequence[Any]:
    beside = path.with_suffix(".names.json")
    try:
        names = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"the names of the rows of {path.name} stand in {beside.name}, a JSON list of text, "
            f"and that cannot be read: {error}"
        ) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{beside} holds no list of text; expected the names of the rows")
    return names


def _annotated(
    content: AnnData, path: Path, options: PrecomputedOptions
) -> tuple[pd.Index, NDArray[Any]]:
    if not options.key:
        matrix = content.X.toarray() if hasattr(content.X, "toarray") else content.X
        return content.obs_names, np.asarray(matrix)
    where, names = (
        (content.obsm, content.obs_names)
        if options.of == "cells"
        else (content.varm, content.var_names)
    )
    if options.key not in where:
        kind = "obsm" if options.of == "cells" else "varm"
        raise DataError(
            f"{kind} of {path} has no {options.key!r}; it has: {', '.join(where) or 'nothing'}"
        )
    values = np.asarray(where[options.key])
    is_there = np.isfinite(values).all(axis=1) if values.dtype.kind == "f" else slice(None)
    return names[is_there], values[is_there]


def _of_table(table: pd.DataFrame, path: Path, label: str) -> tuple[Sequence[Any], NDArray[Any]]:
    if label and label not in table:
        raise DataError(f"{path} has no column {label!r}; it has: {', '.join(map(str, table))}")
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    column = label or (text[0] if text else None)
    if column is None:
        return list(table.index), table.to_numpy()
    if strange := [name for name in text if name != column]:
        raise DataError(f"{path}: column {strange[0]!r} holds text and is no dimension; drop it")
    return list(table[column]), table.drop(columns=[column]).to_numpy()


def _told(path: Path) -> dict[str, Any]:
    for beside in (path.with_suffix(".source.json"), path.parent / "source.json"):
        if beside.is_file():
            return json_object(beside)
    return {}
