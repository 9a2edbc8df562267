"""Many questions to learned models, answered into a file as they come: memory stays small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

pytest.importorskip("torch")

GENES = 2_000
#: Questions of means; of populations of a few cells.
MEANS, POPULATIONS, FEW = 100_000, 5_000, 5
#: In a process of its own, whose memory nothing else has touched.
SCRIPT = f"""
import json, sys, time
from pathlib import Path
import numpy as np, pandas as pd
from anndata import AnnData
from cellula.core.dataset import Dataset
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import run_context
from cellula.core.value_type import ValueType
from cellula.io.prediction_file import write_predictions
from cellula.kernels.memory import peak_bytes

model, options, n, out = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
rng = np.random.default_rng(0)
labels = np.repeat(["control", *(f"drug{{i}}" for i in range(20))], 20)
is_control = labels == "control"
counts = rng.poisson(rng.gamma(0.5, 0.4, ({GENES},)), (len(labels), {GENES})).astype(float)
counts[:, 0] += 1
obs = pd.DataFrame(
    {{
        "perturbation": labels,
        "context": np.where(np.arange(len(labels)) % 2, "one", "two"),
        "dose_molar": np.where(is_control, 0.0, 10.0 ** rng.uniform(-8, -4, len(labels)).round(1)),
        "is_control": is_control,
    }},
    index=[f"cell{{i}}" for i in range(len(labels))],
)
values = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
data = AnnData(values, obs, pd.DataFrame(index=[f"gene{{i}}" for i in range({GENES})]))
data.layers["counts"] = counts
train = Dataset(data, ValueType.LOG1P)
queries = QueryTable.of(
    pd.Categorical.from_codes(rng.integers(20, size=n), [f"drug{{i}}" for i in range(20)]),
    pd.Categorical.from_codes(rng.integers(2, size=n), ["one", "two"]),
    dose_molar=10.0 ** rng.uniform(-8, -4, n),
)
run = run_context(0, out.parent)
fitted = create("model", model, options).fit(train, None, run)
before, began = peak_bytes(), time.process_time()
written = write_predictions(fitted.predict(queries, train.controls, run), out, {{}})
spent = time.process_time() - began
told = {{"before": before, "peak": peak_bytes(), "spent": spent, "queries": written.queries}}
print(json.dumps({{**told, "rows": written.rows}}))
"""


@pytest.mark.parametrize(
    ("model", "options", "n", "each"),
    [
        ("mlp_response", {"cells": 0, "train": {"epochs": 2}}, MEANS, 1),
        ("flow_matching", {"cells": FEW, "train": {"epochs": 2}}, POPULATIONS, FEW),
    ],
)
def test_answers_are_streamed(
    model: str, options: dict[str, object], n: int, each: int, tmp_path: Path
) -> None:
    out = tmp_path / "answers.h5ad"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, model, json.dumps(options), str(n), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(
        f"\n{model}: {n} questions x {GENES} genes, {each} rows each: peak "
        f"{found['peak'] / 1e9:.2f} GB ({found['before'] / 1e9:.2f} before the first), "
        f"{found['spent'] / n * 1e3:.2f} CPU ms a question"
    )
    assert found["queries"] == n
    assert found["rows"] == n * each
    with h5py.File(out) as written:
        assert len(written["obs"]["query"]) == n * each
    assert found["peak"] < 1e9
