"""Fifty kills at random moments, a full disk at every write, 2,000 entries by eight processes."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from commands import commands
from ordeal import Ordeal, killed_after, ordeal_on, parts, sweep

from cellula.evidence.keys import signing_key
from cellula.evidence.ledger import Ledger

MOMENTS, PROCESSES, EACH = 50, 8, 250
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ordeal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordeal]:
    """The toy on a disk of its own."""
    with ordeal_on(tmp_path_factory.mktemp("ordeal")) as made:
        yield made


def test_fifty_random_kills(ordeal: Ordeal) -> None:
    rng, n_killed = np.random.default_rng(1), 0
    for _ in range(MOMENTS):
        ordeal.begin_anew()
        n_killed += killed_after(ordeal, float(rng.uniform(0.0, 1.0)) * sum(ordeal.seconds))
        ordeal.require_intact()
        ordeal.require_completes()
    left = len(parts(ordeal.forked.disk))
    sweep(ordeal.forked.disk)
    print(f"\n{n_killed} of {MOMENTS} killed before the end; {left} temporary files left")
    assert n_killed >= MOMENTS // 2


@pytest.mark.parametrize("name", commands())
def test_a_full_disk_at_every_write(ordeal: Ordeal, name: str) -> None:
    command = commands()[name]
    total = command.prepare(ordeal)
    expected = command.contents(ordeal)
    for at in range(total):
        command.refuse(ordeal, at)
    command.require_completes(ordeal, total, expected)
    print(f"\n{name}: {total} writes, each refused once")


def append_many(folder: Path, name: int) -> int:
    ledger = Ledger(folder / "ledger.sqlite", signing_key(folder))
    for number in range(EACH):
        ledger.append("run", f"process {name}", {"number": number})
    return name


def test_eight_processes_append_two_thousand_entries(tmp_path: Path) -> None:
    began, spawn = time.monotonic(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        done = list(pool.map(append_many, [tmp_path] * PROCESSES, range(PROCESSES)))
    assert done == list(range(PROCESSES))
    ledger = Ledger(tmp_path / "ledger.sqlite", signing_key(tmp_path))
    entries = ledger.entries()
    assert [entry.seq for entry in entries] == list(range(1, PROCESSES * EACH + 1))
    assert len({(e.subject, e.payload["number"]) for e in entries}) == PROCESSES * EACH
    assert ledger.verify(head=ledger.head()) == []
    print(f"\n{len(entries)} entries by {PROCESSES} processes in {time.monotonic() - began:.1f} s")
