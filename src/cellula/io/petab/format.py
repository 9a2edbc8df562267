"""The format PEtab as reader: a YAML, tables beside it and a model in SBML."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from cellula.core.errors import DataError
from cellula.core.network import Network
from cellula.core.petab import PetabProblem
from cellula.io.petab.document import petab_files
from cellula.io.petab.tables import conditions, measurements, observables, parameters
from cellula.io.sbml import Sbml

__all__ = ["Petab"]


@final
class Petab:
    """Reads the YAML of a PEtab problem, version 1 [schmiester2021]_, with the files it names.

    Priors, plots and the names of things are left out.
    """

    name: ClassVar[str] = "petab"
    suffixes: ClassVar[tuple[str, ...]] = (".yaml", ".yml")

    def read(self, path: Path) -> PetabProblem:
        """The problem, its id the name of the file.

        Raises DataError, naming the file, where one is absent, cut short or of another version,
        a table lacks a column or names what is not there, or the model is one of logic.
        """
        files = petab_files(path)
        network = Sbml().read(files.model)
        if not isinstance(network, Network):
            raise DataError(f"{path.name}: {files.model.name} is a logic model; expected reactions")
        return PetabProblem(
            path.stem,
            network,
            parameters(files.parameters),
            conditions(files.conditions),
            observables(files.observables, network.ids),
            measurements(files.measurements),
        )
