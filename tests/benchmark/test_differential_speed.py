"""Rank sums beside their peers: one run, one thread each, equal results; ratios are printed.

Run with one thread everywhere (``make bench``); the peers are the extra ``bench``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from synthetic_perturbseq import CONTROL, SIZES, Experiment, generate

from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.differential import DifferentialOptions, differential
from cellula.evaluation.differential.arms import arms_of
from cellula.evaluation.differential.ranks import ranks_in_memory

PEER = "a peer of the extra bench: pip install 'cellula[bench]'"
PERTURBATION = "perturbation"


@pytest.fixture(scope="module", params=["S", "M"])
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def experiment(size: str) -> Experiment:
    made = generate(SIZES[size])
    assert isinstance(made, Experiment)
    return made


def annotated(experiment: Experiment, kind: str) -> AnnData:
    matrix = experiment.log1p() if kind == "log1p" else experiment.counts
    names = np.array(experiment.names)[experiment.labels]
    obs = pd.DataFrame(
        {PERTURBATION: pd.Categorical(names)}, index=[f"c{k}" for k in range(len(names))]
    )
    return AnnData(
        matrix, obs=obs, var=pd.DataFrame(index=[f"g{k}" for k in range(matrix.shape[1])])
    )


def cpu_seconds(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The least CPU time of several calls."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        result = function()
        times.append(time.process_time() - began)
    return min(times), result


def our_ranks(data: AnnData, run: RunContext) -> tuple[Any, Any]:
    arms = arms_of(data.obs, PERTURBATION, CONTROL, None)
    u, p = ranks_in_memory((data.X.data, data.X.indices, data.X.indptr), data.n_vars, arms, run)
    return u[1:], p[1:]


@pytest.mark.parametrize("kind", ["log1p", "counts"])
def test_rank_sums_beside_illico(
    experiment: Experiment, size: str, kind: str, run: RunContext
) -> None:
    illico = pytest.importorskip("illico", reason=PEER)
    data = annotated(experiment, kind)
    our_ranks(data[:3000].copy(), run)
    ours, (u, p) = cpu_seconds(lambda: our_ranks(data, run), 5)

    def peer() -> Any:
        return illico.asymptotic_wilcoxon(
            data, is_log1p=kind == "log1p", group_keys=PERTURBATION, reference=CONTROL, n_threads=1
        )

    theirs, table = cpu_seconds(peer, 5 if size == "S" else 2)
    names = sorted(set(experiment.names) - {CONTROL})
    their_u, their_p = (
        table[column].unstack().loc[names, data.var_names].to_numpy()
        for column in ("statistic", "p_value")
    )
    np.testing.assert_array_equal(u, their_u)
    # the peer computes small p by an approximation that is off by 4e-4 in a few of 200,000
    np.testing.assert_allclose(p, their_p, rtol=1e-3)
    assert (np.abs(p - their_p) > 1e-9 * p).mean() < 1e-3
    per_value = ours / data.X.nnz * 1e9
    print(f"\nrank sums, {size} {kind}: {theirs / ours:.2f}x illico ({ours:.3f} s against ", end="")
    print(f"{theirs:.3f} s CPU; {per_value:.1f} ns a non-zero)")


GROWTH = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_differential_speed import annotated, cpu_seconds, our_ranks
from synthetic_perturbseq import SIZES, generate
from cellula.core.run import run_context
from cellula.kernels.memory import peak_bytes
run = run_context(0, Path(sys.argv[1]))
data = annotated(generate(SIZES[sys.argv[2]]), "log1p")
our_ranks(data[:3000].copy(), run)
import psutil
here, peak = psutil.Process().memory_info().rss, peak_bytes()
filler = bytearray(max(peak - here, 0))  # what was freed before may not hide what is taken now
filler[:: 4096] = b"x" * len(filler[:: 4096])
before = max(psutil.Process().memory_info().rss, peak_bytes())
seconds, (u, p) = cpu_seconds(lambda: our_ranks(data, run), 3)
print(peak_bytes() - before, u.nbytes + p.nbytes, seconds / data.X.nnz * 1e9)
"""


def test_memory_and_growth() -> None:
    """What rank sums take beside matrix and result, and what a non-zero costs from S to M."""
    per_value = {}
    for name in ("S", "M"):
        done = subprocess.run(
            [sys.executable, "-c", GROWTH, str(Path(__file__).parent), name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        taken, result, per_value[name] = map(float, done.stdout.split())
        print(f"\nrank sums, {name}: {taken / 1e6:.0f} MB beside the matrix, ", end="")
        print(f"{result / 1e6:.0f} MB of them U and p; {per_value[name]:.1f} ns a non-zero")
    print(f"a non-zero costs {per_value['M'] / per_value['S']:.2f} times as much at M as at S")


def test_differential_beside_pdex(experiment: Experiment, size: str, run: RunContext) -> None:
    peer = pytest.importorskip("pdex", reason=PEER)
    if size != "S":
        pytest.skip("pdex takes minutes at M")
    data = annotated(experiment, "log1p")
    options = DifferentialOptions(value_type=ValueType.LOG1P)

    def whole() -> pd.DataFrame:
        return differential(
            data, perturbation=PERTURBATION, control=CONTROL, options=options, run=run
        )

    whole()
    ours, table = cpu_seconds(whole, 5)

    def theirs_of() -> Any:
        return peer.pdex(
            data,
            groupby=PERTURBATION,
            mode="ref",
            reference=CONTROL,
            is_log1p=True,
            geometric_mean=False,
            threads=1,
        )

    theirs_of()
    theirs, frame = cpu_seconds(theirs_of, 2)
    other = frame.to_pandas().set_index(["target", "feature"])
    mine = table.set_index(["perturbation", "readout"])
    other = other.loc[mine.index]
    np.testing.assert_allclose(mine["p_value"], other["p_value"], rtol=1e-9)
    np.testing.assert_allclose(mine["mean"], other["target_mean"], rtol=1e-4)
    print(f"\ndifferential, {size}: {theirs / ours:.1f}x pdex ({ours:.2f} s, {theirs:.2f} s CPU)")


LARGE = """
import sys, time
from pathlib import Path
import anndata, numpy as np, pandas as pd, zarr
from cellula.core.run import run_context
from cellula.evaluation.differential import DifferentialOptions, differential
from cellula.kernels.memory import peak_bytes
group = zarr.open_group(sys.argv[1], mode="r")
data = anndata.AnnData(
    anndata.io.sparse_dataset(group["X"]),
    obs=anndata.io.read_elem(group["obs"]),
    var=anndata.io.read_elem(group["var"]),
)
began = time.process_time()
options = DifferentialOptions(value_type="counts", memory_gb=1.0)
table = differential(
    data, perturbation="perturbation", control="non-targeting", options=options,
    run=run_context(0, Path(sys.argv[1]).parent),
)
seconds = time.process_time() - began
print(len(table), int(table["p_value"].isna().sum()), seconds, peak_bytes())
"""


@pytest.mark.slow
def test_a_million_cells_on_a_disk(tmp_path: Path) -> None:
    """1,000,000 cells x 2,000 genes x 500 perturbations in less than 3 GB."""
    large_store(tmp_path / "large.zarr", batches=10, cells=100_000)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path / "large.zarr")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, without_p, seconds, peak = map(float, done.stdout.split())
    print(f"\n1,000,000 cells from a disk: {seconds:.0f} s CPU, {peak / 1e9:.2f} GB at most")
    assert (rows, without_p) == (500 * 2000, 0)
    assert peak < 3e9


def large_store(path: Path, batches: int, cells: int) -> None:
    """A sparse Zarr of some batches of an experiment, written batch after batch."""
    import anndata
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=2)
    labels = []
    for batch in range(batches):
        size = type(SIZES["S"])(cells, 2000, 500, cells // 20)
        made = generate(size, seed=1000 * batch)
        labels.append(made.labels)
        if batch == 0:
            anndata.io.write_elem(group, "X", made.counts)
        else:
            anndata.io.sparse_dataset(group["X"]).append(made.counts)
    names = np.array(made.names)[np.concatenate(labels)]
    obs = pd.DataFrame({PERTURBATION: pd.Categorical(names)})
    obs.index = obs.index.astype(str)
    anndata.io.write_elem(group, "obs", obs)
    anndata.io.write_elem(group, "var", pd.DataFrame(index=[f"g{k}" for k in range(2000)]))
