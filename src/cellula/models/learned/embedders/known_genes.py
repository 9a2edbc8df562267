"""The genes of a dataset that a checkpoint knows, and the values that it is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from cellula.core.dataset import Dataset, Matrix
from cellula.core.embedding import Checkpoint, Embedding
from cellula.core.errors import DataError
from cellula.core.matrix import dense
from cellula.core.model import Options
from cellula.core.value_type import ValueType

__all__ = [
    "CheckpointOptions",
    "ExpressedGenes",
    "KnownGenes",
    "embedding_of_rows",
    "in_blocks",
]

#: What the counts of a cell are scaled to.
PER = 1e4
#: Names shown as examples.
SHOWN = 5
#: Cells that are dense together; of the tokens of a block none is longer than the longest cell.
BLOCK = 64


class CheckpointOptions(Options):
    """What every embedder that reads genes may be told."""

    min_coverage: float = Field(default=0.5, ge=0, le=1)
    """The least share of the genes that a checkpoint must know."""


@final
@dataclass(frozen=True, slots=True)
class KnownGenes:
    """position: (known,) places among the names asked; token: (known,) of the checkpoint's
    vocabulary; coverage: known share of the names; missing: those that are not known.
    """

    position: NDArray[np.int64]
    token: NDArray[np.int64]
    coverage: float
    missing: tuple[str, ...]

    @classmethod
    def among(
        cls, names: Sequence[str], vocabulary: Mapping[str, int], least: float, what: str
    ) -> KnownGenes:
        """The names that a vocabulary has.

        what: the checkpoint as messages call it. Raises DataError, naming examples of both, where
        it has less than ``least`` of them, none at all, or a name is asked for twice.
        """
        index = pd.Index(list(names), dtype=object)
        if not index.is_unique:
            raise DataError(
                f"the gene {index[index.duplicated()][0]!r} occurs twice; name another column "
                "(--gene-column), or sum the columns of one gene first"
            )
        token = np.array([vocabulary.get(name, -1) for name in names], np.int64)
        position = np.flatnonzero(token >= 0)
        missing = tuple(str(names[i]) for i in np.flatnonzero(token < 0).tolist())
        coverage = len(position) / max(len(token), 1)
        if not len(position) or coverage < least:
            known = [gene for gene in vocabulary if not gene.startswith("<")]
            raise DataError(
                f"{what} knows {len(position)} of {len(token)} genes ({coverage:.0%}; at least "
                f"{least:.0%} is asked); it lacks e.g. {', '.join(missing[:SHOWN])} and knows e.g. "
                f"{', '.join(known[:SHOWN])}: are these the same kind of name? Call the readouts "
                "as it does (cellula data embed --gene-column), or lower min_coverage"
            )
        return cls(position, token[position], coverage, missing)


@final
@dataclass(frozen=True, slots=True)
class ExpressedGenes:
    """Non-negative values of the known genes of cells, counts where there are counts.

    matrix: (cells, readouts) as stored; is_log: whether it holds log(1 + x); known: which of its
    columns and their tokens; names: of the cells.
    """

    matrix: Matrix
    is_log: bool
    known: KnownGenes
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        data: Dataset,
        vocabulary: Mapping[str, int],
        options: CheckpointOptions,
        checkpoint: Checkpoint,
    ) -> ExpressedGenes:
        """Of a dataset of counts or log1p values; DataError on others or on strange names."""
        names = data.readouts
        what = f"the checkpoint {checkpoint.name!r}"
        known = KnownGenes.among(names, vocabulary, options.min_coverage, what)
        cells = tuple(data.obs.index.astype(str))
        if data.value_type is ValueType.COUNTS:
            return cls(data.values, False, known, cells)
        if data.counts is not None:
            return cls(data.counts, False, known, cells)
        if data.value_type is not ValueType.LOG1P:
            raise DataError(
                f"{what} embeds counts or log1p values and these are {data.value_type.value}; "
                "give the counts, or a layer 'counts' beside the values"
            )
        return cls(data.values, True, known, cells)

    def __len__(self) -> int:
        return len(self.names)

    def block(self, rows: slice) -> NDArray[np.float64]:
        """Values of the known genes: (cells, known). DataError where a cell has none at all."""
        values = dense(self.matrix[rows])[:, self.known.position]
        values = np.expm1(values) if self.is_log else values
        if len(empty := np.flatnonzero(values.max(axis=1, initial=0.0) <= 0)):
            name = self.names[(rows.start or 0) + empty[0]]
            raise DataError(
                f"the cell {name!r} (and {len(empty) - 1} more near it) has no count of any gene "
                "that the checkpoint knows; drop such cells first"
            )
        return np.asarray(values, np.float64)

    def log_block(self, rows: slice) -> NDArray[np.float64]:
        """log(1 + counts per 10,000 of the cell's readouts) of the known genes: (cells, known).

        Values that are logarithms are taken as they stand. DataError as :meth:`block`.
        """
        known = self.block(rows)
        if self.is_log:
            return np.asarray(np.log1p(known), np.float64)
        total = dense(self.matrix[rows]).sum(axis=1, keepdims=True)
        return np.asarray(np.log1p(known / total * PER), np.float64)

    def embedding(self, values: NDArray[np.float32], checkpoint: Checkpoint) -> Embedding:
        """The vectors (cells, dimensions) of these cells with their names and coverage."""
        known = self.known
        dimensions = _dimensions(checkpoint, values.shape[1])
        return Embedding(values, self.names, dimensions, checkpoint, known.coverage, known.missing)


def in_blocks(
    cells: ExpressedGenes, embed: Callable[[NDArray[np.float64]], Tensor]
) -> NDArray[np.float32]:
    """``embed`` of the values of blocks of cells, one below the other: (cells, dimensions)."""
    parts = [
        embed(cells.block(slice(start, start + BLOCK))).cpu().numpy().astype(np.float32)
        for start in range(0, len(cells), BLOCK)
    ]
    return np.concatenate(parts)


def embedding_of_rows(
    genes: Sequence[str],
    vocabulary: Mapping[str, int],
    rows: NDArray[Any],
    options: CheckpointOptions,
    checkpoint: Checkpoint,
) -> Embedding:
    """The genes whose vectors are the rows (tokens, dimensions) of a table of tokens."""
    what = f"the checkpoint {checkpoint.name!r}"
    known = KnownGenes.among(genes, vocabulary, options.min_coverage, what)
    if known.token.max() >= len(rows):
        raise DataError(
            f"{what} has {len(rows)} tokens and its vocabulary asks for {known.token.max()}; "
            "vocab.json belongs to other weights"
        )
    names = tuple(str(genes[i]) for i in known.position)
    dimensions = _dimensions(checkpoint, rows.shape[1])
    values = rows[known.token]
    return Embedding(values, names, dimensions, checkpoint, known.coverage, known.missing)


def _dimensions(checkpoint: Checkpoint, n: int) -> tuple[str, ...]:
    return tuple(f"{checkpoint.name}_{i}" for i in range(n))
