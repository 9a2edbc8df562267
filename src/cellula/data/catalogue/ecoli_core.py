"""The core metabolic network of Escherichia coli."""

from __future__ import annotations

from cellula.data.catalogue.source import Source

__all__ = ["SOURCE"]

SOURCE = Source(
    name="ecoli_core",
    title="E. coli core metabolism",
    what="SBML model of 95 reactions, 72 metabolites and 137 genes for flux balance analysis",
    license="LGPL-2.0-or-later OR GPL-2.0-or-later",
    citation="Orth, Fleming, Palsson, EcoSal Plus 4 (2010), doi:10.1128/ecosalplus.10.2.1",
    package="cobra",
    extra="cobra",
    form="installed",
    files={"e_coli_core.xml.gz": "data/textbook.xml.gz"},
)
