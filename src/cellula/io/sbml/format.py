"""The format SBML, Levels 1 to 3, as reader; needs the extra ``sbml``."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, ClassVar, final

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.io.atomic import write_atomically
from cellula.io.sbml.document import sbml_document
from cellula.io.sbml.logic_in import is_logic, logic_in
from cellula.io.sbml.network_in import network_in, source_of
from cellula.io.sbml.written import sbml_text
from cellula.io.sbml.written_logic import logic_text
from cellula.io.text_file import text_bytes

__all__ = ["Sbml", "network_of"]


@final
class Sbml:
    """Reads and writes SBML [keating2020]_, plain or gzipped, through libsbml [bornstein2008]_.

    Levels 1 to 3 are read, Level 3 is written. Of the packages, ``comp`` is put together into one
    model, ``fbc`` becomes the network's flux balance, and a model of ``qual`` is a logic network.
    Names (but those of reactions and logic components), notes and annotations are left out.
    """

    name: ClassVar[str] = "sbml"
    suffixes: ClassVar[tuple[str, ...]] = (".sbml", ".sbml.xml", ".sbml.gz")

    def read(self, path: Path) -> Network | LogicNetwork:
        """The network of a file.

        Raises DataError, naming file, line and element, where the file is absent, is no valid
        SBML, or holds what a network cannot say.
        """
        source = source_of(
            sbml_document(text_bytes(path), path.name, str(path.absolute())), path.name
        )
        return logic_in(source) if is_logic(source) else network_in(source)

    def write(self, content: Any, path: Path) -> None:
        """Write a network (:func:`~cellula.io.sbml.sbml_text`) or a logic network.

        Raises DataError on what is neither, or what SBML cannot say.
        """
        if isinstance(content, Network):
            text = sbml_text(content)
        elif isinstance(content, LogicNetwork):
            text = logic_text(content)
        else:
            raise DataError(f"SBML holds a network; found {type(content).__name__}")
        data = text.encode()
        write_atomically(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def network_of(text: str) -> Network:
    """The network of SBML text; raises DataError as :meth:`Sbml.read`, and on a logic model."""
    source = source_of(sbml_document(text.encode(), "SBML text"), "SBML text")
    if is_logic(source):
        raise DataError("SBML text holds a logic model; expected reactions: read it from a file")
    return network_in(source)
