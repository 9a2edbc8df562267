"""A run killed at any moment: nothing is half-written, the ledger verifies, a new run completes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from forked import KILL
from ordeal import Ordeal, killed_after, sweep

from cellula.evidence.keys import signing_key

MOMENTS, WRITES = 3, 4


@pytest.fixture(scope="module", autouse=True)
def _swept(ordeal: Ordeal) -> Iterator[None]:
    """Others use the disk afterwards."""
    yield
    sweep(ordeal.forked.disk)


@pytest.mark.requirement("O2", "L12")
def test_a_run_killed_at_any_moment_completes_afterwards(ordeal: Ordeal) -> None:
    ordeal.begin_anew()
    moments = np.random.default_rng(0).uniform(0.0, 0.9, MOMENTS) * sum(ordeal.seconds)
    killed = [killed_after(ordeal, float(moment)) or ordeal.require_intact() for moment in moments]
    assert any(killed)
    ordeal.require_completes()


def test_a_command_killed_at_a_write_completes_afterwards(ordeal: Ordeal) -> None:
    register, run = ordeal.steps
    for at in np.linspace(0, ordeal.writes[0] - 1, WRITES, dtype=int):
        ordeal.begin_anew()
        assert ordeal.forked(*register, at=int(at), answer=KILL).code == KILL
        ordeal.require_intact()
    ordeal.forked(*register)
    for at in np.linspace(0, ordeal.writes[1] - 9, WRITES // 2, dtype=int):
        assert ordeal.forked(*run, at=int(at), answer=KILL).code == KILL
        ordeal.require_intact()
    ordeal.require_completes()


def test_a_key_is_there_whole_or_not_at_all(ordeal: Ordeal) -> None:
    home = ordeal.forked.disk / "keyless"
    register = ("register", ordeal.study, "--workspace", home / "w")
    folder = home / "cellula"
    for at in range(0, 14, 2):
        done = ordeal.forked(*register, at=at, answer=KILL, XDG_CONFIG_HOME=str(home))
        assert done.code == KILL
        if (folder / "key.pem").exists():
            signing_key(folder)
    assert ordeal.forked(*register, XDG_CONFIG_HOME=str(home)).code == 0
    made = signing_key(folder).public_hex
    assert (folder / "key.pub").read_text() == f"{made}\n"
