"""What is measured of a perturbed system: the endpoints that a question may name."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from cellula.applications.routing.mechanisms import ASSOCIATION
from cellula.core.errors import StudyError

__all__ = ["ENDPOINTS", "Endpoint", "endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """name; scale: where it is measured; mechanisms: what may bear it; words: other names of it."""

    name: str
    what: str
    scale: str
    mechanisms: tuple[str, ...]
    words: tuple[str, ...] = ()


ENDPOINTS = (
    Endpoint(
        "expression",
        "abundance of transcripts, of one gene or of all",
        "intracellular",
        (ASSOCIATION, "regulatory_logic", "kinetics", "low_copy_noise"),
        ("transcriptome", "rna", "differential_expression"),
    ),
    Endpoint(
        "protein_abundance",
        "abundance of proteins",
        "intracellular",
        (ASSOCIATION, "kinetics", "low_copy_noise"),
        ("proteome", "surface_protein"),
    ),
    Endpoint(
        "pathway_activity",
        "phosphorylation and activity of a signalling pathway over time",
        "intracellular",
        ("kinetics", "regulatory_logic", "low_copy_noise", ASSOCIATION),
        ("phosphorylation", "signalling"),
    ),
    Endpoint(
        "cell_fate",
        "which lasting state cells take: differentiation, senescence, reprogramming",
        "cellular",
        ("regulatory_logic", "low_copy_noise", "kinetics", ASSOCIATION),
        ("differentiation", "reprogramming", "senescence"),
    ),
    Endpoint(
        "apoptosis",
        "share of cells that die by their own programme, and when",
        "cellular",
        ("kinetics", "regulatory_logic", "growth", ASSOCIATION),
        ("caspase", "cell_death"),
    ),
    Endpoint(
        "viability",
        "share of cells alive at a dose, IC50",
        "cellular",
        (ASSOCIATION, "growth", "kinetics", "exposure"),
        ("ic50", "cytotoxicity", "drug_sensitivity"),
    ),
    Endpoint(
        "synergy",
        "what two compounds do beyond the sum of each",
        "cellular",
        (ASSOCIATION, "growth", "kinetics", "regulatory_logic"),
        ("combination", "bliss", "loewe"),
    ),
    Endpoint(
        "growth_rate",
        "rate at which a population of cells grows or shrinks",
        "cellular",
        ("growth", "metabolism", ASSOCIATION),
        ("proliferation", "dip_rate"),
    ),
    Endpoint(
        "gene_essentiality",
        "whether cells grow without a gene",
        "cellular",
        ("metabolism", "regulatory_logic", ASSOCIATION),
        ("lethality", "dependency"),
    ),
    Endpoint(
        "metabolic_flux",
        "uptake, secretion and fluxes of metabolites",
        "intracellular",
        ("metabolism", "kinetics"),
        ("flux", "secretion"),
    ),
    Endpoint(
        "mitochondrial_potential",
        "potential across the inner membrane of mitochondria, reactive oxygen",
        "intracellular",
        ("kinetics", "exposure", ASSOCIATION),
        ("membrane_potential", "ros"),
    ),
    Endpoint(
        "action_potential",
        "duration and shape of the action potential, net charge, early afterdepolarisations",
        "cellular",
        ("electrophysiology",),
        ("apd90", "qnet", "proarrhythmia", "herg"),
    ),
    Endpoint(
        "contractility",
        "force and rhythm of beating cells",
        "multicellular",
        ("electrophysiology", "biomechanics", ASSOCIATION),
        ("beating", "force"),
    ),
    Endpoint(
        "cytokine_secretion",
        "what immune cells release",
        "cellular",
        (ASSOCIATION, "kinetics", "regulatory_logic"),
        ("secretome",),
    ),
    Endpoint(
        "free_concentration",
        "concentration of a compound in the medium, the cell, the blood",
        "molecular",
        ("exposure", "kinetics", "diffusion"),
        ("pharmacokinetics", "pk", "cmax"),
    ),
    Endpoint(
        "gradient",
        "where molecules are: fronts, patterns, depth of penetration",
        "multicellular",
        ("diffusion", "tissue"),
        ("pattern", "morphogen", "penetration"),
    ),
    Endpoint(
        "tissue_shape",
        "shape, size and layering of a tissue, spheroid or tumour; invasion",
        "tissue",
        ("tissue",),
        ("morphology", "invasion", "spheroid_growth", "organoid_shape"),
    ),
    Endpoint(
        "movement",
        "posture, gait and forces of a body",
        "organism",
        ("biomechanics",),
        ("gait",),
    ),
)


def endpoint(name: str) -> Endpoint:
    """The endpoint of this name, or of which it is another name.

    Raises StudyError, naming the nearest and all, on none.
    """
    wanted = name.strip().lower().replace(" ", "_").replace("-", "_")
    by_word = {word: one for one in ENDPOINTS for word in (one.name, *one.words)}
    if wanted in by_word:
        return by_word[wanted]
    near = get_close_matches(wanted, by_word, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    names = ", ".join(one.name for one in ENDPOINTS)
    raise StudyError(f"no endpoint is called {name!r}{hint} (there are: {names})")
