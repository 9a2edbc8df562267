"""Masked-expression pretraining: what it recovers, its checkpoint, its seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mudata
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
from cellula.models.learned.embedders.modalities import one_matrix
from cellula.models.learned.pretraining import PretrainOptions, pretrain

TRIPLES = 3


def triples(n: int, seed: int) -> Dataset:
    """log1p values of genes in threes: the third is high when one of the first two is, not both."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, size=(n, 2 * TRIPLES))
    third = bits[:, ::2] ^ bits[:, 1::2]
    values = np.concatenate([bits, third], axis=1) * 2.0 + 0.5
    return dataset(values + 0.05 * rng.random(values.shape))


def dataset(values: NDArray[np.float64], kind: ValueType = ValueType.LOG1P) -> Dataset:
    data = AnnData(values, pd.DataFrame(index=[f"c{i}" for i in range(len(values))]))
    data.var_names = [f"g{i}" for i in range(values.shape[1])]
    sources = Provenance(sources={"cells.h5ad": "a" * 64})
    return Dataset(data, kind, provenance=sources)


def small(**given: Any) -> PretrainOptions:
    base = {"width": 32, "heads": 2, "tokens": 9, "hidden": 0.2}
    train = {"epochs": 25, "batch": 50, "learning_rate": 4e-3}
    return PretrainOptions.model_validate({**base, "train": train, **given})


@pytest.mark.requirement("K12")
def test_attention_recovers_what_no_linear_network_can(tmp_path: Path, run: RunContext) -> None:
    train, test = (dataset(triples(n, n).dense()[:, [0, 1, 6]]) for n in (600, 200))
    truth = test.dense()[:, -1:]
    training = {"epochs": 30, "batch": 100, "learning_rate": 1e-2}
    unexplained = {}
    for layers in (2, 0):
        options = small(layers=layers, width=16, tokens=3, hidden=0.33, train=training)
        trained = pretrain(train, None, options, run)
        folder = tmp_path / f"{layers}"
        trained.write(folder, name="triples")
        opened = MaskedExpression(CheckpointOptions()).open(folder)
        told = opened.told(test, ["g2"], run)
        unexplained[layers] = float(((told - truth) ** 2).mean() / truth.var())

    assert unexplained[0] > 0.9
    assert unexplained[2] < 0.3


BRIEF = {"epochs": 2, "batch": 32}


def test_the_same_seed_gives_the_same_checkpoint(tmp_path: Path, run: RunContext) -> None:
    prints = set()
    for i, threads in enumerate((1, 2)):
        trained = pretrain(
            triples(80, 1), triples(20, 2), small(train=BRIEF), replace(run, threads=threads)
        )
        folder = tmp_path / f"{i}" / "made"
        trained.write(folder, name="triples", version="1", license="CC0-1.0")
        card = MaskedExpression(CheckpointOptions()).open(folder).checkpoint
        prints.add(card.fingerprint)
        assert 0 < trained.error < 3
    assert len(prints) == 1
    assert (card.name, card.version, card.license) == ("triples", "1", "CC0-1.0")
    assert card.trained_on == {"cells.h5ad": "a" * 64}
    other = pretrain(triples(80, 1), triples(20, 2), small(train=BRIEF), run.child("other"))
    other.write(tmp_path / "other" / "made", name="triples", version="1", license="CC0-1.0")
    opened = MaskedExpression(CheckpointOptions()).open(tmp_path / "other" / "made")
    assert opened.checkpoint.fingerprint not in prints


def test_the_most_variable_genes_are_read(tmp_path: Path, run: RunContext) -> None:
    data = triples(60, 1)
    values = data.dense()
    values[:, [0, 4]] = values[:, [0, 4]] / 100 + 1
    trained = pretrain(dataset(values), None, small(genes=7, train=BRIEF), run)
    assert trained.genes == ("g1", "g2", "g3", "g5", "g6", "g7", "g8")
    assert np.isnan(trained.error)
    assert np.allclose(trained.network.mean, values[:, [1, 2, 3, 5, 6, 7, 8]].mean(axis=0))
    trained.write(tmp_path, name="few")
    opened = MaskedExpression(CheckpointOptions(min_coverage=0.7)).open(tmp_path)
    genes = opened.embed_genes(["g5", "g1", "g0"][:2], run)
    assert np.array_equal(genes.values, trained.network.direction.weight.numpy()[[3, 0]])
    found = opened.embed_cells(data, run)
    assert found.missing == ("g0", "g4")
    order = np.random.default_rng(0).permutation(9)
    turned = replace(data, data=data.data[:, order].copy())
    assert np.allclose(opened.embed_cells(turned, run).values, found.values, atol=1e-5)


def test_counts_are_scaled_and_logged(tmp_path: Path, run: RunContext) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(4.0, size=(40, 9)) + 1.0
    logs = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    in_counts = dataset(counts, ValueType.COUNTS)
    trained = pretrain(in_counts, None, small(train=BRIEF), run)
    trained.write(tmp_path, name="counts")
    opened = MaskedExpression(CheckpointOptions()).open(tmp_path)
    one, two = (opened.embed_cells(data, run).values for data in (in_counts, dataset(logs)))
    assert np.allclose(one, two, atol=1e-5)
    assert np.allclose(trained.network.mean, logs.mean(axis=0), atol=1e-5)


def test_bad_input_is_told(tmp_path: Path, run: RunContext) -> None:
    with pytest.raises(DataError, match="5 cells; a pretraining needs at least 10"):
        pretrain(triples(5, 1), None, small(), run)
    with pytest.raises(ValidationError, match="width 10 is no multiple of heads 4"):
        PretrainOptions(width=10)
    few = replace(triples(30, 2), data=triples(30, 2).data[:, 1:].copy())
    with pytest.raises(DataError, match="validation cells lack 1 of 9 genes"):
        pretrain(triples(30, 1), few, small(), run)
    scores = replace(triples(30, 1), value_type=ValueType.Z_SCORE)
    with pytest.raises(DataError, match="embeds counts or log1p values and these are z_score"):
        pretrain(scores, None, small(), run)
    pretrain(triples(30, 1), None, small(train=BRIEF), run).write(tmp_path, name="t")
    opened = MaskedExpression(CheckpointOptions()).open(tmp_path)
    with pytest.raises(DataError, match="t does not know strange"):
        opened.told(triples(30, 1), ["strange"], run)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"heads": 2', '"heads": 3'))
    with pytest.raises(DataError, match="width 32 is no multiple of heads 3"):
        MaskedExpression(CheckpointOptions()).open(tmp_path)


@pytest.mark.requirement("K1")
def test_proteins_are_told_from_rna(tmp_path: Path, run: RunContext) -> None:
    rng = np.random.default_rng(4)
    states = rng.integers(0, 2, size=(400, 2))
    rates = np.exp(1.0 + 2.5 * states[:, [0, 1, 0, 1, 0, 1]])
    rates[:, 4:] = 100.0  # without them a cell of both states has the shares of one of none
    rna = AnnData(rng.poisson(rates).astype(np.float32) + np.float32(1))
    levels = np.exp(4.0 + 2.0 * states[:, :1] * [1, -1])
    protein = AnnData(rng.poisson(levels).astype(np.float32))
    rna.var_names, protein.var_names = [f"g{i}" for i in range(6)], ["CD3", "CD19"]
    for part in (rna, protein):
        part.obs_names = [f"c{i}" for i in range(400)]
    with mudata.set_options(pull_on_update=False):
        both = Dataset(mudata.MuData({"rna": rna, "protein": protein}), ValueType.COUNTS)
    train, test = both.take(np.arange(300)), both.take(np.arange(300, 400))
    brief = {"epochs": 25, "batch": 50, "learning_rate": 5e-3}
    options = small(width=16, layers=1, tokens=8, hidden=0.5, train=brief)
    pretrain(train, None, options, run).write(tmp_path, name="both")
    opened = MaskedExpression(CheckpointOptions()).open(tmp_path)
    told = opened.told(test.modality("rna"), ["CD19"], run)[:, 0]
    truth = one_matrix(test).dense()[:, 7]
    assert np.corrcoef(told, truth)[0, 1] > 0.9
    assert opened.embed_cells(test, run).coverage == 1
    assert opened.embed_cells(test.modality("rna"), run).coverage == 1
    with mudata.set_options(pull_on_update=False):
        ragged = mudata.MuData({"rna": rna, "protein": protein[:399].copy()})
    with pytest.raises(DataError, match="'protein' has 399 profiles"):
        one_matrix(replace(both, data=ragged))
