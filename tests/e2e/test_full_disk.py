"""A disk that is full from any write on: one message, nothing broken, and the same bytes later."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import Command, commands
from forked import Forked
from ordeal import Ordeal, ordeal_on, parts, require_told

N_POINTS = 4
FULL = ("no space left", "run the same command again")


@pytest.fixture(scope="module")
def ordeal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordeal]:
    """The toy on a disk that can be full, registered and run."""
    with ordeal_on(tmp_path_factory.mktemp("full")) as made:
        yield made


@pytest.mark.requirement("O2", "L12")
@pytest.mark.parametrize("name", commands())
def test_a_full_disk_is_told_and_breaks_nothing(ordeal: Ordeal, name: str) -> None:
    command = commands()[name]
    total = command.prepare(ordeal)
    for at in sorted(set(np.linspace(0, total - 1, N_POINTS, dtype=int).tolist())):
        command.refuse(ordeal, at)
    command.require_completes(ordeal)


@pytest.mark.parametrize(
    "number", [errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO]
)
def test_whatever_refuses_is_one_message(ordeal: Ordeal, number: int) -> None:
    said = "no space left" if number == errno.EDQUOT else "cannot write"
    for name in ("register", "fit"):
        command = commands()[name]
        total = command.prepare(ordeal)
        for at in (0, total // 2):
            done = command.run(ordeal, at, number)
            require_told(done, "is intact", "run the same command again")
            assert said in done.err or "disk I/O error" in done.err, done.err
            ordeal.require_intact()


def test_standard_output_on_a_full_disk_is_one_message(ordeal: Ordeal) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, a device of Linux")
    done = ordeal.forked("plugins", out="/dev/full")
    require_told(done, "standard output", *FULL)


def test_the_disk_refuses(ordeal: Ordeal) -> None:
    """The disk of these tests does what it says: without it nothing above would be tried."""
    command: Command = commands()["fit"]
    forked: Forked = ordeal.forked
    total = command.prepare(ordeal)
    assert total > 10
    assert command.run(ordeal, total, errno.ENOSPC).code == 0
    assert command.run(ordeal, 0, errno.ENOSPC).code == 1
    assert not os.path.lexists(forked.disk / "fitted")
    assert parts(forked.disk) == []
