"""The format CellML 1.0, 1.1 and 2.0, as reader; needs the extra ``cellml``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from cellula.core.network import Network
from cellula.io.cellml.analysis import analysed
from cellula.io.cellml.network_in import network_in
from cellula.io.text_file import text_bytes

__all__ = ["CellMl"]


@final
class CellMl:
    """Reads CellML [clerx2020]_, plain or gzipped, through libcellml.

    Connected variables are one variable, ``component.variable``; the variable of integration is
    time. Annotations are left out.
    """

    name: ClassVar[str] = "cellml"
    suffixes: ClassVar[tuple[str, ...]] = (".cellml", ".cellml.gz")

    def read(self, path: Path) -> Network:
        """The network of a file; imports are looked for beside it.

        Raises DataError, naming the file and what libcellml says, where it is absent, is no
        CellML, does not determine its variables, or resets them.
        """
        return network_in(analysed(text_bytes(path), path.name, path.absolute().parent))
