"""How malformed input is tried: through the command line, in a folder that must stay as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core.errors import CellulaError
from cellula.testing.malformed import require_legible

__all__ = ["CODES", "attempt", "cases", "listing"]

#: Exit codes that a command may end with; 2 is wrong use of the command line.
CODES = {0, 1, 2, 3, 4, 5}
USUAL = 100


def cases(number: int) -> Callable[[Any], Any]:
    """So many cases, always the same; ``--hypothesis-profile=malformed-long`` tries ten times more.

    Every case is counted; the sum is printed at the end of a run.
    """
    usual = settings.default or settings()
    return settings(
        max_examples=number * usual.max_examples // USUAL,
        derandomize=usual.max_examples == USUAL,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def listing(folder: Path) -> dict[str, bytes]:
    """Every file and folder below a folder, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def attempt(folder: Path, words: Sequence[object], *names: str) -> int:
    """The exit code of a command, which ends well, or with a legible error and nothing written."""
    before = listing(folder)
    result = CliRunner().invoke(app, [str(word) for word in words])
    error = result.exception
    if isinstance(error, CellulaError):
        require_legible(error, *names)
        assert listing(folder) == before, "an error left something behind"
        return 1
    if error is not None and not isinstance(error, SystemExit):
        raise error
    assert result.exit_code in CODES, result.output
    return int(result.exit_code)
