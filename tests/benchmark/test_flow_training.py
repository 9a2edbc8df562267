"""Training from disk: 100k cells x 2,000 genes in less than 1.5 GB, loading a small part of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_perturbseq import Size, law_of, write_store

pytest.importorskip("torch")

SIZE = Size(cells=100_000, genes=2_000, perturbations=200, controls=5_000)
#: In a process of its own, whose memory nothing else has touched.
FLOW = """
import json, sys, time
from pathlib import Path
from cellula.core.registry import create
from cellula.core.run import run_context
from cellula.data.data_source import DataSource
from cellula.data.stored import open_stored
from cellula.kernels.memory import peak_bytes
from cellula.models.learned.blocks import moving_fit, trainer

store, scratch = Path(sys.argv[1]), Path(sys.argv[2])
columns = {"perturbation": "perturbation", "control": "non-targeting"}
source = DataSource(path=str(store), role="profiles", value_type="log1p", columns=columns)
data = open_stored(source, Path(), scratch / "X")
began = time.process_time()
spent = []
fit_network = trainer.fit_network
def timed(*given, **named):
    start = time.process_time()
    found = fit_network(*given, **named)
    spent.append(time.process_time() - start)
    return found
moving_fit.fit_network = timed
create("model", "flow_matching", {"train": {"epochs": 10}}).fit(data, None, run_context(0, scratch))
whole = time.process_time() - began
print(json.dumps({"peak": peak_bytes(), "whole": whole, "training": sum(spent)}))
"""
#: A step of an encoder and decoder of all genes, fed from the disk by the block pool.
STEPS = """
import json, sys, time
from pathlib import Path
import torch
from cellula.core.run import run_context
from cellula.data.data_source import DataSource
from cellula.data.stored import open_stored
from cellula.kernels.memory import peak_bytes
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.stored_batches import StoredBatches
from cellula.models.learned.blocks.trainer import TrainOptions, fit_network

store, scratch = Path(sys.argv[1]), Path(sys.argv[2])
columns = {"perturbation": "perturbation", "control": "non-targeting"}
source = DataSource(path=str(store), role="profiles", value_type="log1p", columns=columns)
data = open_stored(source, Path(), scratch / "X")
loading = [0.0, 0]
class Timed:
    def epoch(self, number):
        batches = StoredBatches.of(data.values, 256, 0).epoch(number)
        while True:
            began = time.process_time()
            batch = next(batches, None)
            loading[0] += time.process_time() - began
            if batch is None:
                return
            loading[1] += len(batch.rows)
            yield batch
run = run_context(0, scratch)
with torch_scope(run, "bench") as scope:
    network = mlp((2000, 256, 50, 256, 2000))
    def loss(batch, generator):
        return ((network(batch.values) - batch.values) ** 2).mean()
    began = time.process_time()
    fit_network(network, loss, Timed(), TrainOptions(epochs=1), scope, run)
    whole = time.process_time() - began
told = {"peak": peak_bytes(), "whole": whole, "loading": loading[0], "cells": loading[1]}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "cells.zarr"
    write_store(path, law_of(SIZE))
    return path


def measured(script: str, store: Path, scratch: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", script, str(store), str(scratch)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_flow_matching_from_disk(store: Path, tmp_path: Path) -> None:
    found = measured(FLOW, store, tmp_path)
    reading = found["whole"] - found["training"]
    print(
        f"\nflow_matching, 10 epochs: peak {found['peak'] / 1e9:.2f} GB, {found['whole']:.1f} CPU "
        f"s; reading, components and coordinates {reading / found['whole']:.0%} of it"
    )
    assert found["training"] > 0
    assert found["peak"] < 1.5e9


def test_a_network_of_all_genes_from_disk(store: Path, tmp_path: Path) -> None:
    found = measured(STEPS, store, tmp_path)
    share = found["loading"] / found["whole"]
    print(
        f"\nall genes, 1 epoch: peak {found['peak'] / 1e9:.2f} GB, {found['whole']:.1f} CPU s, "
        f"loading {share:.0%} of a step, {found['cells'] / found['loading']:.0f} cells a CPU s"
    )
    assert found["peak"] < 1.5e9
    assert share < 0.2
