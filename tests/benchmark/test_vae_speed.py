"""A variational autoencoder of counts beside scVI: the same cells, epochs, sizes and thread.

At the size S of the synthetic screen, a fifth of the cells held out. The evidence lower bound of a
held-out cell is in nats, by one draw of its state; ours is given the mean response as it is in
training. CPU seconds are of the whole fit, what it prepares included, in one process.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from synthetic_perturbseq import CONTROL, SIZES, generate

from cellula.core.dataset import Dataset
from cellula.core.run import run_context
from cellula.core.value_type import ValueType
from cellula.models.learned.nb_vae import NbVae, NbVaeOptions

EPOCHS, WIDTH, LATENT, BATCH = 5, 128, 16, 128


def parts() -> tuple[AnnData, AnnData]:
    """Training and held-out cells with raw counts."""
    cells = generate(SIZES["S"]).annotated("perturbation")
    cells.obs["is_control"] = (cells.obs["perturbation"] == CONTROL).to_numpy()
    is_held = np.random.default_rng(0).random(cells.n_obs) < 0.2
    return cells[~is_held].copy(), cells[is_held].copy()


def ours(train: AnnData, held: AnnData, scratch: Path) -> tuple[float, float]:
    """CPU seconds of the fit, mean evidence of a held-out cell."""
    options = {
        "width": WIDTH,
        "latent": LATENT,
        "cells": 0,
        "train": {"epochs": EPOCHS, "batch": BATCH, "learning_rate": 3e-3},
    }
    model, run = NbVae(NbVaeOptions.model_validate(options)), run_context(0, scratch)
    data = Dataset(train, ValueType.COUNTS)
    began = time.process_time()
    fitted = model.fit(data, None, run)
    seconds = time.process_time() - began
    return seconds, float(fitted.evidence(Dataset(held, ValueType.COUNTS), run).mean())


def theirs(scvi: Any, train: AnnData, held: AnnData) -> tuple[float, float]:
    """The same of scVI with the perturbation as its batch, at its own learning rate."""
    import torch

    torch.set_num_threads(1)
    scvi.settings.seed = 0
    began = time.process_time()
    scvi.model.SCVI.setup_anndata(train, batch_key="perturbation")
    model = scvi.model.SCVI(train, n_hidden=WIDTH, n_latent=LATENT, gene_likelihood="nb")
    model.train(
        max_epochs=EPOCHS,
        batch_size=BATCH,
        train_size=1.0,
        accelerator="cpu",
        plan_kwargs={"n_epochs_kl_warmup": EPOCHS // 2},
        enable_progress_bar=False,
        logger=False,
    )
    seconds = time.process_time() - began
    return seconds, float(model.get_elbo(held, return_mean=True))


@pytest.mark.filterwarnings("ignore")
def test_training_beside_scvi(tmp_path: Path) -> None:
    scvi = pytest.importorskip("scvi", reason="scvi-tools is not installed: extra bench")
    train, held = parts()
    own, bound = ours(train, held, tmp_path)
    peer, peer_bound = theirs(scvi, train, held)
    print(f"\nfit: {peer / own:.1f}x scVI ({own:.1f} s against {peer:.1f} s CPU)")
    print(f"evidence of a held-out cell: {bound:.1f} against {peer_bound:.1f} nats")
    assert bound >= peer_bound - 0.001 * abs(peer_bound)
