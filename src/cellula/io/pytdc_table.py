"""Therapeutics Data Commons (PyTDC) tables: entities by id and sequence, one label Y."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, final

import pandas as pd

from cellula.core.errors import DataError
from cellula.io.delimited import parse_table
from cellula.io.text_file import text_bytes

__all__ = ["PyTdcTable"]

LABEL = "Y"
#: Columns that name an entity: Drug_ID, Drug1_ID, Target_ID, Cell Line_ID, ID, ID1, ID2 ...
IDENTIFIER = re.compile(r".*_ID|ID\d?", re.IGNORECASE)
#: Columns that hold an entity itself: its SMILES, its sequence.
ENTITY = re.compile(
    r"(Drug|Target|Protein|Antibody|Antigen|Peptide|MHC|X|Cell ?Line|Reactant|Product|miRNA|Gene"
    r"|Disease|GuideSeq|Catalyst|TCR|Epitope)\w*",
    re.IGNORECASE,
)


@final
class PyTdcTable:
    """Reads a table of the Therapeutics Data Commons (``.tab``, or comma-separated) as a table.

    Columns keep their names (``Drug_ID``, ``Drug``, ``Target_ID``, ``Target``, ``Y`` ...).
    Identifiers are text, whole numbers without a decimal point; entities are text; ``Y`` is what
    is to be predicted. Pickled sets of the Commons are not read: save them as a table.
    """

    name: ClassVar[str] = "pytdc"
    suffixes: ClassVar[tuple[str, ...]] = (".tab", ".tab.gz")

    def read(self, path: Path) -> pd.DataFrame:
        """The table of a file.

        Raises DataError, naming the file, when it is absent, cut short, has no ``Y``, or no
        column of an entity.
        """
        raw = text_bytes(path)
        separator = "," if ".csv" in path.suffixes[-2:] else "\t"
        first = raw.split(b"\n", 1)[0].decode(errors="replace").strip().split(separator)
        names = [name.strip('"') for name in first]
        identifiers = [name for name in names if IDENTIFIER.fullmatch(name)]
        entities = [name for name in names if name not in identifiers and ENTITY.fullmatch(name)]
        if LABEL not in names or not (identifiers or entities):
            raise DataError(
                f"{path.name} is no table of the Therapeutics Data Commons: it has "
                f"{', '.join(names[:6])[:80]}, expected an entity (Drug_ID, Drug) and {LABEL}; "
                'read other tables as format = "delimited"'
            )
        table = parse_table(raw, path.name, separator, text=[*identifiers, *entities])
        return table.assign(**{name: _whole(table[name]) for name in identifiers})


def _whole(column: pd.Series[Any]) -> pd.Series[Any]:
    """Identifiers that were written as floats (``2244.0``) without their decimal point."""
    there = column.dropna().astype(str)
    if len(there) and there.str.fullmatch(r"\d+\.0").all():
        return column.str.removesuffix(".0")
    return column
