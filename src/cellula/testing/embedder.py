"""The rules of :class:`~cellula.core.embedding.Embedder`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from cellula.core.dataset import Dataset
from cellula.core.embedding import CellEmbedder, Checkpoint, Embedder, Embedding, GeneEmbedder
from cellula.core.errors import DataError
from cellula.core.run import RunContext, run_context
from cellula.testing.rule import Rules

__all__ = ["EmbedderConformance"]

#: The rounding of float32: how far the other cells of a block may move a vector.
RTOL, ATOL = 1e-4, 1e-5
SEED = 7


@final
@dataclass(frozen=True, slots=True)
class EmbedderConformance:
    """Every rule that an embedder keeps, on a small checkpoint and cells that fit it.

    plugin: the class; checkpoint: a folder or file that it opens; data: cells of which it knows
    some genes; genes: names of which it knows some. options: by name, where its defaults do not
    do.
    """

    plugin: Any
    checkpoint: Path
    data: Dataset
    genes: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self, run: RunContext) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        rules, opened = self._rules(), self._open()
        is_cells, is_genes = isinstance(opened, CellEmbedder), isinstance(opened, GeneEmbedder)
        rules.require(is_cells or is_genes, "what it opens embeds cells, genes or both")
        self.check_checkpoint()
        if is_cells:
            self.check_cells(run)
        if is_genes:
            self.check_genes(run)

    def check_declaration(self) -> None:
        """Name, options and references are declared."""
        rules, embedder = self._rules(), self._embedder()
        rules.check_declaration(self.plugin, Embedder, embedder)
        rules.check_references(self.plugin)
        rules.check_options(self.plugin.options_type, embedder.options)

    def check_checkpoint(self) -> None:
        """The provenance is told, the same twice; a path that is not there is refused."""
        rules, opened = self._rules(), self._open()
        found = opened.checkpoint
        rules.require(isinstance(found, Checkpoint), "it tells its checkpoint", found)
        rules.require(found.kind == self.plugin.name, "the checkpoint names its kind", found.kind)
        rules.require(bool(found.name), "the checkpoint has a name")
        rules.require(self._open().checkpoint == found, "the same files, the same fingerprint")
        with rules.must_raise(DataError, "a path that is not there is a DataError"):
            self._embedder().open(self.checkpoint / "no such folder")

    def check_cells(self, run: RunContext) -> None:
        """A vector a cell in their order, the same bits again, whatever the other cells are."""
        rules, opened, data = self._rules(), self._open(), self.data
        with rules.leaves(data=data):
            whole = opened.embed_cells(data, _fresh(run))
        self._check_value(rules, whole)
        rules.require(
            list(whole.names) == list(data.obs.index.astype(str)), "one vector a cell, in order"
        )
        again = opened.embed_cells(data, replace(_fresh(run), threads=2))
        rules.check_same(
            "the same cells, the same bits, on any threads", whole.values, again.values
        )
        for rows in (np.arange(0, data.n_profiles, 3), np.arange(data.n_profiles)[::-1]):
            part = opened.embed_cells(data.take(rows), _fresh(run))
            rules.require(
                np.allclose(part.values, whole.values[rows], RTOL, ATOL),
                "a vector does not depend on the other cells",
            )

    def check_genes(self, run: RunContext) -> None:
        """A vector a known gene in their order; strangers are missing, or all refused."""
        rules, opened = self._rules(), self._open()
        found = opened.embed_genes(self.genes, _fresh(run))
        self._check_value(rules, found)
        known = [gene for gene in self.genes if gene not in set(found.missing)]
        rules.require(list(found.names) == known, "one vector a known gene, in order")
        backwards = opened.embed_genes(self.genes[::-1], _fresh(run))
        rules.check_same(
            "a vector does not depend on the order", found.values, backwards.values[::-1]
        )
        with rules.must_raise(DataError, "genes of which none is known are a DataError"):
            opened.embed_genes(["never_seen_gene", "nor_this"], _fresh(run))

    def _check_value(self, rules: Rules, found: object) -> None:
        if not isinstance(found, Embedding):
            rules.require(False, "it gives an Embedding", type(found).__name__)
            return
        rules.require(
            found.checkpoint == self._open().checkpoint, "it tells where vectors are from"
        )
        rules.require(found.coverage > 0, "it tells how much it knows", found.coverage)
        rules.require((found.coverage < 1) == bool(found.missing), "what is missing is named")

    def _rules(self) -> Rules:
        return Rules(f"embedder {getattr(self.plugin, 'name', self.plugin)!r}")

    def _embedder(self) -> Any:
        return self.plugin(self.plugin.options_type(**self.options))

    def _open(self) -> Any:
        return self._embedder().open(self.checkpoint)


def _fresh(run: RunContext) -> RunContext:
    return run_context(SEED, run.scratch)
