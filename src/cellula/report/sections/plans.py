"""What lies beyond the computation: experiments, application, boundary, rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellula.report.blocks import Absent, Block, Cell, Column, Facts, Heading, Section, Table, Text
from cellula.report.record import StudyRecord
from cellula.report.sections.cautions import boundary_aspects
from cellula.report.words import listing, plain_words

__all__ = ["application", "experiments", "governance"]


#: The keys of the study file in the order in which a reader asks for them; others follow.
ORDER = (
    *("data_provider", "model_developer", "end_user"),
    *("species", "cell_types", "perturbations", "level"),
    *("kind", "candidates", "score", "advance", "assay", "test"),
)
#: What of the boundary no column of the data could tell: said, not compared.
UNCHECKED = ("level",)


def _facts(table: Mapping[str, Any]) -> Facts:
    """A table of the study file, one fact a key; what is empty is left out."""
    stated = [key for key, value in table.items() if value not in (None, "", [], {})]
    keys = sorted(stated, key=lambda key: (ORDER.index(key) if key in ORDER else len(ORDER), key))
    return Facts(tuple((plain_words(key), listing(table[key])) for key in keys))


def experiments(record: StudyRecord) -> Section:
    """The planned assay where the study names one; results and versions once they exist."""
    blocks: list[Block] = []
    if record.part("middle"):
        blocks += [Text("Fixed in advance, nothing measured yet:"), _facts(record.part("middle"))]
    blocks.append(
        Absent(
            "No experiment yet. Here would stand the design (system, endpoint, unit, power), each "
            "result beside the prediction registered for it, the verdict (confirmed, direction "
            "conflict, magnitude conflict, underpowered or null)."
        )
    )
    return Section("experiments", "Experiments", "Experiments", tuple(blocks))


def application(record: StudyRecord) -> Section:
    """The screen where the study asks for one, and the declared boundary."""
    blocks: list[Block] = []
    if record.part("application"):
        blocks += [Text("Registered, not run yet:"), _facts(record.part("application"))]
    blocks.append(
        Absent(
            "No screen yet. Here would stand the ranked targets or compounds with mechanism, "
            "selectivity and safety; only a claim that passed its gates may screen, and every hit "
            "stays a hypothesis until an experiment decides."
        )
    )
    blocks.append(Heading("Boundary"))
    if record.part("boundary"):
        aspects = boundary_aspects(record)
        rest = {k: v for k, v in record.part("boundary").items() if not aspects or k in UNCHECKED}
        blocks += [*([_facts(rest)] if rest else []), *aspects]
        blocks.append(
            Text(
                "Questions outside this boundary are not answered by this evidence; every "
                "prediction also carries an in-domain flag.",
                is_soft=True,
            )
        )
    else:
        blocks.append(Absent("The study declares no boundary, so nothing lies safely inside one."))
    return Section("application", "Application and boundary", "Application", tuple(blocks))


def governance(record: StudyRecord) -> Section:
    """Licence, consent and residency of the data; privacy, fairness and rights as registered."""
    blocks: list[Block] = []
    if record.data:
        blocks.append(_rights_of_data(record))
    plan = record.part("governance")
    for name, to_come in (
        ("privacy", "memorisation tests and, where required, differential privacy"),
        ("fairness", "scores by group with intervals, the worst gap and the smallest group"),
    ):
        blocks.append(Heading(name.capitalize()))
        part = plan.get(name)
        if isinstance(part, Mapping):
            blocks.append(_facts(part))
        blocks.append(Absent(f"Not examined yet. Here would stand {to_come}."))
    blocks.append(Heading("Rights"))
    if any(record.part("rights").values()):
        blocks.append(_facts(record.part("rights")))
    else:
        blocks.append(
            Absent("The study names no data provider, model developer or end user with rights.")
        )
    return Section(
        "governance", "Privacy, fairness, rights", "Privacy, fairness, rights", tuple(blocks)
    )


def _rights_of_data(record: StudyRecord) -> Table:
    columns = (
        Column("data"),
        Column("licence"),
        Column("consent", hint="DUO codes"),
        Column("jurisdiction"),
        Column("may reside in"),
    )
    rows = tuple(
        (
            Cell(card.name),
            Cell(card.license, status="wait" if card.license == "unknown" else ""),
            Cell(", ".join(card.duo) or "none stated"),
            Cell(card.jurisdiction or "not stated"),
            Cell(", ".join(card.residency) or "not restricted"),
        )
        for card in record.data
    )
    return Table(columns, rows, is_stacked=True)
