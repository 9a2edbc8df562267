"""The files of a bundle: everything a third party needs to recompute every number.

Deterministic content only: no clock, no duration, no path of a machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from cellula.core.canonical import canonical_json, plain
from cellula.core.comparison import Comparison
from cellula.core.evidence import Evidence
from cellula.core.gate import Verdict
from cellula.data.data_source import DataSource, licensing
from cellula.evaluation.contest import REPLICATE
from cellula.io.parquet import frame_bytes
from cellula.validation.competitors import Competitor
from cellula.validation.harmonising import harmonise_card
from cellula.validation.preparation import PreparedStudy, split_files
from cellula.validation.registration import Registration
from cellula.validation.representation import counted, label_columns, named, represented, spread
from cellula.validation.scoring import SELECTED, ClaimScores

__all__ = ["bundle_files", "evidence_path", "evidence_paths", "may_include_truth"]

#: Packages whose version can change a number.
PACKAGES = ("cellula", "numpy", "scipy", "pandas", "numba", "anndata", "scikit-learn")


def bundle_files(
    prepared: PreparedStudy,
    registration: Registration,
    evidence: Sequence[Evidence],
    verdicts: Sequence[Verdict],
    scored: Mapping[str, ClaimScores],
) -> dict[str, bytes]:
    """Path -> bytes of everything but the crate's description and the manifest."""
    files: dict[str, bytes] = {
        f"study{_suffix(prepared.name)}": prepared.source,
        "study.json": prepared.study.canonical,
        "registration.json": canonical_json(registration.document),
        "data.json": canonical_json(_data(prepared)),
        "models.json": canonical_json(_models(prepared)),
        "versions.json": canonical_json({name: version(name) for name in PACKAGES}),
        "verdicts.json": canonical_json(plain(list(verdicts))),
        **split_files(prepared),
    }
    for path, item in zip(evidence_paths(evidence), evidence, strict=True):
        files[path] = canonical_json(item)
    allowed = may_include_truth(prepared.study.data)
    for claim, scores in scored.items():
        files[f"scores/{claim}.parquet"] = frame_bytes(scores.rows)
        for model, comparison in scores.view.full.items():
            if model == REPLICATE:
                continue
            table = _answers(comparison, scores, model)
            files[f"predictions/{claim}/{model}.parquet"] = frame_bytes(table)
        if allowed:
            files[f"truth/{claim}.parquet"] = frame_bytes(_truth(scores))
    return dict(sorted(files.items()))


def evidence_paths(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The path of every piece: ``evidence/<kind>-<subject>.json``, numbered from the second on."""
    seen: dict[tuple[str, str], int] = {}
    paths: list[str] = []
    for item in evidence:
        key = (item.kind, item.subject)
        seen[key] = seen.get(key, 0) + 1
        paths.append(evidence_path(item.kind, item.subject, seen[key]))
    return tuple(paths)


def evidence_path(kind: str, subject: str, number: int = 1) -> str:
    """The path of the ``number``-th piece of evidence of a kind about a subject."""
    return f"evidence/{kind}-{subject}{f'-{number}' if number > 1 else ''}.json"


def _suffix(name: str) -> str:
    return "." + name.rsplit(".", 1)[-1].lower()


def may_include_truth(sources: Sequence[DataSource]) -> bool:
    """Whether the licences of the profiles let their held-out values travel in the bundle.

    Every licence of the expression must be known to SPDX and not forbid derivatives.
    """
    known = licensing()
    for source in sources:
        if source.role != "profiles":
            continue
        keys = [] if source.license == "unknown" else known.license_keys(source.license)
        if not keys or any(_forbids(str(key)) for key in keys):
            return False
    return True


def _forbids(key: str) -> bool:
    return key.startswith("LicenseRef") or "-ND" in key.upper()


# -- tables -----------------------------------------------------------------------------------
def _long(comparison: Comparison, scores: ClaimScores) -> dict[str, Any]:
    """The key columns, one row a group and readout."""
    n_groups, n_readouts = comparison.observed.shape
    columns: dict[str, Any] = {"fold": pd.Categorical(np.repeat(scores.fold, n_readouts))}
    for name in comparison.groups.columns:
        values = comparison.groups[name].array
        columns[str(name)] = values.take(np.repeat(np.arange(n_groups), n_readouts))
    units = np.asarray(comparison.units)[comparison.unit]
    columns["unit"] = pd.Categorical(np.repeat(units, n_readouts))
    columns["readout"] = pd.Categorical(np.tile(np.asarray(comparison.readouts), n_groups))
    return columns


def _answers(comparison: Comparison, scores: ClaimScores, model: str) -> pd.DataFrame:
    columns = _long(comparison, scores)
    columns["mean"] = comparison.predicted.ravel()
    for name in ("lower", "upper"):
        bound = getattr(comparison, name)
        columns[name] = np.nan if bound is None else bound.ravel()
    columns["in_domain"] = np.repeat(scores.in_domain[model], len(comparison.readouts))
    return pd.DataFrame(columns)


def _truth(scores: ClaimScores) -> pd.DataFrame:
    comparison = scores.view.full[SELECTED]
    columns = _long(comparison, scores)
    columns["observed"] = comparison.observed.ravel()
    if comparison.reference is not None:
        columns["reference"] = comparison.reference.ravel()
    return pd.DataFrame(columns)


# -- descriptions -----------------------------------------------------------------------------
def _models(prepared: PreparedStudy) -> list[dict[str, Any]]:
    seen: dict[str, Competitor] = {}
    for task in prepared.tasks:
        for one in task.models:
            seen.setdefault(one.id, one)
    return [
        {
            "id": one.id,
            "plugin": one.kind,
            "options": one.model.options.model_dump(mode="json"),
            "seeds": list(one.seeds),
            "references": list(one.model.references),
            "is_baseline": one.is_baseline,
            "capabilities": plain(one.model.capabilities),
            "assumptions": _assumptions(one),
            "claims": [t.claim.id for t in prepared.tasks if one in t.models],
        }
        for one in seen.values()
    ]


def _assumptions(one: Competitor) -> str:
    """The first paragraph of the model's docstring: what it assumes, in its author's words."""
    text = (type(one.model).__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split())


def _data(prepared: PreparedStudy) -> list[dict[str, Any]]:
    return [_source(source, prepared) for source in prepared.study.data]


def _source(source: DataSource, prepared: PreparedStudy) -> dict[str, Any]:
    data = prepared.data
    card: dict[str, Any] = {
        "name": source.name,
        "role": source.role,
        "value_type": source.value_type,
        "license": source.license,
        "duo": list(source.duo),
        "jurisdiction": source.jurisdiction,
        "residency": list(source.residency),
        "citation": source.citation,
        "sources": {source.name: data.provenance.sources[source.name]},
        "n_profiles": 0,
        "n_readouts": 0,
        "n_controls": 0,
        "roles": [],
        "counts": {},
        "digest": prepared.digest,
    }
    if source.role == "profiles":
        card |= _profiles(prepared)
        corrected = harmonise_card(prepared.study, prepared.tasks)
        card |= {} if corrected is None else {"harmonise": corrected}
    else:
        table = getattr(data, source.role)
        vectors = data.provenance.embeddings.get(source.name)
        card |= {} if vectors is None else {"embedding": vectors}
        card |= {"n_profiles": len(table), "n_readouts": table.shape[1]}
    return plain(card)  # type: ignore[no-any-return]


def _profiles(prepared: PreparedStudy) -> dict[str, Any]:
    data = prepared.data
    return {
        "n_profiles": data.n_profiles,
        "n_readouts": len(data.readouts),
        "n_controls": int(data.is_control.sum()),
        "roles": [
            {"role": role, "n_distinct": int(data.obs[role].nunique())} for role in data.roles
        ],
        "counts": counted(data),
        "spread": spread(data),
        "labels": represented(data, label_columns(prepared.study, data)),
        "names": named(prepared.study, data),
    }
