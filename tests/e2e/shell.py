"""The command line as a test calls it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core.errors import CellulaError


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs the command line in a folder with a home of its own."""

    folder: Path
    key_home: Path

    def __call__(self, *words: str, exit_code: int | None = 0) -> str:
        """The output; errors that the command line would print are in it."""
        result = CliRunner().invoke(app, [str(word) for word in words])
        output = result.output
        code = result.exit_code
        if isinstance(result.exception, CellulaError):
            output += f"cellula: {result.exception}"
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if exit_code is not None:
            assert code == exit_code, output
        return output
