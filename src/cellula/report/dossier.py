"""The dossier: one HTML page without script, network or foreign files, from a study's record."""

from __future__ import annotations

from cellula.report.blocks import Section
from cellula.report.page import fill
from cellula.report.record import StudyRecord
from cellula.report.sections.audit import attempts, verification
from cellula.report.sections.cautions import cautions
from cellula.report.sections.credibility import crosswalk
from cellula.report.sections.failures import failures, why
from cellula.report.sections.inputs import data, models
from cellula.report.sections.intervals import intervals
from cellula.report.sections.plans import application, experiments, governance
from cellula.report.sections.requirements import requirements
from cellula.report.sections.results import agreement
from cellula.report.sections.verdict import banner, gates
from cellula.report.sections.versions import versions

__all__ = ["render", "sections"]


def sections(record: StudyRecord) -> tuple[Section, ...]:
    """Every section in the order in which a reader comes to believe a result, or not to."""
    return (
        banner(record),
        cautions(record),
        gates(record),
        data(record),
        models(record),
        agreement(record),
        intervals(record),
        failures(record),
        why(record),
        *versions(record),
        experiments(record),
        application(record),
        governance(record),
        attempts(record),
        crosswalk(record),
        requirements(record),
        verification(record),
    )


def render(record: StudyRecord) -> str:
    """The page; equal records give equal text."""
    study = record.part("study")
    content = {
        "title": str(study.get("question") or study.get("title") or "A study"),
        "subtitle": str(study.get("title") or ""),
        "study_id": str(study.get("id") or "without an id"),
        "owner": str(study.get("owner") or ""),
        "version": record.statement.get("version"),
        "sections": sections(record),
    }
    return fill("dossier.html.j2", content)
