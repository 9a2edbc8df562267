"""Masked-expression pretraining: what it recovers, its checkpoint, its seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import ValidationError

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.learned.embedders.known_genes import CheckpointOptions
from cellula.models.learned.embedders.masked_expression import MaskedExpression
from cellula.models.learned.pretraining import PretrainOptions, pretrain

TRIPLES = 3


def triples(n: int, seed: int) -> Dataset:
    """log1p values of genes in threes: the third is high when one of the first two is, not both."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, size=(n, 2 * TRIPLES))
    third = bits[:, ::2] ^ bits[:, 1::2]
    values = np.concatenate([bits, third], axis=1) * 2.0 + 0.5
    return dataset(values + 0.05 * rng.random(values.shape))


def dataset(values: NDArray[np.float64]) -> Dataset:
    data = AnnData(values, pd.DataFrame(index=[f"c{i}" for i in range(len(values))]))
    data.var_names = [f"g{i}" for i in range(values.shape[1])]
    sources = Provenance(sources={"cells.h5ad": "a" * 64})
    return Dataset(data, ValueType.LOG1P, provenance=sources)


def small(**given: Any) -> PretrainOptions:
    base = {"width": 32, "heads": 2, "tokens": 9, "hidden": 0.2}
    train = {"epochs": 25, "batch": 64, "learning_rate": 4e-3}
    return PretrainOptions.model_validate({**base, "train": train, **given})


@pytest.mark.requirement("K12")
def test_attention_recovers_what_no_linear_network_can(tmp_path: Path, run: RunContext) -> None:
    train, test = triples(1500, 1), triples(200, 2)
    hidden = [f"g{2 * TRIPLES + i}" for i in range(TRIPLES)]
    truth = test.dense()[:, -TRIPLES:]
    unexplained = {}
    for layers in (2, 0):
        trained = pretrain(train, None, small(layers=layers), run)
        folder = tmp_path / f"{layers}"
        trained.write(folder, name="triples")
        opened = MaskedExpression(CheckpointOptions()).open(folder)
        told = opened.told(test, hidden, run)
        unexplained[layers] = float(((told - truth) ** 2).mean() / truth.var())
    assert unexplained[0] > 0.9
    assert unexplained[2] < 0.3
