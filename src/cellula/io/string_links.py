"""STRING's tables of protein links: fields separated by one space."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import pandas as pd

from cellula.core.errors import DataError
from cellula.io.delimited import parse_table
from cellula.io.text_file import text_bytes

__all__ = ["StringLinks"]

#: The columns that all of STRING's tables of links begin with.
ENDS = ("protein1", "protein2")


@final
class StringLinks:
    """Reads ``9606.protein.links.v12.0.txt.gz`` and its like, plain or gzipped, as a table.

    The first line names the columns ``protein1 protein2 ... combined_score``. The name of such a
    file does not tell its format (say ``format = "string_links"``), save where it ends in
    ``.protein.links.txt`` or ``.protein.links.txt.gz``.
    """

    name: ClassVar[str] = "string_links"
    suffixes: ClassVar[tuple[str, ...]] = (".protein.links.txt", ".protein.links.txt.gz")

    def read(self, path: Path) -> pd.DataFrame:
        """One row a link, proteins as text, scores as numbers.

        Raises DataError, naming the file, when it is absent, cut short, ragged or does not begin
        with the columns protein1 and protein2.
        """
        table = parse_table(text_bytes(path), path.name, " ", text=ENDS)
        if tuple(table.columns[:2]) != ENDS:
            found = ", ".join(map(str, table.columns[:3]))
            raise DataError(
                f"{path.name} is no table of STRING's links: it begins with {found}, expected "
                f"{', '.join(ENDS)}; a table of commas or tabs has the format 'delimited'"
            )
        return table
