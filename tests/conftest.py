"""Options and fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core.run import RunContext, run_context


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", default="", help="folder of real data (see README, Tests)")


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of real data; skips with the reason where there is none."""
    given = request.config.getoption("--data")
    folder = Path(given) if given else None
    if folder is None or not (folder / "README.md").is_file():
        pytest.skip(f"no folder of real data at {given!r}: give one with make test DATA=FOLDER")
    return folder.resolve()


@pytest.fixture
def run(tmp_path: Path) -> RunContext:
    """A run context with seed 0 and one thread."""
    return run_context(0, tmp_path)
