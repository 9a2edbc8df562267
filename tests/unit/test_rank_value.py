"""Cells as ranked genes, read by our own BERT."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.learned.embedders.rank_value import RankValue, RankValueOptions
from checkpoint_example import ASKED, GENES, bert_checkpoint, cells


def opened(folder: Path, **options: Any) -> Any:
    return RankValue(RankValueOptions(**options)).open(folder)


@pytest.mark.requirement("K1")
@pytest.mark.parametrize("changed", [{}, {"hidden_act": "gelu", "layer_norm_eps": 1e-5}])
def test_hidden_states_equal_those_of_transformers(tmp_path: Path, changed: dict[str, Any]) -> None:
    reference = bert_checkpoint(tmp_path, **changed)
    network = opened(tmp_path).network
    ids = torch.randint(0, 14, (5, 10), generator=torch.Generator().manual_seed(3))
    is_there = torch.arange(10)[None, :] < torch.tensor([10, 7, 1, 4, 10])[:, None]
    with torch.no_grad():
        theirs = reference(ids, attention_mask=is_there.long(), output_hidden_states=True)
        ours = network(ids, is_there)
    assert len(ours) == len(theirs.hidden_states) == 3
    for one, other in zip(ours, theirs.hidden_states, strict=True):
        assert float((one - other)[is_there].abs().max()) < 1e-5
    assert float(ours[-1].abs().max()) > 0.1


@pytest.mark.requirement("K1")
@pytest.mark.parametrize("layer", [-1, -2])
def test_cells_equal_the_pooled_states_of_transformers(
    tmp_path: Path, run: RunContext, layer: int
) -> None:
    reference = bert_checkpoint(tmp_path)
    data = cells(20)
    found = opened(tmp_path, layer=layer).embed_cells(data, run)
    medians = json.loads((tmp_path / "medians.json").read_text())
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    for i, row in enumerate(data.dense()):
        ranked = sorted(
            (-row[j] / medians[gene], vocabulary[gene])
            for j, gene in enumerate(GENES)
            if row[j] > 0
        )
        ids = torch.tensor([[token for _, token in ranked][:10]])
        with torch.no_grad():
            states = reference(ids, output_hidden_states=True).hidden_states
        wanted = states[layer][0].mean(dim=0).numpy()
        assert np.abs(found.values[i] - wanted).max() < 1e-5
    assert found.coverage == pytest.approx(12 / 14)
    assert found.missing == ("STRANGE1", "STRANGE2")
    assert (found.checkpoint.name, found.checkpoint.license) == ("toy", "Apache-2.0")


def test_ends_are_read_and_not_pooled(tmp_path: Path, run: RunContext) -> None:
    reference = bert_checkpoint(tmp_path)
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    del vocabulary["<mask>"], vocabulary[GENES[11]]
    (tmp_path / "vocab.json").write_text(json.dumps({**vocabulary, "<cls>": 1, "<eos>": 13}))
    found = opened(tmp_path, layer=-1, max_length=4).embed_cells(cells(3), run)
    plain = opened(tmp_path, layer=-1, max_length=2)
    ids, _, is_gene = opened(tmp_path, max_length=4)._sentences(
        cells(3).dense()[:, :11], np.arange(2, 13)
    )
    assert ids.shape == (3, 4)
    assert (ids[:, 0] == 1).all()
    assert (ids[:, 3] == 13).all()
    assert is_gene.sum(dim=1).tolist() == [2, 2, 2]
    assert plain.options.max_length == 2
    medians = json.loads((tmp_path / "medians.json").read_text())
    weights = np.array([medians[gene] for gene in GENES[:11]])
    first = np.lexsort((np.arange(11), -cells(3).dense()[0, :11] / weights))[:2] + 2
    with torch.no_grad():
        states = reference(torch.tensor([[1, *first.tolist(), 13]])).last_hidden_state
    assert np.abs(found.values[0] - states[0, 1:3].mean(dim=0).numpy()).max() < 1e-5


def test_log_values_and_the_order_of_columns_do_not_matter(tmp_path: Path, run: RunContext) -> None:
    bert_checkpoint(tmp_path)
    embedder, data = opened(tmp_path), cells()
    whole = embedder.embed_cells(data, run)
    order = np.random.default_rng(5).permutation(len(ASKED))
    turned = replace(data, data=data.data[:, order].copy())
    assert np.array_equal(embedder.embed_cells(turned, run).values, whole.values)
    logs = data.data.copy()
    total = logs.X.sum(axis=1, keepdims=True)
    logs.X = np.log1p(logs.X / total * 1e4).astype(np.float64)
    in_logs = embedder.embed_cells(replace(data, data=logs, value_type=ValueType.LOG1P), run)
    assert np.allclose(in_logs.values, whole.values, atol=1e-5)


def test_genes_are_input_vectors(tmp_path: Path, run: RunContext) -> None:
    reference = bert_checkpoint(tmp_path)
    found = opened(tmp_path).embed_genes(["STRANGE1", GENES[3], GENES[1]], run)
    words = reference.get_input_embeddings().weight.detach().numpy()
    assert found.names == (GENES[3], GENES[1])
    assert np.array_equal(found.values, words[[5, 3]])
    assert found.table().shape == (2, 16)


def test_names_of_another_kind_are_told(tmp_path: Path, run: RunContext) -> None:
    bert_checkpoint(tmp_path)
    data = cells()
    data.data.var_names = [f"symbol{i}" for i in range(len(ASKED))]
    with pytest.raises(DataError, match=r"knows 0 of 14.*symbol0.*ENSG00.*--gene-column"):
        opened(tmp_path).embed_cells(data, run)


@pytest.mark.requirement("K1")
def test_low_coverage_is_refused_with_examples(tmp_path: Path, run: RunContext) -> None:
    bert_checkpoint(tmp_path)
    with pytest.raises(DataError, match=r"knows 12 of 14 genes \(86%.*at least 90%.*STRANGE1"):
        opened(tmp_path, min_coverage=0.9).embed_cells(cells(), run)


def test_bad_input_is_named(tmp_path: Path, run: RunContext) -> None:
    bert_checkpoint(tmp_path)
    data = cells()
    data.data.X[3] = 0
    with pytest.raises(DataError, match=r"'cell3' \(and 0 more"):
        opened(tmp_path).embed_cells(data, run)
    scores = replace(cells(), value_type=ValueType.Z_SCORE)
    with pytest.raises(DataError, match=r"embeds counts or log1p.*z_score"):
        opened(tmp_path).embed_cells(scores, run)
    with pytest.raises(DataError, match=r"layer is -9.*-3 to -1"):
        opened(tmp_path, layer=-9)
    (tmp_path / "medians.json").write_text(json.dumps({GENES[0]: 0.0}))
    with pytest.raises(DataError, match=r"median 0\.0"):
        opened(tmp_path)
