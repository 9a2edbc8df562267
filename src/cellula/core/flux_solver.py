"""Flux balance by name: a network with bounds and an objective -> fluxes."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from cellula.core.flux import Fluxes
from cellula.core.model import Options
from cellula.core.network import Network

__all__ = ["FluxSolver"]


@runtime_checkable
class FluxSolver(Protocol):
    """Solves the flux balance of a network.

    ``references`` are keys of ``references.bib``.
    """

    name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    references: ClassVar[tuple[str, ...]]
    options: Any

    def __init__(self, options: Any) -> None: ...

    def solve(self, network: Network) -> Fluxes:
        """Fluxes at which nothing piles up and the active objective is best.

        Raises DataError on a network without ``flux``. That no fluxes keep the bounds, or that
        the objective has no bound, is told by the status of what is returned.
        """
