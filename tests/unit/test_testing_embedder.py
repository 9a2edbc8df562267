"""The embedder kit passes a correct toy and catches every fault planted in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pytest

from cellula.core.dataset import Dataset
from cellula.core.embedding import Checkpoint, Embedding
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.testing import EmbedderConformance, NotConformant
from checkpoint_example import ASKED, cells


class ToyOptions(Options):
    fault: str = ""


@final
@dataclass
class OpenedToy:
    """The first two genes of a cell; of a gene its number."""

    checkpoint: Checkpoint
    fault: str
    times: int = 0

    def embed_cells(self, data: Dataset, run: RunContext) -> Embedding:
        self.times += 1
        values = data.dense()[:, :2]
        if self.fault == "batch":
            values = values - values.mean(axis=0)
        if self.fault == "random":
            values = values + 1e-9 * self.times
        if self.fault == "changes":
            data.data.X[0] = 0
        names = list(data.obs.index)
        if self.fault == "order":
            names = names[::-1]
        missing = () if self.fault == "silent" else ("STRANGE1",)
        where = replace(self.checkpoint, version="9") if self.fault == "other" else self.checkpoint
        return Embedding(values, tuple(names), ("a", "b"), where, 0.5, missing)

    def embed_genes(self, genes: Sequence[str], run: RunContext) -> Embedding:
        known = [gene for gene in genes if gene.startswith("ENSG") or self.fault == "any"]
        if not known:
            raise DataError("no gene is known")
        values = np.array([[float(sum(map(ord, gene)))] for gene in known])
        if self.fault == "places":
            values = np.arange(len(known))[:, None].astype(float)
        missing = tuple(gene for gene in genes if gene not in known)
        coverage = len(known) / len(genes)
        return Embedding(values, tuple(known), ("a",), self.checkpoint, coverage, missing)


@final
class Toy:
    name: ClassVar[str] = "toy"
    options_type: ClassVar[type[Options]] = ToyOptions
    references: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: ToyOptions) -> None:
        self.options = options

    def open(self, path: Path) -> OpenedToy:
        if not path.exists() and self.options.fault != "anywhere":
            raise DataError(f"no folder {path}")
        kind = "another" if self.options.fault == "kind" else "toy"
        digest = "0" * 64
        return OpenedToy(Checkpoint(kind, "toy", "", "MIT", digest), self.options.fault)


def kit(folder: Path, fault: str = "") -> EmbedderConformance:
    genes = ("ENSG01", "STRANGE1", "ENSG07")
    return EmbedderConformance(Toy, folder, cells(9), genes, {"fault": fault})


def test_a_correct_embedder_passes(tmp_path: Path, run: RunContext) -> None:
    assert len(ASKED) == 14
    kit(tmp_path).check(run)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("batch", "does not depend on the other cells"),
        ("random", "the same bits"),
        ("changes", "left as it was"),
        ("order", "in order"),
        ("silent", "what is missing is named"),
        ("other", "where vectors are from"),
        ("any", "none is known"),
        ("places", "does not depend on the order"),
        ("anywhere", "not there"),
        ("kind", "names its kind"),
    ],
)
def test_a_planted_fault_is_caught(fault: str, rule: str, tmp_path: Path, run: RunContext) -> None:
    with pytest.raises(NotConformant, match=rule):
        kit(tmp_path, fault).check(run)


def test_an_embedding_is_checked() -> None:
    card = Checkpoint("toy", "toy", "", "MIT", "0" * 64)
    good = Embedding(np.ones((2, 1)), ("A", "B"), ("d",), card, 1.0)
    for wrong, message in (
        ({"values": np.ones((2, 2))}, r"shape \(2, 2\); expected \(2, 1\)"),
        ({"names": ("A", "A")}, "'A' occurs twice"),
        ({"values": np.array([[1.0], [np.nan]])}, "vector of 'B'.*not finite"),
        ({"coverage": 1.2}, "coverage is 1.2"),
    ):
        with pytest.raises(DataError, match=message):
            replace(good, **wrong)
    with pytest.raises(DataError, match="expected a SHA-256"):
        replace(card, fingerprint="none")
