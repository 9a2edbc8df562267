"""What a run needs besides its data: randomness, threads, device, scratch, progress, cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar, final

import numpy as np

__all__ = [
    "Cluster",
    "Progress",
    "RunContext",
    "SilentProgress",
    "each",
    "elsewhere",
    "run_context",
]

Item = TypeVar("Item")
Made = TypeVar("Made")


class Progress(Protocol):
    """Where a run tells how far it is; the command line shows it, a test ignores it."""

    def say(self, message: str) -> None:
        """Tell one line."""

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        """Yield the items one by one, telling how many are done."""


class Cluster(Protocol):
    """Machines that map a function over items; results come in the order of the items."""

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        """Apply ``function`` to every item."""


@final
class SilentProgress:
    """A progress that says nothing."""

    def say(self, message: str) -> None:
        """Ignore the line."""

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        """Yield the items."""
        return iter(items)


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything a run needs besides its data; there are no globals.

    rng: the only source of randomness. threads: how many a kernel may use; results do not
    depend on it. device: ``"cpu"`` or a torch device. scratch: a folder that may be deleted
    after the run. cluster: None on one machine.
    """

    rng: np.random.Generator
    threads: int
    device: str
    scratch: Path
    progress: Progress
    cluster: Cluster | None

    @property
    def light(self) -> RunContext:
        """The same run as it travels to a worker: without what listens, and without the cluster."""
        return replace(self, progress=SilentProgress(), cluster=None)

    def child(self, *key: int | str) -> RunContext:
        """The same run with its own random stream, determined by this one's seed and ``key``.

        Streams of different keys are independent, and drawing from one never moves another:
        so the order in which models are fitted does not change a number.
        """
        numbers = [part if isinstance(part, int) else _number(part) for part in key]
        seed_sequence = self.rng.bit_generator.seed_seq
        entropy = getattr(seed_sequence, "entropy", 0)
        spawn_key = (*getattr(seed_sequence, "spawn_key", ()), *numbers)
        child = np.random.SeedSequence(entropy, spawn_key=spawn_key)
        return RunContext(
            np.random.default_rng(child),
            self.threads,
            self.device,
            self.scratch,
            self.progress,
            self.cluster,
        )


def each(
    function: Callable[[Item], Made], items: Sequence[Item], run: RunContext, label: str = ""
) -> Iterator[Made]:
    """Apply ``function`` to every item on the run's threads; results in the order of the items.

    The function must not depend on the others' turn: take randomness from :meth:`child`.
    label: told as progress where it is not "".
    """
    turns = run.progress.track(items, label) if label else iter(items)
    if run.threads == 1 or len(items) < 2:
        yield from map(function, turns)
        return
    with ThreadPoolExecutor(min(run.threads, len(items))) as pool:
        waiting = [pool.submit(function, item) for item in items]
        for _, future in zip(turns, waiting, strict=True):
            yield future.result()


@contextmanager
def elsewhere(run: RunContext) -> Iterator[RunContext]:
    """The run as a worker of a cluster has it, within the block.

    The same random stream; one thread, no cluster, nobody who listens, scratch of its own.
    """
    with TemporaryDirectory(prefix="cellula-") as scratch:
        yield replace(
            run, threads=1, cluster=None, progress=SilentProgress(), scratch=Path(scratch)
        )


def _number(text: str) -> int:
    """A stable 32-bit number of a text (FNV-1a)."""
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def run_context(
    seed: int,
    scratch: Path,
    *,
    threads: int = 1,
    device: str = "cpu",
    progress: Progress | None = None,
    cluster: Cluster | None = None,
) -> RunContext:
    """A run on one machine from a seed."""
    return RunContext(
        np.random.default_rng(seed), threads, device, scratch, progress or SilentProgress(), cluster
    )
