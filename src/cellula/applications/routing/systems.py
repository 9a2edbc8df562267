"""Test systems of the laboratory: what each of them can show, and what it lacks.

Sources: [clevers2016]_ on organoids, [low2021]_ on organs on chips.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SYSTEMS", "TestSystem"]

#: Endpoints of single cells that any culture shows.
CULTURE = (
    "expression",
    "protein_abundance",
    "pathway_activity",
    "apoptosis",
    "viability",
    "synergy",
    "growth_rate",
    "mitochondrial_potential",
)


@dataclass(frozen=True, slots=True)
class TestSystem:
    """name; scale: the greatest that it holds; endpoints: what it shows; lacks: what it has not.

    bears: mechanisms beyond those of well-mixed cells that it can show.
    """

    __test__ = False

    name: str
    what: str
    scale: str
    endpoints: tuple[str, ...]
    lacks: str
    bears: tuple[str, ...] = ()


SYSTEMS = (
    TestSystem(
        "cell_line",
        "lines that grow without end",
        "cellular",
        (*CULTURE, "cell_fate", "gene_essentiality", "metabolic_flux"),
        "the genome and the metabolism of healthy tissue",
        ("growth", "metabolism"),
    ),
    TestSystem(
        "primary_cells",
        "cells of a donor, for days",
        "cellular",
        (*CULTURE, "metabolic_flux", "cytokine_secretion"),
        "division, and many cells of one donor",
        ("metabolism",),
    ),
    TestSystem(
        "ipsc_derived_cells",
        "heart, liver or nerve cells made of reprogrammed ones",
        "multicellular",
        (*CULTURE, "cell_fate", "action_potential", "contractility", "gene_essentiality"),
        "the maturity of adult cells",
        ("electrophysiology",),
    ),
    TestSystem(
        "co_culture",
        "two or more cell types together",
        "multicellular",
        (*CULTURE, "cytokine_secretion", "cell_fate"),
        "a structure in space, and a flow",
        ("growth",),
    ),
    TestSystem(
        "organoid",
        "stem cells that build the layers of their organ",
        "tissue",
        (*CULTURE, "cell_fate", "tissue_shape", "gradient", "cytokine_secretion"),
        "blood vessels and a flow; sizes vary",
        ("growth", "diffusion", "tissue"),
    ),
    TestSystem(
        "organ_on_chip",
        "cells in channels with a flow, a barrier or a stretch",
        "tissue",
        (*CULTURE, "contractility", "cytokine_secretion", "free_concentration", "gradient"),
        "throughput: tens of chips, not thousands of wells",
        ("exposure", "diffusion", "electrophysiology", "biomechanics"),
    ),
    TestSystem(
        "tissue_slice",
        "living slices of an organ, for hours to days",
        "tissue",
        ("expression", "viability", "action_potential", "contractility", "gradient", "apoptosis"),
        "time: the slice dies within days, and it is one donor's",
        ("electrophysiology", "diffusion", "tissue"),
    ),
    TestSystem(
        "animal",
        "the whole organism of another species",
        "organism",
        ("free_concentration", "tissue_shape", "contractility", "movement", "expression"),
        "the species; to be asked last, where no system above answers",
        ("exposure", "tissue", "electrophysiology", "biomechanics"),
    ),
)
