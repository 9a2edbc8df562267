"""Genomics of Drug Sensitivity in Cancer: drug response of cancer cell lines, release 17."""

from __future__ import annotations

from cellula.data.catalogue.source import Source

__all__ = ["SOURCE"]

ROOT = "gdsctools-1.0.1/gdsctools/data"
FILES = (
    "IC50_v17.csv.gz",
    "genomic_features_v17.csv.gz",
    "IC50_v5.csv.gz",
    "genomic_features_v5.csv.gz",
    "IC50_10drugs.tsv",
    "DRUG_DECODE.csv",
    "cosmic_info.csv.gz",
    "cancer_cell_lines.csv",
)

SOURCE = Source(
    name="gdsc",
    title="GDSC drug response, release 17",
    what=(
        "ln IC50 (micromolar) of 265 compounds in 988 cancer cell lines, with 678 genomic features "
        "and the tissue of every line; compounds by GDSC id"
    ),
    license="BSD-3-Clause AND LicenseRef-GDSC-terms-of-use",
    citation="Iorio et al., Cell 166:740 (2016), doi:10.1016/j.cell.2016.06.017",
    package="gdsctools",
    version="1.0.1",
    sha256="72bba53d42150b88b1e186da5d12d94eb2c9f5ac529f4c9f800f98639cf9d82b",
    form="sdist",
    files={name: f"{ROOT}/{name}" for name in FILES},
)
