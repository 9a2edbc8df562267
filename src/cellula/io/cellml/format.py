"""The format CellML 1.0, 1.1 and 2.0, as reader and writer; needs the extra ``cellml``."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, ClassVar, final

from cellula.core.errors import DataError
from cellula.core.network import Network
from cellula.io.atomic import write_atomically
from cellula.io.cellml.analysis import analysed
from cellula.io.cellml.form import cellml_form
from cellula.io.cellml.network_in import network_in
from cellula.io.cellml.written import cellml_text
from cellula.io.text_file import text_bytes

__all__ = ["CellMl"]


@final
class CellMl:
    """Reads CellML [clerx2020]_, plain or gzipped, through libcellml.

    Connected variables are one variable, ``component.variable``; the variable of integration is
    time. Annotations are left out. A network is written as CellML 2.0, as its equations.
    """

    name: ClassVar[str] = "cellml"
    suffixes: ClassVar[tuple[str, ...]] = (".cellml", ".cellml.gz")

    def read(self, path: Path) -> Network:
        """The network of a file; imports are looked for beside it.

        Raises DataError, naming the file and what libcellml says, where it is absent, is no
        CellML, does not determine its variables, or resets them so that no event means the same.
        """
        return network_in(analysed(text_bytes(path), path.name, path.absolute().parent))

    def write(self, content: Any, path: Path) -> None:
        """Write a network (:func:`~cellula.io.cellml.cellml_text`). DataError on anything else."""
        if not isinstance(content, Network):
            raise DataError(f"CellML holds a network; found {type(content).__name__}")
        data = cellml_text(content).encode()
        write_atomically(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)

    def form(self, content: Network) -> Network:
        """What the file will say of a network: its equations, and nothing of its reactions."""
        return cellml_form(content)
