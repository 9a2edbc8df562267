"""What foreign code writes past Python is thrown away, and nothing after it."""

from __future__ import annotations

import os

import pytest

from cellula.core.quiet import quiet_process


def noise() -> None:
    with quiet_process():
        os.write(1, b"noise\n")
        os.write(2, b"noise\n")
        raise KeyError


def test_descriptors_are_silent_and_come_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError):
        noise()
    os.write(1, b"word\n")
    assert capfd.readouterr() == ("word\n", "")
