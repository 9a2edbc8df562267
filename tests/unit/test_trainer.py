"""The trainer: same bits, early stopping, a training that was killed, refit on all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cellula.core.errors import DataError, NotConverged
from cellula.core.run import RunContext, run_context
from cellula.models.learned.blocks import checkpoint, trainer
from cellula.models.learned.blocks.checkpoint import fingerprint
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.trainer import (
    History,
    Positions,
    Training,
    TrainOptions,
    fit_network,
    fit_then_refit,
)
from cellula.models.learned.blocks.weights import weights_of

Item = TypeVar("Item")
OPTIONS = TrainOptions(epochs=8, batch=16, learning_rate=1e-2)


def problem(n: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 5, generator=stream)
    return x, x[:, :1] * x[:, 1:2] + 0.1 * torch.randn(n, 1, generator=stream)


def training(*, n_valid: int = 16, inputs: str = "toy", dropout: float = 0.2) -> Training[Tensor]:
    """A small regression whose loss draws from both streams, with an error on its last rows."""
    x, y = problem()
    network = mlp((5, 16, 1), dropout=dropout)
    n = len(x) - n_valid

    def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
        noise = 0.05 * torch.randn(len(rows), 1, generator=generator)
        found: Tensor = ((network(x[rows]) - y[rows] - noise) ** 2).mean()
        return found

    def error() -> float:
        return float(((network(x[n:]) - y[n:]) ** 2).mean())

    return Training(network, loss, Positions(n, 16, 3), error if n_valid else None, inputs)


def fitted(
    one: Training[Tensor], scope: TorchScope, run: RunContext, options: TrainOptions = OPTIONS
) -> History[Tensor]:
    return fit_network(
        one.module, one.loss, one.batches, options, scope, run, error=one.error, inputs=one.inputs
    )


def trained(run: RunContext, options: TrainOptions = OPTIONS) -> tuple[dict[str, Any], Any]:
    with torch_scope(run, "toy") as scope:
        one = training()
        history = fitted(one, scope, run, options)
    return weights_of(one.module), history


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


class Stopped(Exception):
    """What stands for a kill inside the process."""


class StopsAfter:
    """A progress that ends the process's patience after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.seen, self.said = epochs, 0, []

    def say(self, message: str) -> None:
        self.said.append(message)

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        for item in items:
            if self.seen == self.epochs:
                raise Stopped
            self.seen += 1
            yield item


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every epoch."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)


def test_a_training_learns_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    options = TrainOptions(epochs=60, batch=16, learning_rate=2e-2, patience=5)
    with torch_scope(run_context(0, tmp_path), "toy") as scope:
        one = training(dropout=0.0)
        history = fitted(one, scope, run_context(0, tmp_path), options)
        assert one.error is not None
        with torch.no_grad():
            assert one.error() == min(history.valid) == history.valid[history.best]
    assert history.train[-1] < 0.5 * history.train[0]
    assert len(history.valid) in (history.best + 6, 60)
    assert not one.module.training


@pytest.mark.requirement("E5")
def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, _ = trained(run_context(0, tmp_path))
    again, _ = trained(run_context(0, tmp_path, threads=2))
    other, _ = trained(run_context(1, tmp_path))
    assert same(first, again)
    assert not same(first, other)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("killed_after", [1, 4, 7])
def test_a_training_goes_on_to_the_same_weights(tmp_path: Path, killed_after: int) -> None:
    run = run_context(0, tmp_path)
    whole, history = trained(run)
    progress = StopsAfter(killed_after)
    with pytest.raises(Stopped):
        trained(replace(run, progress=progress))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    told = StopsAfter(99)
    resumed, later = trained(replace(run, progress=told))
    assert told.said == [f"training goes on after {killed_after} of 8 epochs"]
    assert same(whole, resumed)
    assert history == later
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("at_once")
def test_what_a_checkpoint_leaves_out_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: an optimiser that begins anew reaches other weights."""
    run = run_context(0, tmp_path)
    whole, _ = trained(run)
    with pytest.raises(Stopped):
        trained(replace(run, progress=StopsAfter(4)))
    monkeypatch.setattr(torch.optim.AdamW, "load_state_dict", lambda *_: None)
    assert not same(whole, trained(run)[0])


@pytest.mark.usefixtures("at_once")
def test_another_training_does_not_find_the_checkpoint(tmp_path: Path) -> None:
    run = run_context(0, tmp_path)
    with pytest.raises(Stopped):
        trained(replace(run, progress=StopsAfter(4)))
    others = OPTIONS.model_copy(update={"learning_rate": 2e-2})
    progress = StopsAfter(99)
    trained(replace(run, progress=progress), others)
    trained(replace(run_context(5, tmp_path), progress=progress))
    with torch_scope(run, "toy") as scope:
        fitted(training(inputs="other data"), scope, replace(run, progress=progress))
        fitted(training(inputs=""), scope, replace(run, progress=progress))
    assert progress.said == []
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


@pytest.mark.usefixtures("at_once")
def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path) -> None:
    run = run_context(0, tmp_path)
    whole, _ = trained(run)
    with pytest.raises(Stopped):
        trained(replace(run, progress=StopsAfter(4)))
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    assert same(whole, trained(run)[0])


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cellula.models.learned.blocks import checkpoint
checkpoint.EVERY_S = 0.0
import test_trainer
from cellula.core.run import run_context
class Slow(test_trainer.StopsAfter):
    def track(self, items, label):
        for item in items:
            print(item, flush=True)
            yield item
weights, _ = test_trainer.trained(run_context(0, Path(sys.argv[2]), progress=Slow(99)))
"""


@pytest.mark.requirement("E5")
def test_a_killed_process_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole, _ = trained(run_context(0, tmp_path / "whole"))
    scratch = tmp_path / "scratch"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(scratch)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    moment = int(np.random.default_rng(os.getpid()).integers(1, 7))
    while int(process.stdout.readline()) < moment:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    written = list(scratch.rglob("*.safetensors"))
    told = StopsAfter(99)
    resumed, _ = trained(run_context(0, scratch, progress=told))
    assert len(written) == len(told.said) == 1, f"killed in epoch {moment}"
    assert same(whole, resumed)
    assert not list(scratch.rglob("*.safetensors"))


@pytest.mark.usefixtures("at_once")
def test_a_training_that_fails_leaves_nothing(tmp_path: Path) -> None:
    run = run_context(0, tmp_path)
    with torch_scope(run, "toy") as scope:
        one = training()
        wild = TrainOptions(epochs=8, learning_rate=1e30, clip=1e30)
        with pytest.raises(NotConverged, match=r"lower the learning rate .now 1e\+30"):
            fitted(one, scope, run, wild)
        with pytest.raises(NotConverged, match="validation error is nan in epoch 1"):
            fitted(replace(training(), error=lambda: float("nan")), scope, run)
        empty = replace(training(), batches=Positions(0, 16, 3))
        with pytest.raises(DataError, match="no treated cell"):
            fitted(empty, scope, run)
    assert not list(tmp_path.iterdir())


def test_refit_is_a_fresh_training_on_all_for_the_best_epochs(tmp_path: Path) -> None:
    run = run_context(0, tmp_path)
    options = TrainOptions(epochs=40, batch=16, learning_rate=2e-2, patience=3)
    with torch_scope(run, "toy") as scope:
        last, history = fit_then_refit(training, lambda: training(n_valid=0), options, scope, run)
    assert 0 < history.best < 39, "the toy is to stop early"
    with torch_scope(run, "toy") as scope:
        torch.manual_seed(scope.seed)
        one = training(n_valid=0)
        fit_network(one.module, one.loss, one.batches, options, scope, run, stop=history.best + 1)
    assert same(weights_of(last.module), weights_of(one.module))
    with torch_scope(run, "toy") as scope:
        _, alone = fit_then_refit(None, lambda: training(n_valid=0), OPTIONS, scope, run)
    assert len(alone.train) == 8


def test_a_tied_weight_is_written_twice(tmp_path: Path) -> None:
    left, right = nn.Linear(3, 3), nn.Linear(3, 3)
    right.weight = left.weight
    module = nn.Sequential(left, right)
    place = checkpoint.Checkpoint.of(tmp_path, "a")
    place.write(checkpoint.Snapshot(module.state_dict(), {"train": [0.1]}))
    found = place.read()
    assert found is not None
    assert found.meta["train"] == [0.1]
    assert torch.equal(found.tensors["1.weight"], left.weight)


def test_old_checkpoints_are_swept(tmp_path: Path) -> None:
    old, new = checkpoint.Checkpoint.of(tmp_path, "old"), checkpoint.Checkpoint.of(tmp_path, "new")
    snapshot = checkpoint.Snapshot({"w": torch.zeros(1)}, {})
    old.write(snapshot)
    assert old.path is not None
    os.utime(old.path, (0, 0))
    new.write(snapshot)
    assert old.read() is None
    assert new.read() is not None


def test_a_fingerprint_is_of_every_number() -> None:
    x = torch.arange(6.0)
    assert fingerprint(x, OPTIONS) == fingerprint(x.clone(), TrainOptions(**OPTIONS.model_dump()))
    assert fingerprint(x, OPTIONS) != fingerprint(x.reshape(2, 3), OPTIONS)
    assert fingerprint({"a": x}) != fingerprint({"b": x})
    assert fingerprint(Positions(3, 2, 1)) != fingerprint(Positions(3, 2, 2))
    with pytest.raises(DataError, match="name what it was made from"):
        fingerprint(nn.Linear(1, 1))


def test_positions_are_each_once_in_an_order_of_the_epoch() -> None:
    batches = Positions(10, 4, 1)
    one, two = (torch.cat(list(batches.epoch(number))) for number in (0, 1))
    assert sorted(one.tolist()) == sorted(two.tolist()) == list(range(10))
    assert not torch.equal(one, two)
    assert torch.equal(one, torch.cat(list(batches.epoch(0))))
    assert [len(batch) for batch in batches.epoch(3)] == [4, 4, 2]


def test_no_checkpoint_is_written_by_a_quick_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer.Checkpoint, "write", lambda *_: pytest.fail("it was quick"))
    trained(run_context(0, tmp_path))
