"""File formats in and out: one plug-in a format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, runtime_checkable

import pandas as pd
from anndata import AnnData

from cellula.core.combine_archive import CombineArchive
from cellula.core.experiment import Experiment
from cellula.core.logic import LogicNetwork, PerturbationTable, SignedGraph
from cellula.core.network import Network
from cellula.core.petab import PetabProblem
from cellula.core.physics import PhysicsProblem

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["Content", "Reader", "Writer"]

#: What files hold: matrices, tables, models, and what models are trained on.
Content: TypeAlias = (
    "AnnData | MuData | pd.DataFrame | Network | LogicNetwork | SignedGraph | PerturbationTable"
    " | PetabProblem | PhysicsProblem | Experiment | CombineArchive"
)


@runtime_checkable
class Reader(Protocol):
    """Reads one format and checks nothing but the format."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    def read(self, path: Path) -> Content:
        """The content of a file. Raises DataError, naming the file, on a damaged or wrong file."""


@runtime_checkable
class Writer(Protocol):
    """Writes one format; what it wrote, its reader reads back equal."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    def write(self, content: Content, path: Path) -> None:
        """Write atomically: after a failure the old file, or none, is there."""
