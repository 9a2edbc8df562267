"""The cluster that a command was told of."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from cellula.core.run import Cluster

__all__ = ["Scheduler", "connected"]

Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help="tcp://... of a Dask scheduler that takes part of the work."),
]


def connected(address: str | None) -> AbstractContextManager[Cluster | None]:
    """The cluster of a Dask scheduler within the block; none without an address.

    Raises MissingExtra without the package, EngineError where nobody answers.
    """
    if address is None:
        return nullcontext()
    from cellula.core import registry

    found = registry.load("cluster", "dask").connected(address)
    return cast("AbstractContextManager[Cluster | None]", found)
