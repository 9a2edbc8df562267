"""The bundle described as an RO-Crate 1.1, so that archives and other tools can read it.

Source: RO-Crate Metadata Specification 1.1.3, doi:10.5281/zenodo.7867028.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cellula.core.canonical import hash_bytes, plain
from cellula.core.errors import StudyError

__all__ = ["METADATA", "crate_metadata"]

METADATA = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "https://w3id.org/ro/crate/1.1"
SPDX = "https://spdx.org/licenses/"
#: These hold or sign the hash of the metadata, so the metadata cannot describe them.
OUTSIDE = frozenset({METADATA, "manifest.json", "manifest.sig.json"})

FORMATS: Mapping[str, str] = {
    ".json": "application/json",
    ".toml": "application/toml",
    ".parquet": "application/vnd.apache.parquet",
    ".html": "text/html",
}
DESCRIPTIONS: Mapping[str, str] = {
    "study.toml": "The study file as its author wrote it",
    "study.json": "The study file, canonical",
    "registration.json": "What was signed before any held-out label was opened",
    "data.json": "The data: sources, hashes, licences, who is represented",
    "models.json": "The models: options, seeds, assumptions",
    "verdicts.json": "What every gate decided, and why",
    "evidence": "One piece of evidence that gates read",
    "splits": "Which profile is held out in which fold",
    "predictions": "What a model predicted for the held-out questions",
    "truth": "What was measured for the held-out questions",
    "scores": "Scores by model, metric and stratum",
}


def crate_metadata(files: Mapping[str, bytes], study: Mapping[str, Any]) -> bytes:
    """The bytes of ``ro-crate-metadata.json`` for the files of a bundle (path -> bytes).

    Deterministic: sorted keys and paths, no clock; ``datePublished`` is the study's own
    ``date`` where it gives one, and is left out otherwise. The manifest and its signature
    cover this file and therefore are not described in it.
    Raises StudyError where the study has no id.
    """
    about = study.get("study")
    if not isinstance(about, Mapping) or not about.get("id"):
        raise StudyError("the study has no [study] id; expected one to name the crate by")
    described = sorted(path for path in files if path not in OUTSIDE)
    graph = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": PROFILE},
        },
        _root(about, study, described),
        *_contexts(about, study),
        *(_file(path, files[path]) for path in described),
    ]
    crate = {"@context": CONTEXT, "@graph": plain(graph)}
    return (json.dumps(crate, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _root(
    about: Mapping[str, Any], study: Mapping[str, Any], paths: list[str]
) -> Mapping[str, Any]:
    licences = [{"@id": SPDX + name} for name in _licences(study)]
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "identifier": str(about["id"]),
        "name": str(about.get("title") or about["id"]),
        "description": str(about.get("question") or "A registered study and its evidence"),
        "hasPart": [{"@id": path} for path in paths],
    }
    if about.get("date"):
        root["datePublished"] = str(about["date"])
    if about.get("owner"):
        root["author"] = {"@id": "#owner"}
    if licences:
        root["license"] = licences if len(licences) > 1 else licences[0]
    return root


def _contexts(about: Mapping[str, Any], study: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = [
        {"@id": SPDX + name, "@type": "CreativeWork", "name": name} for name in _licences(study)
    ]
    if about.get("owner"):
        found.append({"@id": "#owner", "@type": "Person", "name": str(about["owner"])})
    return found


def _licences(study: Mapping[str, Any]) -> list[str]:
    """The SPDX licences of the data, each once; expressions and ``unknown`` have no page."""
    named = {str(entry.get("license") or "unknown") for entry in study.get("data") or ()}
    return sorted(name for name in named if name != "unknown" and " " not in name)


def _file(path: str, data: bytes) -> Mapping[str, Any]:
    entity: dict[str, Any] = {
        "@id": path,
        "@type": "File",
        "name": path,
        "contentSize": str(len(data)),
        "sha256": hash_bytes(data),
    }
    kind = FORMATS.get("." + path.rpartition(".")[2])
    if kind:
        entity["encodingFormat"] = kind
    described = DESCRIPTIONS.get(path) or DESCRIPTIONS.get(path.partition("/")[0])
    if described:
        entity["description"] = described
    return entity
