"""A declared table of structures as features of perturbations, scaffolds and SMILES."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cellula.core.errors import DataError, MissingExtra
from cellula.core.perturbation import components
from cellula.data.data_source import DataSource
from cellula.data.feature_options import Fingerprint
from cellula.data.roles import keep_rows, label_text, require_columns

__all__ = ["StructureTable", "structure_table"]

#: The column of a table of structures, and what is computed from it beside the fingerprint.
SMILES = "smiles"
SCAFFOLD = "scaffold"


@dataclass(frozen=True, slots=True)
class StructureTable:
    """features: fingerprints, indexed by compound; labels: ``smiles`` and ``scaffold``, and the
    other columns that the source declares as labels; structures: compound -> standard SMILES.
    """

    features: pd.DataFrame
    labels: pd.DataFrame
    structures: Mapping[str, str]


def structure_table(content: object, source: DataSource) -> StructureTable:
    """The structures of a source, in standard form, with their fingerprints.

    A row without a structure is left out. Of a source with ``exclude`` and ``labels`` the other
    columns are of no account: a table of structures has no other features. Raises DataError, naming
    file and row, on a text that is no molecule; MissingExtra without RDKit.
    """
    file, column = source.name, source.columns["perturbation"]
    if not isinstance(content, pd.DataFrame):
        raise DataError(f"{file} is no table; structures are a table with a column {SMILES!r}")
    table = content
    if source.where:
        table = table[keep_rows(table, source.where, file)]
    wanted = [name for name in source.labels if name != SCAFFOLD]
    require_columns(table, [column, SMILES, *wanted], file)
    has_structure = table[SMILES].notna() & (table[SMILES].astype(str).str.strip() != "")
    table = table[has_structure.to_numpy(bool)]
    if table.empty:
        raise DataError(f"{file} has no structure in column {SMILES!r}; fill it, or leave it out")
    names = [_sorted(name) for name in label_text(table[column], column, file)]
    index = pd.Index(names, name="perturbation")
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise DataError(f"{file}: compound {twice!r} has two structures; keep one row a compound")
    places = [f"{file}, row {row} ({name})" for row, name in zip(table.index, names, strict=True)]
    return _described(table, index, places, source)


def _described(
    table: pd.DataFrame, index: pd.Index, places: list[str], source: DataSource
) -> StructureTable:
    try:
        from cellula.data.molecules import fingerprints, scaffolds, standard
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{source.name} holds structures, and molecules need the package {error.name}: "
            "pip install 'cellula[chem]'"
        ) from error
    smiles = standard.standard_smiles(table[SMILES].astype(str).tolist(), places)
    structures = dict(zip(index, smiles, strict=True))
    features = fingerprints.fingerprints(structures, source.fingerprint or Fingerprint())
    labels = table[[name for name in source.labels if name != SCAFFOLD]].set_axis(index)
    if SMILES in labels:
        labels[SMILES] = smiles
    if SCAFFOLD in source.labels:
        labels[SCAFFOLD] = np.array(scaffolds.scaffolds(smiles), dtype=object)
    kept = [name for name in features.columns if name not in set(source.exclude)]
    return StructureTable(features[kept].set_axis(index), labels, structures)


def _sorted(label: str) -> str:
    return "+".join(components(label)) or label
