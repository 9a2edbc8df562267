"""CytoSig: measured transcriptional responses to cytokines."""

from __future__ import annotations

from cellula.data.catalogue.source import Source

__all__ = ["SOURCE"]

ROOT = "CytoSig-0.0.3/CytoSig"

SOURCE = Source(
    name="cytosig",
    title="CytoSig cytokine response signatures",
    what=(
        "median log fold change of genes after treatment with a cytokine: 43 cytokines, and an "
        "expanded set of 51 (rows genes, columns cytokines)"
    ),
    license="GPL-3.0-only",
    citation="Jiang et al., Nat. Methods 18:1181 (2021), doi:10.1038/s41592-021-01274-5",
    package="CytoSig",
    version="0.0.3",
    sha256="862541d421cea64976a47b952e56fb258ead0194a7ecb87bdd7c800cd279a89d",
    form="sdist",
    files={
        "signature.centroid.tsv": f"{ROOT}/signature.centroid",
        "signature.centroid.expand.tsv": f"{ROOT}/signature.centroid.expand",
    },
)
