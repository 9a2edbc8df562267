"""The format SED-ML Level 1, Versions 1 to 4, as reader and writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

from cellula.core.errors import DataError
from cellula.core.experiment import Experiment
from cellula.io.atomic import write_atomically
from cellula.io.sedml.document import sedml_root
from cellula.io.sedml.experiment_in import experiment_in
from cellula.io.sedml.written import sedml_text
from cellula.io.text_file import text_bytes

__all__ = ["SedMl"]


@final
class SedMl:
    """Reads and writes SED-ML [waltemath2011]_.

    Of outputs, reports and two-dimensional plots are kept; styles and notes are left out. The
    models that it names are not read.
    """

    name: ClassVar[str] = "sedml"
    suffixes: ClassVar[tuple[str, ...]] = (".sedml",)

    def read(self, path: Path) -> Experiment:
        """The experiment of a file, its id the name of the file.

        Raises DataError, naming file and element, where the file is absent, is no valid SED-ML,
        or asks for what cannot be represented.
        """
        return experiment_in(sedml_root(text_bytes(path), path.name), path.stem)

    def write(self, content: Any, path: Path) -> None:
        """Write an experiment as Level 1 Version 4. Raises DataError on anything else."""
        if not isinstance(content, Experiment):
            raise DataError(f"SED-ML holds an experiment; found {type(content).__name__}")
        write_atomically(path, sedml_text(content).encode())
