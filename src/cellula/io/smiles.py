"""Structures of compounds as SMILES text: a ``.smi`` file, or a table with such a column."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import pandas as pd

from cellula.core.errors import DataError
from cellula.io.delimited import parse_table
from cellula.io.text_file import decoded, text_bytes

__all__ = ["STRUCTURE", "Smiles"]

#: The column of the structures, whatever the case of its letters in the file.
STRUCTURE = "smiles"
#: What a file of lines, not of a table, is called.
LINES = (".smi", ".smiles")


@final
class Smiles:
    """Reads structures [weininger1988]_ as a table with a column ``smiles`` of text.

    A ``.smi`` file has on every line a SMILES and behind white space a name, which becomes the
    column ``name``; a first line ``smiles name`` is a header. Any other file is delimited text with
    one column called smiles; its other columns stay as they are. Whether a text is a molecule is
    asked where molecules are made of it.
    """

    name: ClassVar[str] = "smiles"
    suffixes: ClassVar[tuple[str, ...]] = (".smi", ".smiles", ".smi.gz")

    def read(self, path: Path) -> pd.DataFrame:
        """One row a compound, in the order of the file; a missing structure is a missing value.

        Raises DataError, naming file and line, when the file is absent, empty or not text, a line
        has no name, or a table has no column of structures or two.
        """
        inner = path.name.removesuffix(".gz")
        raw = text_bytes(path)
        if inner.endswith(LINES):
            return _lines(decoded(raw, path.name), path.name)
        separator = {".csv": ",", ".tsv": "\t"}.get(Path(inner).suffix)
        table = parse_table(raw, path.name, separator)
        columns = [str(name) for name in table.columns if str(name).lower() == STRUCTURE]
        if len(columns) != 1:
            raise DataError(
                f"{path.name} has {len(columns)} columns called {STRUCTURE!r}; expected one, "
                f"beside {', '.join(map(str, table.columns[:8]))}: rename the column of structures"
            )
        return table.rename(columns={columns[0]: STRUCTURE})


def _lines(text: str, file: str) -> pd.DataFrame:
    rows: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        parts = line.split(maxsplit=1)
        if not parts or (not rows and parts[0].lower() == STRUCTURE):
            continue
        if len(parts) < 2:
            raise DataError(
                f"{file}, line {number}: {line.strip()!r} has no name; expected a SMILES, white "
                "space and a name"
            )
        rows.append((parts[1].strip(), parts[0]))
    if not rows:
        raise DataError(f"{file} holds no structure; expected lines of a SMILES and a name")
    return pd.DataFrame(rows, columns=["name", STRUCTURE], dtype=object)
