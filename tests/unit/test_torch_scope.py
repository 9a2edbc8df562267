"""Torch in a scope: streams of the run's own, one thread, everything as before afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.scope import generator_of, torch_scope
from cellula.models.learned.blocks.weights import load_weights, weights_of


def test_streams_are_of_the_run_and_the_key(run: RunContext) -> None:
    def drawn(*key: str) -> float:
        return float(torch.rand(1, generator=generator_of(run, *key)))

    assert drawn("a") == drawn("a") != drawn("b")
    with torch_scope(run, "a") as scope:
        first = float(torch.rand(1))
        assert scope.seed == scope.generator.initial_seed()
    with torch_scope(run, "a"):
        assert float(torch.rand(1)) == first


def test_all_is_as_it_was_before(run: RunContext) -> None:
    before = torch.random.get_rng_state(), torch.get_num_threads()
    is_strict = torch.are_deterministic_algorithms_enabled()

    def fail() -> None:
        with torch_scope(run, "a"):
            torch.rand(3)
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert torch.are_deterministic_algorithms_enabled() is is_strict


def test_scopes_on_threads_take_turns(run: RunContext) -> None:
    def first(key: int) -> list[float]:
        with torch_scope(run, key):
            return [float(torch.rand(1)) for _ in range(200)]

    alone = [first(key) for key in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(first, range(4))) == alone


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(run: RunContext, name: str) -> None:
    if name == "cuda:99" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with (
        pytest.raises(DataError, match=r"expected cpu, cuda|finds no GPU"),
        torch_scope(replace(run, device=name), "a"),
    ):
        pass


FIT = """
import sys, tempfile
from pathlib import Path
from cellula.core.canonical import hash_bytes
from cellula.core.registry import create
from cellula.core.run import run_context
from cellula.io.state import state_bytes
from cellula.testing.examples import single_cells
run = run_context(3, Path(tempfile.mkdtemp()), threads=int(sys.argv[1]))
model = create("model", "flow_matching", {"train": {"epochs": 3}})
print(hash_bytes(state_bytes(model.fit(single_cells(), None, run).state())))
"""


@pytest.mark.requirement("E5")
def test_two_processes_and_two_threads_fit_the_same_bytes() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", FIT, threads],
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(found) == 1


SPENT = """
import tempfile, time
from pathlib import Path
import numpy as np
from cellula.core.run import run_context
from cellula.models.learned.flow_matching import FlowMatching, FlowMatchingOptions
from cellula.testing.examples import single_cells
data = single_cells(n_cells=40, n_readouts=1000)
options = FlowMatchingOptions(width=256, train={"epochs": 4})
run = run_context(0, Path(tempfile.mkdtemp()), threads=2)
FlowMatching(options).fit(data, None, run)
all_threads, own = time.process_time(), time.thread_time()
FlowMatching(options).fit(data, None, run)
print((time.process_time() - all_threads) / (time.thread_time() - own))
"""


def test_a_fit_burns_no_thread_but_its_own() -> None:
    """On busy cores a second thread spins while it waits: what it costs would show here."""
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", SPENT],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 1.2


def test_layers_normalise_a_cell_by_itself() -> None:
    network = mlp((4, 8, 8, 2), dropout=0.1).eval()
    x = torch.randn(5, 4)
    assert not any(isinstance(part, nn.BatchNorm1d) for part in network.modules())
    with torch.no_grad():
        assert not torch.equal(network.train()(x), network.eval()(x))  # dropout
    with torch.no_grad():
        np.testing.assert_allclose(network(x)[2], network(x[2:3])[0], atol=1e-6)
    assert isinstance(mlp((4, 2))[0], nn.Linear)


def test_weights_go_and_come_back() -> None:
    one, two = mlp((3, 4, 1)), mlp((3, 4, 1))
    arrays = weights_of(one)
    load_weights(two, arrays)
    assert all(np.array_equal(arrays[name], array) for name, array in weights_of(two).items())
    arrays["weights.0.bias"] += 1  # copies: neither network moves with them
    assert not np.array_equal(arrays["weights.0.bias"], weights_of(one)["weights.0.bias"])
    with pytest.raises(DataError, match=r"'0\.weight' is an array of shape \(4, 3\)"):
        load_weights(mlp((5, 4, 1)), arrays)
    with pytest.raises(DataError, match=r"'0\.weight' is nothing"):
        load_weights(two, {})
