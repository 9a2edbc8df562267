"""May these data be used for this? What the study says of consent, licences and its use."""

from __future__ import annotations

from typing import Any

from cellula.core.canonical import plain
from cellula.core.evidence import Evidence
from cellula.data.catalogue import source as catalogue
from cellula.data.data_source import DataSource
from cellula.validation.bundling import may_include_truth
from cellula.validation.preparation import PreparedStudy
from cellula.validation.study import Study

__all__ = ["consent_evidence", "declared_license", "licence_evidence"]


def declared_license(source: DataSource) -> str:
    """The licence as the study states it, else as the catalogue does; else ``unknown``."""
    if source.license == "unknown" and source.catalogue is not None:
        return catalogue.source(source.catalogue).license
    return source.license


def consent_evidence(prepared: PreparedStudy) -> Evidence:
    """Evidence ``consent``: codes, jurisdiction and residency of every source, and the use."""
    rows = [
        {
            "name": source.name,
            "duo": list(source.duo),
            "jurisdiction": source.jurisdiction,
            "residency": list(source.residency),
        }
        for source in prepared.study.data
    ]
    return _evidence("consent", prepared, {"sources": rows, "use": _use(prepared.study)})


def licence_evidence(prepared: PreparedStudy) -> Evidence:
    """Evidence ``licence``: of every source and of the weights behind vectors, whether its values
    are shared, the use.
    """
    shared = may_include_truth(prepared.study.data)
    rows = [
        {
            "name": source.name,
            "license": declared_license(source),
            "is_shared": shared and source.role == "profiles",
        }
        for source in prepared.study.data
    ]
    rows += [
        {
            "name": f"{name}, vectors {told['entry']}",
            "license": told.get("checkpoint", {}).get("license", "unknown"),
            "is_shared": False,
        }
        for name, told in prepared.data.provenance.embeddings.items()
    ]
    return _evidence("licence", prepared, {"sources": rows, "use": _use(prepared.study)})


def _use(study: Study) -> dict[str, Any] | None:
    use = study.governance.use
    return None if use is None else use.model_dump(mode="json")


def _evidence(kind: str, prepared: PreparedStudy, payload: dict[str, Any]) -> Evidence:
    return Evidence(kind, "data", plain(payload), {"study": prepared.study.hash})
