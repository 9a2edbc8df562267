"""Cells as sets of genes with binned values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.models.learned.embedders.binned_value import (
    BinnedValue,
    BinnedValueOptions,
    binned,
)
from checkpoint_example import GENES, SETS, cells, set_checkpoint


def opened(folder: Path, **options: Any) -> Any:
    return BinnedValue(BinnedValueOptions(**options)).open(folder)


@pytest.mark.requirement("K1")
@pytest.mark.parametrize("prefix", ["in_proj_", "Wqkv."])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_cells_equal_those_of_torch_layers(
    tmp_path: Path, run: RunContext, prefix: str, pooling: str
) -> None:
    reference, front = set_checkpoint(tmp_path, prefix)
    data = cells(15)
    found = opened(tmp_path, pooling=pooling, is_normed=False).embed_cells(data, run)
    for i, row in enumerate(data.dense()[:, : len(GENES)]):
        there = np.flatnonzero(row > 0)
        bins = binned(row[there], 7)
        ids = torch.tensor([1, *(there + 3).tolist()])
        values = torch.tensor([-2.0, *bins.tolist()])[:, None]
        wide = torch.relu(
            values @ front["value_encoder.linear1.weight"].T + front["value_encoder.linear1.bias"]
        )
        narrow = wide @ front["value_encoder.linear2.weight"].T
        narrow = narrow + front["value_encoder.linear2.bias"]
        shown = functional.layer_norm(
            narrow, (16,), front["value_encoder.norm.weight"], front["value_encoder.norm.bias"]
        )
        genes = functional.layer_norm(
            front["encoder.embedding.weight"][ids],
            (16,),
            front["encoder.enc_norm.weight"],
            front["encoder.enc_norm.bias"],
        )
        with torch.no_grad():
            states = reference((genes + shown)[None])[0]
        wanted = states[0] if pooling == "cls" else states[1:].mean(dim=0)
        assert np.abs(found.values[i] - wanted.numpy()).max() < 1e-5


def test_bins_are_quantiles_of_the_cell() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    assert binned(values, 6).tolist() == [1, 2, 3, 4, 5]
    assert binned(values * 7, 6).tolist() == [1, 2, 3, 4, 5]
    assert binned(np.array([2.0, 2.0]), 6).tolist() == [5, 5]
    assert binned(values, 3).tolist() == [1, 1, 1, 1, 2]


def test_vectors_have_length_one_and_the_highest_values_are_read(
    tmp_path: Path, run: RunContext
) -> None:
    set_checkpoint(tmp_path)
    found = opened(tmp_path).embed_cells(cells(), run)
    assert np.allclose(np.linalg.norm(found.values, axis=1), 1, atol=1e-6)
    ids, shown, is_there = opened(tmp_path, max_length=4)._sets(
        np.array([[5.0, 0.0, 9.0, 1.0, 7.0]]), np.arange(3, 8)
    )
    assert ids.tolist() == [[1, 5, 7, 3]]
    assert shown[0, 0] == -2
    assert is_there.all()


def test_genes_are_normalised_input_vectors(tmp_path: Path, run: RunContext) -> None:
    _, front = set_checkpoint(tmp_path)
    found = opened(tmp_path).embed_genes([GENES[2], GENES[0]], run)
    wanted = functional.layer_norm(
        front["encoder.embedding.weight"],
        (16,),
        front["encoder.enc_norm.weight"],
        front["encoder.enc_norm.bias"],
    )
    assert np.allclose(found.values, wanted[[5, 3]].numpy(), atol=1e-6)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    set_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**SETS, "d_hid": 25}))
    with pytest.raises(DataError, match=r"'encoder.layers.0.wide.weight' has shape \(24, 16\)"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**SETS, "nlayers": 3}))
    with pytest.raises(DataError, match="lacks 16 of 57 weights"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**SETS, "nlayers": "two"}))
    with pytest.raises(DataError, match="nlayers is 'two'"):
        opened(tmp_path)


def test_batch_normalisation_is_refused(tmp_path: Path) -> None:
    set_checkpoint(tmp_path)
    weights = load_file(tmp_path / "w.safetensors")
    save_file({**weights, "bn.weight": torch.ones(16)}, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="depend on the other cells"):
        opened(tmp_path)
