"""Peripheral blood mononuclear cells: a small labelled part of the 68k set."""

from __future__ import annotations

from cellula.data.catalogue.source import Source

__all__ = ["SOURCE"]

SOURCE = Source(
    name="pbmc68k",
    title="PBMC 68k, reduced",
    what="700 blood cells x 765 genes, scaled log expression, with cell-type labels; untreated",
    license="CC-BY-4.0",
    citation="Zheng et al., Nat. Commun. 8:14049 (2017), doi:10.1038/ncomms14049",
    package="scanpy",
    form="installed",
    files={"pbmc68k_reduced.h5ad": "datasets/10x_pbmc68k_reduced.h5ad"},
)
