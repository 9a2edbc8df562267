"""Gene sets in the tab-separated GMT format of MSigDB, Enrichr and WikiPathways."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import pandas as pd

from cellula.core.errors import DataError
from cellula.io.text_file import decoded, text_bytes

__all__ = ["Gmt"]


@final
class Gmt:
    """Reads a file of gene sets [subramanian2005]_, ``.gmt``, plain or gzipped, as a table.

    A line is the name of a set, its description (often an address or ``na``), and its genes,
    separated by tabs. An empty field is no gene, a gene that a set names twice is in it once, and
    a weight behind a comma (``TP53,1.0``, as Enrichr writes) is left out.
    """

    name: ClassVar[str] = "gmt"
    suffixes: ClassVar[tuple[str, ...]] = (".gmt", ".gmt.gz")

    def read(self, path: Path) -> pd.DataFrame:
        """One row a set and gene, columns set, description and gene, in the order of the file.

        Raises DataError, naming file and line, when the file is absent, cut short or not text, a
        line has no name or no gene, or two sets have one name.
        """
        lines = decoded(text_bytes(path), path.name).split("\n")
        rows: list[tuple[str, str, str]] = []
        first: dict[str, int] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, description, genes = _parsed(line, f"{path.name}, line {number}")
            if name in first:
                raise DataError(
                    f"{path.name}, line {number}: the set {name!r} is on line {first[name]} too; "
                    "give every set its own name"
                )
            first[name] = number
            rows += [(name, description, gene) for gene in genes]
        return pd.DataFrame(rows, columns=["set", "description", "gene"], dtype=object)


def _parsed(line: str, place: str) -> tuple[str, str, list[str]]:
    """Name, description and genes of a line; place: for a message."""
    name, *rest = (part.strip() for part in line.split("\t"))
    genes = [gene for part in rest[1:] if (gene := part.partition(",")[0].strip())]
    if not name or not genes:
        raise DataError(
            f"{place}: {len(rest)} tab(s) and {len(genes)} gene(s); expected name, description and "
            "at least one gene, separated by tabs: fetch the file again, or check what it is"
        )
    return name, rest[0], list(dict.fromkeys(genes))
