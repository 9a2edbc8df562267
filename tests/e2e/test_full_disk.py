"""A disk that is full from any write on: one message, nothing broken, and the same bytes later."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from commands import Command, commands
from forked import Forked
from ordeal import Ordeal, parts, require_told

#: Writes that pass where it does not matter which one is refused: before the last one.
MIDDLE = {"register": 50, "fit": 8}
FULL = ("no space left", "run the same command again")


@pytest.mark.requirement("O2", "L12")
@pytest.mark.parametrize("name", commands())
def test_a_full_disk_is_told_and_breaks_nothing(ordeal: Ordeal, name: str) -> None:
    command = commands()[name]
    total = command.prepare(ordeal)
    expected = command.contents(ordeal)
    for at in (0, total - 1):
        command.refuse(ordeal, at)
    command.require_completes(ordeal, total, expected)


@pytest.mark.parametrize(
    "number", [errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO]
)
def test_whatever_refuses_is_one_message(ordeal: Ordeal, number: int) -> None:
    said = "no space left" if number == errno.EDQUOT else "cannot write"
    for name in MIDDLE:
        command = commands()[name]
        done = command.run(ordeal, MIDDLE[name], number)
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
