"""Models in files called ``.xml``: which format it is, the root element says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, final

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.io.text_file import text_bytes
from cellula.io.xml_root import xml_root

__all__ = ["XmlModel"]

#: (root element, beginning of its namespace) -> the reader that it is handed to.
READERS: Mapping[tuple[str, str], str] = {
    ("sbml", "http://www.sbml.org/sbml/"): "sbml",
    ("model", "http://www.cellml.org/cellml/"): "cellml",
}


@final
class XmlModel:
    """Reads ``.xml``, plain or gzipped, through the reader of what it holds."""

    name: ClassVar[str] = "xml_model"
    suffixes: ClassVar[tuple[str, ...]] = (".xml", ".xml.gz")

    def read(self, path: Path) -> Network | LogicNetwork:
        """The model of a file; raises DataError, naming the root element, on any other XML."""
        root = xml_root(text_bytes(path), path.name)
        for (tag, namespace), name in READERS.items():
            if root.tag == tag and root.namespace.startswith(namespace):
                found: Network | LogicNetwork = registry.load("reader", name)().read(path)
                return found
        raise DataError(
            f"{path.name}, line {root.line}: XML with the root <{root.tag}> of namespace "
            f"{root.namespace!r}; expected a model in SBML or CellML: name the format, or convert"
        )
