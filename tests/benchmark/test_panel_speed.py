"""CPU of the full panel at the size S: 20,000 cells, 2,000 genes, 100 perturbations.

Without the classifier, which is another order of magnitude. Printed, never asserted.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_perturbseq
from anndata import AnnData

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.run import run_context
from cellula.core.value_type import ValueType
from cellula.evaluation.panel import evaluate

WITHOUT = ("two_sample_auroc",)


def screen(size: str, seed: int) -> Dataset:
    """log1p of a synthetic screen."""
    found = synthetic_perturbseq.generate(synthetic_perturbseq.SIZES[size], seed=seed)
    labels = pd.Categorical.from_codes(found.labels, list(found.names))
    obs = pd.DataFrame({"perturbation": labels, "context": "line"})
    obs["is_control"] = found.labels == 0
    obs.index = [f"c{i}" for i in range(len(obs))]
    values = found.log1p()
    var = pd.DataFrame(index=[f"g{i}" for i in range(values.shape[1])])
    return Dataset(AnnData(values, obs=obs, var=var), ValueType.LOG1P)


@pytest.fixture(scope="module")
def pair() -> tuple[Dataset, Dataset]:
    """Two screens; numba has compiled all that the panel needs."""
    metrics = [name for name in registry.names("metric") if name not in WITHOUT]
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"perturbation": np.repeat(["control", "a", "b"], 40), "context": "line"})
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=[f"g{i}" for i in range(20)])
    small = Dataset(AnnData(rng.random((120, 20)), obs=obs, var=var), ValueType.LOG1P)
    evaluate(small, small, run_context(0, Path()), metrics=metrics)
    return screen("S", 0), screen("S", 1)


def test_full_panel(pair: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    real, predicted = pair
    metrics = [name for name in registry.names("metric") if name not in WITHOUT]
    began = time.process_time()
    panel = evaluate(real, predicted, run_context(0, tmp_path), metrics=metrics)
    total = time.process_time() - began
    print(
        f"\n{len(metrics)} metrics, 20,000 cells x 2,000 genes x 100: {total:.1f} s CPU, one thread"
    )
    assert len(panel.summary["metric"].unique()) == len(metrics) + 1
