"""Every registered embedder keeps the rules of its contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cellula.core import registry
from cellula.core.run import RunContext, run_context
from cellula.models.learned.blocks.trainer import TrainOptions
from cellula.models.learned.pretraining import PretrainOptions, pretrain
from cellula.testing import EmbedderConformance
from checkpoint_example import ASKED, bert_checkpoint, cells, set_checkpoint, vector_file


def ranked(folder: Path) -> Path:
    bert_checkpoint(folder)
    return folder


def sets(folder: Path) -> Path:
    set_checkpoint(folder)
    return folder


def masked(folder: Path) -> Path:
    options = PretrainOptions(
        genes=8, width=8, tokens=6, heads=2, train=TrainOptions(epochs=1, batch=32)
    )
    pretrain(cells(), None, options, run_context(0, folder)).write(folder, name="toy")
    return folder


#: Name -> what writes a small checkpoint of its kind and tells where.
CHECKPOINTS: dict[str, Callable[[Path], Path]] = {
    "binned_value": sets,
    "masked_expression": masked,
    "precomputed": lambda folder: vector_file(folder, tuple(cells().obs.index)),
    "rank_value": ranked,
}


@pytest.mark.requirement("K1")
@pytest.mark.parametrize("name", registry.names("embedder"))
def test_embedder(name: str, tmp_path: Path, run: RunContext) -> None:
    if name not in CHECKPOINTS:
        pytest.fail(f"embedder {name!r} has no checkpoint here: write a small one of its kind")
    plugin, checkpoint = registry.load("embedder", name), CHECKPOINTS[name](tmp_path / "made")
    EmbedderConformance(plugin, checkpoint, cells(), ASKED).check(run)
    assert plugin.name == name


def test_vectors_of_genes_conform(tmp_path: Path, run: RunContext) -> None:
    checkpoint = vector_file(tmp_path, ASKED[1:])
    plugin = registry.load("embedder", "precomputed")
    EmbedderConformance(plugin, checkpoint, cells(), ASKED, {"of": "genes"}).check(run)
