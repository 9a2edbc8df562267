"""DepMap releases: cell lines x genes in CSV (effects, expression, copy number, mutations)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, final

import pandas as pd
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, numbers, readout_names
from cellula.io.delimited import ROW_NAMES, parse_table
from cellula.io.text_file import text_bytes

__all__ = ["DepMapCsv"]

#: ``TP53 (7157)``, ``TP53 (ENSG00000141510)``, ``MIR1-1HG (unknown)``.
GENE = re.compile(r"(\S+) \((\d+(?:&\d+)*|ENS\w+|[Uu]nknown|nan)\)")
#: What names a cell line, first come, first taken.
MODELS = ("ModelID", "DepMap_ID", "depmap_id", "DepMapID")
MODEL = re.compile(r"ACH-\d{6}")


@final
class DepMapCsv:
    """Reads a gene table of a DepMap release as an AnnData of models x genes.

    Gene columns are those called ``SYMBOL (ENTREZ)``; they are named by their symbol, those that
    share one by ``SYMBOL_ID``, and var has ``gene_id``. All other columns become obs, among
    them ``ModelID`` (ACH-...), also where the file leaves its name out. Rows are named by the
    model, or, where a model has several profiles, by the first column that tells them apart.
    An empty field is NaN. The tables of models and of mutations read as plain tables
    (``format = "delimited"``).
    """

    name: ClassVar[str] = "depmap"
    suffixes: ClassVar[tuple[str, ...]] = (".depmap.csv", ".depmap.csv.gz")

    def read(self, path: Path) -> AnnData:
        """The annotated matrix of a file, float64.

        Raises DataError, naming the file, when it is absent, cut short, has no gene columns or
        no column of models.
        """
        table = parse_table(text_bytes(path), path.name, ",")
        matches = [GENE.fullmatch(str(name)) for name in table.columns]
        genes = [match for match in matches if match is not None]
        if not genes:
            raise DataError(
                f"{path.name} is no DepMap gene table: no column is called like 'TP53 (7157)'; "
                'read a table of models or of drugs as format = "delimited"'
            )
        obs = table.loc[:, [match is None for match in matches]]
        values = table.loc[:, [match is not None for match in matches]]
        obs, index = _models(obs, path.name)
        var = pd.DataFrame({"gene_id": [match[2] for match in genes]})
        var.index = pd.Index(
            readout_names([match[1] for match in genes], [match[2] for match in genes])
        )
        return annotated(numbers(values, path.name), obs.set_axis(index), var, path.name)


def _models(obs: pd.DataFrame, file: str) -> tuple[pd.DataFrame, pd.Index]:
    """The columns that are no genes, ``ModelID`` among them, and the name of every row."""
    named = [name for name in MODELS if name in obs.columns]
    first = str(obs.columns[0]) if obs.shape[1] else ""
    if not named and first:
        is_model = obs[first].astype(str).str.fullmatch(MODEL).all()
        named = [first] if is_model else []
    if not named:
        raise DataError(
            f"{file}: no column holds models (ACH-000001); expected {', '.join(MODELS)} or an "
            "unnamed first column of them: fetch the file again"
        )
    kept = obs.rename(columns={named[0]: MODELS[0]})
    if ROW_NAMES in kept.columns and pd.api.types.is_integer_dtype(kept[ROW_NAMES]):
        kept = kept.drop(columns=ROW_NAMES)
    candidates = [MODELS[0], *(name for name in kept.columns if name != MODELS[0])]
    for name in candidates:
        if kept[name].notna().all() and kept[name].is_unique:
            return kept, pd.Index(kept[name].astype(str))
    repeated = kept[MODELS[0]][kept[MODELS[0]].duplicated()].iloc[0]
    raise DataError(
        f"{file}: the model {repeated!r} has several rows and no column tells them apart; keep one "
        "a model"
    )
