"""All that ``cellula simulate`` was asked, and what of it the command line names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import final

import typer

__all__ = ["SimulateRequest", "require_free"]


@final
@dataclass(frozen=True, slots=True)
class SimulateRequest:
    """The options by their names; None, "" or () where the command does not say."""

    context: typer.Context
    model: Path
    end: float | None
    points: int | None
    start: float
    out: Path | None
    engine: str | None
    cells: Path | None
    n_cells: int | None
    spread: tuple[str, ...]
    perturb: tuple[str, ...]
    pace: str | None
    amount: str
    concentration: str
    plot: Path | None
    show: str
    phase: str | None
    space: Path | None
    options: list[str]
    format: str | None
    seed: int
    threads: int
    batch: int | None
    scheduler: str | None
    sedml: Path | None
    cache: Path | None
    no_cache: bool
    force: bool
    as_json: bool

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that the command line gives."""
        told = ((name, self.context.get_parameter_source(name)) for name in self.context.params)
        return frozenset(name for name, source in told if source and source.name == "COMMANDLINE")

    def only(self, allowed: Collection[str], why: str) -> None:
        """Raise StudyError, naming the first, where an option is given that is not allowed."""
        from cellula.core.errors import StudyError

        if odd := sorted(self.given.difference(allowed, {"model"})):
            words = {one.name: one.opts[0] for one in self.context.command.params}
            raise StudyError(f"{why}; leave out {words.get(odd[0], odd[0])}")


def require_free(path: Path, is_replaced: bool) -> None:
    """Raise DataError where something is at a path; a file may be replaced."""
    from cellula.core.errors import DataError
    from cellula.io.presence import is_there

    if is_there(path) and (path.is_dir() or not is_replaced):
        raise DataError(f"{path} exists; replace a file with --force or name another")
