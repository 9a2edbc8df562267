"""The door of foundation models: cells and genes as vectors, and where the vectors come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.run import RunContext

__all__ = ["CellEmbedder", "Checkpoint", "Embedder", "Embedding", "GeneEmbedder"]

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The provenance of vectors: which weights, whose, under which terms.

    kind: the plug-in that read them; license: SPDX expression or ``"unknown"``; fingerprint:
    SHA-256 of weights, configuration and vocabulary; trained_on: SHA-256 by name of the files
    that the weights were trained on, as far as the checkpoint tells.
    """

    kind: str
    name: str
    version: str
    license: str
    fingerprint: str
    citation: str = ""
    trained_on: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not SHA256.fullmatch(self.fingerprint):
            raise DataError(
                f"the fingerprint of {self.name!r} is {self.fingerprint!r}; expected a SHA-256, "
                "64 hexadecimal digits"
            )


@dataclass(frozen=True, slots=True)
class Embedding:
    """Vectors of cells or of genes.

    values: (names, dimensions), finite float32 or float64; coverage: of cells, the share of the
    dataset's genes that the checkpoint knows, of genes or looked-up cells the share of those asked
    for; missing: the names of those that it does not know.

    Raises DataError where shapes differ, a name repeats or a number is not finite.
    """

    values: NDArray[Any]
    names: tuple[str, ...]
    dimensions: tuple[str, ...]
    checkpoint: Checkpoint
    coverage: float
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = len(self.names), len(self.dimensions)
        if self.values.shape != wanted:
            raise DataError(
                f"an embedding of {wanted[0]} names and {wanted[1]} dimensions holds an array of "
                f"shape {self.values.shape}; expected {wanted}"
            )
        for what, names in (("name", self.names), ("dimension", self.dimensions)):
            index = pd.Index(names)
            if not index.is_unique:
                raise DataError(
                    f"the {what} {index[index.duplicated()][0]!r} occurs twice in an embedding; "
                    "keep one"
                )
        wrong = np.flatnonzero(~np.isfinite(self.values).all(axis=1))
        if len(wrong):
            raise DataError(
                f"the vector of {self.names[wrong[0]]!r} (and of {len(wrong) - 1} more) has a "
                f"value that is not finite; the weights of {self.checkpoint.name!r} or the "
                "values of the data are damaged"
            )
        if not 0 <= self.coverage <= 1:
            raise DataError(f"coverage is {self.coverage}; expected a share from 0 to 1")

    def table(self) -> pd.DataFrame:
        """One row a name, one column a dimension: what ``context_features`` and
        ``perturbation_features`` take.
        """
        return pd.DataFrame(self.values, pd.Index(self.names), list(self.dimensions))


@runtime_checkable
class CellEmbedder(Protocol):
    """Something opened that gives a vector for every cell; immutable."""

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the vectors come from."""

    def embed_cells(self, data: Dataset, run: RunContext) -> Embedding:
        """The vectors of all profiles in their order; a vector depends on its own cell alone
        (up to the rounding of float32).

        Raises DataError, naming examples, where the checkpoint knows too few of the genes.
        """


@runtime_checkable
class GeneEmbedder(Protocol):
    """Something opened that gives a vector for every gene it knows; immutable."""

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the vectors come from."""

    def embed_genes(self, genes: Sequence[str], run: RunContext) -> Embedding:
        """The vectors of the genes that it knows, in the order asked; the others are missing.

        Raises DataError, naming examples, where it knows too few.
        """


@runtime_checkable
class Embedder(Protocol):
    """The plug-in: options in, and a checkpoint on this disk opened as vectors of cells or genes.

    ``references`` are keys of ``references.bib``.
    """

    name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    references: ClassVar[tuple[str, ...]]
    options: Any

    def __init__(self, options: Any) -> None: ...

    def open(self, path: Path) -> CellEmbedder | GeneEmbedder:
        """Read a checkpoint: a folder or file here, never a name to be fetched, never pickle.

        Raises DataError saying what is there, what was expected and how to convert it.
        """
