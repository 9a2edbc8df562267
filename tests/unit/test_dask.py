"""The same evaluation on a cluster of worker processes, one of which dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
from response_example import responses
from test_stored import cells, require_same_bits, source, write_sharded

from cellula.core import registry
from cellula.core.errors import DataError, EngineError, MissingExtra
from cellula.core.run import run_context
from cellula.data.open import open_dataset
from cellula.data.stored import open_stored
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import Panel, evaluate
from cellula.io.state import state_bytes

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

METRICS = (
    "rmse",
    "pearson_delta",
    "e_distance",
    "energy_distance",
    "knn_precision",
    "mmd",
    "sinkhorn_divergence",
    "spearman",
    "wasserstein_per_gene",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two worker processes of one thread each on this machine, and nothing left of them."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        local_directory=str(tmp_path_factory.mktemp("workers")),
    ) as made:
        yield made


def connected(address: str) -> Any:
    return registry.load("cluster", "dask").connected(address)


def square(number: int) -> int:
    return number * number


def fails(number: int) -> int:
    raise DataError(f"item {number} is wrong")


@final
class Dying:
    """A cluster one of whose workers is killed, as by a power cut, after the third result."""

    def __init__(self, inner: Any, victim: int) -> None:
        self._inner = inner
        self._victim = victim
        self.is_dead = False

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        for number, result in enumerate(self._inner.map(function, items)):
            if number == 2 and not self.is_dead:
                os.kill(self._victim, signal.SIGKILL)
                self.is_dead = True
            yield result


@final
class Counting:
    """A cluster that counts what is done on it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.n_items = 0

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        for result in self._inner.map(function, items):
            self.n_items += 1
            yield result


def test_results_come_in_the_order_of_the_items(cluster: Any) -> None:
    with connected(cluster.scheduler_address) as mapped:
        assert list(mapped.map(square, range(20))) == [n * n for n in range(20)]
        assert list(mapped.map(square, [])) == []


def test_an_error_of_a_worker_is_the_error(cluster: Any) -> None:
    with (
        connected(cluster.scheduler_address) as mapped,
        pytest.raises(DataError, match="item 0 is wrong"),
    ):
        list(mapped.map(fails, range(3)))


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellula.engines.dask.PATIENCE_S", 0.5)
    with pytest.raises(EngineError, match="dask scheduler"), connected("tcp://127.0.0.1:1"):
        pass


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cellula.engines.dask", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra, match=r"pip install 'cellula\[cluster\]'"):
        registry.load("cluster", "dask")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Panel]:
    """Two sharded Zarr stores, and what one process finds in memory."""
    folder = tmp_path_factory.mktemp("stores")
    for name, seed in (("real", 1), ("pred", 2)):
        write_sharded(cells(seed), folder / f"{name}.zarr")
    real, told = (open_dataset([source(folder / f"{n}.zarr")], Path()) for n in ("real", "pred"))
    run = run_context(3, folder / "scratch")
    return folder, evaluate(real, as_predictions(told.treated), run, metrics=METRICS)


def evaluated(folder: Path, scratch: Path, cluster: Any) -> Panel:
    real, told = (
        open_stored(source(folder / f"{name}.zarr"), Path(), scratch / name)
        for name in ("real", "pred")
    )
    run = run_context(3, scratch, cluster=cluster)
    return evaluate(real, as_predictions(told.treated), run, metrics=METRICS)


@pytest.mark.requirement("D13")
def test_a_cluster_gives_the_bits_of_one_process(
    cluster: Any, local: tuple[Path, Panel], tmp_path: Path
) -> None:
    with connected(cluster.scheduler_address) as mapped:
        require_same_bits(local[1], evaluated(local[0], tmp_path, mapped))


@pytest.mark.requirement("D13")
def test_a_worker_that_is_killed_changes_nothing(
    cluster: Any, local: tuple[Path, Panel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellula.evaluation.shards.GROUPS_WITH_CELLS", 1)
    with (
        distributed.Client(cluster.scheduler_address, set_as_default=False) as client,
        connected(cluster.scheduler_address) as mapped,
    ):
        dying = Dying(mapped, next(iter(client.run(os.getpid).values())))
        require_same_bits(local[1], evaluated(local[0], tmp_path, dying))
        assert dying.is_dead


@pytest.mark.requirement("E11", "D13")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deep_ensemble", {"n_members": 3, "options": {"train": {"epochs": 2}}}),
        ("tuned", {"space": {"ridge": {"low": 0.01, "high": 100.0}}, "trials": 5, "at_once": 2}),
    ],
)
def test_members_and_settings_on_a_cluster_have_the_bits_of_one_process(
    cluster: Any, name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    data = responses(20, np.random.default_rng(0))
    is_valid = np.isin(np.asarray(data.labels("perturbation")), ("p0", "p1", "p2"))
    train, valid = data.take(~is_valid), data.take(is_valid)
    model = registry.create("model", name, options)
    with connected(cluster.scheduler_address) as mapped:
        counted = Counting(mapped)
        runs = [run_context(3, tmp_path), run_context(3, tmp_path, threads=2)]
        runs += [run_context(3, tmp_path, cluster=counted)]
        found = [state_bytes(model.fit(train, valid, one).state()) for one in runs]
    assert found[0] == found[1] == found[2]
    assert counted.n_items >= 3  # they were fitted there
