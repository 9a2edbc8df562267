"""Signed graphs in the SIF of prior networks: source, sign, target."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

from cellula.core.errors import DataError
from cellula.core.logic import SignedEdge, SignedGraph
from cellula.io.atomic import write_atomically
from cellula.io.text_file import decoded, text_bytes

if TYPE_CHECKING:
    from cellula.core.reader import Content

__all__ = ["Sif"]

SIGNS = {"1": 1, "+1": 1, "-1": -1, "activates": 1, "inhibits": -1}
#: How CellNOpt calls its AND gates in a SIF.
GATE = re.compile(r"and\d+")


@final
class Sif:
    """Reads and writes lines of source, sign and target [saezrodriguez2009]_.

    They are separated by tabs, or by spaces where the line has no tab. The sign is 1 or -1, or
    ``activates`` or ``inhibits``; the third column may name several targets.
    """

    name: ClassVar[str] = "sif"
    suffixes: ClassVar[tuple[str, ...]] = (".sif",)

    def read(self, path: Path) -> SignedGraph:
        """The graph, its id the name of the file.

        Raises DataError, naming file and line, when the file is absent or not text, a line has no
        three parts or another sign, or an edge stands twice; and on a node ``and1``, which is a
        gate of CellNOpt: gates are not read, training makes its own.
        """
        edges: dict[SignedEdge, int] = {}
        for number, line in enumerate(decoded(text_bytes(path), path.name).splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            for edge in _edges(line, f"{path.name}, line {number}"):
                if edge in edges:
                    raise DataError(
                        f"{path.name}, line {number}: the edge from {edge.source!r} to "
                        f"{edge.target!r} is on line {edges[edge]} too; leave one out"
                    )
                edges[edge] = number
        if not edges:
            raise DataError(f"{path.name} holds no edge; expected lines of source, sign, target")
        return SignedGraph(path.name.removesuffix(".sif"), tuple(edges))

    def write(self, content: Content, path: Path) -> None:
        """Write a signed graph; DataError on anything else, or a name with a tab or line end."""
        if not isinstance(content, SignedGraph):
            raise DataError(f"{path.name}: SIF holds signed graphs, not {type(content).__name__}")
        for id in content.ids:
            if not id.strip() or id != " ".join(id.split()) or id.startswith("#"):
                raise DataError(f"{path.name}: {id!r} cannot be a name in SIF; rename the node")
        lines = (f"{edge.source}\t{edge.sign}\t{edge.target}\n" for edge in content.edges)
        write_atomically(path, "".join(lines).encode())


def _edges(line: str, place: str) -> list[SignedEdge]:
    parts = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
    if len(parts) < 3 or not all(parts):
        raise DataError(f"{place}: {line.strip()!r} is no source, sign and target")
    source, sign, *targets = parts
    if sign not in SIGNS:
        raise DataError(f"{place}: the sign is {sign!r}; expected one of {', '.join(SIGNS)}")
    for id in (source, *targets):
        if GATE.fullmatch(id):
            raise DataError(
                f"{place}: {id!r} is an AND gate of CellNOpt; leave gates out, training finds them"
            )
    return [SignedEdge(source, SIGNS[sign], target) for target in targets]
