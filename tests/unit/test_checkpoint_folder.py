"""Checkpoints are safetensors and JSON on this disk; anything else is refused with a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cellula.core.errors import DataError
from cellula.models.learned.embedders.checkpoint_folder import CheckpointFolder
from checkpoint_example import SOURCE, bert_checkpoint, write_json


@pytest.mark.requirement("K1")
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt", "best_model.pt", "m.pkl"])
def test_pickle_is_refused_and_never_opened(tmp_path: Path, name: str) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "opened",)  # type: ignore[return-value]

    torch.save(Evil(), tmp_path / name)
    with pytest.raises(DataError, match=r"pickle.*never opened.*save_file.*json\.dump"):
        CheckpointFolder(tmp_path)
    with pytest.raises(DataError, match="pickle"):
        CheckpointFolder(tmp_path / name)
    assert not (tmp_path / "opened").exists()


def test_a_name_of_a_hub_is_no_path() -> None:
    with pytest.raises(DataError, match=r"'somebody/some-model'; a checkpoint is a path"):
        CheckpointFolder(Path("somebody/some-model"))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no weights.*found: nothing"):
        CheckpointFolder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    folder = CheckpointFolder(tmp_path)
    with pytest.raises(DataError, match="no file of safetensors"):
        folder.tensors()
    with pytest.raises(DataError, match=r"has no vocab\.json; found: model\.safetensors"):
        folder.vocabulary()
    (tmp_path / "tokens.pkl").write_bytes(b"")
    with pytest.raises(DataError, match=r"tokens\.pkl: pickle"):
        folder.vocabulary()
    write_json(tmp_path, vocab={"A": 1.5})
    with pytest.raises(DataError, match=r"'A' the token 1\.5"):
        folder.vocabulary()
    (tmp_path / "vocab.json").write_text("[1]")
    with pytest.raises(DataError, match="holds a list"):
        folder.vocabulary()


@pytest.mark.requirement("K1")
def test_the_fingerprint_is_that_of_weights_and_vocabulary(tmp_path: Path) -> None:
    bert_checkpoint(tmp_path)
    first = CheckpointFolder(tmp_path).card("rank_value")
    assert (first.name, first.version, first.license) == ("toy", "1.2", "Apache-2.0")
    (tmp_path / "README.md").write_text("words")
    assert CheckpointFolder(tmp_path).card("rank_value") == first
    medians = json.loads((tmp_path / "medians.json").read_text())
    write_json(tmp_path, medians={**medians, "ENSG00": 9.0})
    assert CheckpointFolder(tmp_path).card("rank_value").fingerprint != first.fingerprint


def test_the_source_is_checked(tmp_path: Path) -> None:
    bert_checkpoint(tmp_path)
    for wrong, message in (
        ({"licence": "MIT"}, "has 'licence'; it may have citation"),
        ({"license": "MIT or so"}, "SPDX"),
        ({"version": 2}, "every value is text"),
    ):
        write_json(tmp_path, source={**SOURCE, **wrong})
        with pytest.raises(DataError, match=message):
            CheckpointFolder(tmp_path).card("rank_value")
    (tmp_path / "source.json").unlink()
    found = CheckpointFolder(tmp_path).card("rank_value")
    assert (found.name, found.license) == (tmp_path.name, "unknown")
