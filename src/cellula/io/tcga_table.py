"""TCGA tables: genes x barcodes, the GDC's gene counts of one sample, and its mutations (MAF)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, numbers, readout_names
from cellula.io.delimited import parse_table
from cellula.io.text_file import text_bytes

__all__ = ["SAMPLE_TYPES", "TcgaTable"]

#: Two digits of a barcode -> what the sample is.
SAMPLE_TYPES: Mapping[str, str] = {
    "01": "primary solid tumor",
    "02": "recurrent solid tumor",
    "03": "primary blood derived cancer, peripheral blood",
    "04": "recurrent blood derived cancer, bone marrow",
    "05": "additional new primary",
    "06": "metastatic",
    "07": "additional metastatic",
    "08": "human tumor original cells",
    "09": "primary blood derived cancer, bone marrow",
    "10": "blood derived normal",
    "11": "solid tissue normal",
    "12": "buccal cell normal",
    "13": "EBV immortalized normal",
    "14": "bone marrow normal",
    "20": "control analyte",
    "40": "recurrent blood derived cancer, peripheral blood",
    "50": "cell line",
    "60": "primary xenograft tissue",
    "61": "cell line derived xenograft tissue",
}
BARCODE = re.compile(r"(TCGA-\w{2}-\w{4})(?:-(\d{2})[A-Z]?(?:-\w+)*)?")
COUNTS = "unstranded"
MAF = ("Hugo_Symbol", "Tumor_Sample_Barcode")
#: Rows of the counts that are no genes (N_unmapped ...).
SUMMARY = "N_"


@final
class TcgaTable:
    """Reads the tables in which TCGA data are handed on.

    Genes (or miRNAs, proteins) x barcodes become an AnnData of samples x readouts whose obs has
    ``patient`` and, where the barcode tells it, ``sample_type``. The GDC's
    ``augmented_star_gene_counts`` of one sample becomes an AnnData of one profile: X holds the
    unstranded counts, the other columns are layers, the sums of reads that fell on no gene are
    obs. A mutation annotation file becomes a table. Barcodes:
    https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode.
    """

    name: ClassVar[str] = "tcga"
    suffixes: ClassVar[tuple[str, ...]] = (
        ".augmented_star_gene_counts.tsv",
        ".augmented_star_gene_counts.tsv.gz",
        ".star_counts.tsv.gz",
        ".star_tpm.tsv.gz",
        ".maf",
        ".maf.gz",
    )

    def read(self, path: Path) -> AnnData | pd.DataFrame:
        """The content of a file; an empty field is NaN.

        Raises DataError, naming the file, when it is absent, cut short, or none of the three
        layouts.
        """
        lines = text_bytes(path).splitlines(keepends=True)
        raw = b"".join(line for line in lines if not line.startswith(b"#"))
        table = parse_table(raw, path.name, "," if ".csv" in path.suffixes[-2:] else "\t")
        if set(MAF) <= set(table.columns):
            return table
        if {"gene_id", "gene_name", COUNTS} <= set(table.columns):
            return _star_counts(table, path.name)
        return _barcoded(table, path.name)


def _barcoded(table: pd.DataFrame, file: str) -> AnnData:
    """Readouts x barcodes, turned round."""
    matches = [BARCODE.fullmatch(str(name)) for name in table.columns[1:]]
    if not matches or None in matches:
        strangers = [n for n, m in zip(table.columns[1:], matches, strict=True) if m is None]
        found = ", ".join(map(str, strangers[:3])) or "nothing"
        raise DataError(
            f"{file} is no TCGA matrix: beside its first column it has {found}, expected barcodes "
            '(TCGA-OR-A5J1-01A); read other tables as format = "delimited"'
        )
    obs = _samples(table.columns[1:].astype(str).tolist())
    var = pd.DataFrame(index=pd.Index(table.iloc[:, 0].astype(str)))
    values = numbers(table.iloc[:, 1:].set_axis(var.index), file)
    return annotated(np.ascontiguousarray(values.T), obs, var, file)


def _samples(barcodes: Sequence[str]) -> pd.DataFrame:
    parts = [BARCODE.fullmatch(barcode) for barcode in barcodes]
    obs: dict[str, list[str]] = {"patient": [match[1] for match in parts if match is not None]}
    codes = [match[2] for match in parts if match is not None]
    if all(codes):
        obs["sample_type"] = [SAMPLE_TYPES.get(code, f"sample type {code}") for code in codes]
    return pd.DataFrame(obs, index=pd.Index(barcodes))


def _star_counts(table: pd.DataFrame, file: str) -> AnnData:
    """One sample: its counts, the other measures as layers, its sums as obs."""
    is_sum = table["gene_id"].astype(str).str.startswith(SUMMARY)
    genes, sums = table[~is_sum], table[is_sum]
    ids = genes["gene_id"].astype(str).tolist()
    var = pd.DataFrame({"gene_id": ids}, index=readout_names(genes["gene_name"].tolist(), ids))
    if "gene_type" in genes:
        var["gene_type"] = genes["gene_type"].to_numpy()
    measures = [name for name in table.columns if name not in ("gene_id", "gene_name", "gene_type")]
    values = {str(name): numbers(genes[[name]], file).T for name in measures}
    obs: dict[str, Any] = dict(zip(sums["gene_id"], sums[COUNTS], strict=True))
    frame = pd.DataFrame(obs, index=pd.Index([file.split(".")[0]]))
    return annotated(values.pop(COUNTS), frame, var, file, values)
