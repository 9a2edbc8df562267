"""The format SBML, Levels 1 to 3, as reader; needs the extra ``sbml``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from cellula.core.network import Network
from cellula.io.sbml.document import sbml_document
from cellula.io.sbml.network import network_in, source_of
from cellula.io.text_file import text_bytes

__all__ = ["Sbml", "network_of"]


@final
class Sbml:
    """Reads SBML Levels 1 to 3 [hucka2003]_, plain or gzipped, through libsbml.

    Of packages: ``comp`` is put together into one model. Names, notes and annotations are left out.
    """

    name: ClassVar[str] = "sbml"
    suffixes: ClassVar[tuple[str, ...]] = (".sbml", ".sbml.xml", ".sbml.gz")

    def read(self, path: Path) -> Network:
        """The network of a file.

        Raises DataError, naming file, line and element, where the file is absent, is no valid
        SBML, or holds what a network cannot say.
        """
        raw = text_bytes(path)
        document = sbml_document(raw, path.name, str(path.absolute()))
        return network_in(source_of(document, path.name))


def network_of(text: str) -> Network:
    """The network of SBML text; raises DataError as :meth:`Sbml.read`."""
    return network_in(source_of(sbml_document(text.encode(), "SBML text"), "SBML text"))
