"""A small study with known truth, for tests that go through the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from ordeal import Ordeal, ordeal_on
from shell import Shell
from toy_study import write_toy


@pytest.fixture
def shell(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """A shell in an empty folder whose keys are made in an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("fonts")))  # no file of ours
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, home)


@pytest.fixture(scope="session")
def ordeal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordeal]:
    """The toy on a disk that can be full, registered and run."""
    with ordeal_on(tmp_path_factory.mktemp("ordeal")) as made:
        yield made


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Path]:
    """Writes cells, features and a study file; gives the path of the study file."""
    return partial(write_toy, tmp_path)
