"""Small checkpoints of every kind, and cells that fit them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from safetensors.torch import save_file
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType

GENES = tuple(f"ENSG{i:02d}" for i in range(12))
#: Genes of the cells; the checkpoints do not know the last two.
ASKED = (*GENES, "STRANGE1", "STRANGE2")
N_CELLS = 70  # more than one block
SOURCE = {"name": "toy", "version": "1.2", "license": "Apache-2.0", "citation": "Nobody 2026"}


def cells(n: int = N_CELLS) -> Dataset:
    """Counts with zeros of the genes above."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.7, 2.0, size=len(ASKED)), size=(n, len(ASKED)))
    counts[:, 0] += 1
    names = pd.Index([f"cell{i}" for i in range(n)])
    data = AnnData(counts.astype(np.float32), pd.DataFrame(index=names))
    data.var_names = pd.Index(ASKED)
    return Dataset(data, ValueType.COUNTS)


def write_json(folder: Path, **files: Any) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def bert_config(**changed: Any) -> dict[str, Any]:
    base = {
        "vocab_size": 2 + len(GENES),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 32,
        "max_position_embeddings": 10,
        "hidden_act": "relu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": 1e-12,
        "type_vocab_size": 2,
        "pad_token_id": 0,
    }
    return {**base, **changed}


def bert_checkpoint(folder: Path, **changed: Any) -> Any:
    """A BERT of the library transformers with random weights; the library's model."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = bert_config(**changed)
    model = BertModel(BertConfig(**config), add_pooling_layer=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    write_json(
        folder,
        config=config,
        vocab={"<pad>": 0, "<mask>": 1, **{gene: i + 2 for i, gene in enumerate(GENES)}},
        medians={gene: math.exp(i / 7) for i, gene in enumerate(GENES)},
        source=SOURCE,
    )
    weights = {f"bert.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    return model


SETS = {"embsize": 16, "nheads": 2, "d_hid": 24, "nlayers": 2, "n_bins": 7, "pad_value": -2}


def set_checkpoint(folder: Path, prefix: str = "in_proj_") -> tuple[Any, dict[str, Tensor]]:
    """A transformer of torch's own layers with random weights, and the layers in front of it."""
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 24, 0.0, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    front = {
        "encoder.embedding.weight": torch.randn(3 + len(GENES), 16),
        "encoder.enc_norm.weight": torch.rand(16) + 0.5,
        "encoder.enc_norm.bias": torch.randn(16),
        "value_encoder.linear1.weight": torch.randn(16, 1),
        "value_encoder.linear1.bias": torch.randn(16),
        "value_encoder.linear2.weight": torch.randn(16, 16) / 4,
        "value_encoder.linear2.bias": torch.randn(16),
        "value_encoder.norm.weight": torch.rand(16) + 0.5,
        "value_encoder.norm.bias": torch.randn(16),
    }
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    state = {
        f"transformer_encoder.{name}".replace("in_proj_", prefix): tensor
        for name, tensor in model.state_dict().items()
    }
    vocabulary = {"<pad>": 0, "<cls>": 1, "<eoc>": 2}
    vocabulary |= {gene: i + 3 for i, gene in enumerate(GENES)}
    write_json(folder, config=SETS, vocab=vocabulary, source=SOURCE)
    save_file({n: t.contiguous() for n, t in {**state, **front}.items()}, folder / "w.safetensors")
    return model, front


def vector_file(folder: Path, names: tuple[str, ...]) -> Path:
    """Vectors of names in ``vectors.npy``."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(2)
    np.save(folder / "vectors.npy", rng.normal(size=(len(names), 5)).astype(np.float32))
    (folder / "vectors.names.json").write_text(json.dumps(list(names)))
    write_json(folder, source=SOURCE)
    return folder / "vectors.npy"
