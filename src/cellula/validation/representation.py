"""Who is in the data: profiles and contexts by label, and what the labels are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellula.core.dataset import Dataset
from cellula.validation.study import Study

__all__ = ["counted", "label_columns", "named", "represented", "spread"]

#: So many labels of contexts and perturbations are listed, and so many of every other column.
MOST_FREQUENT = 20
MOST_LISTED = 200
#: Whose profiles are counted label by label.
SIDES = ("context", "perturbation")
#: Other roles that say who is represented.
GROUPS = ("perturbation_kind", "donor", "individual", "batch", "replicate")


def counted(data: Dataset) -> dict[str, list[list[Any]]]:
    """Role -> the most frequent contexts and perturbations as [label, profiles]."""
    found: dict[str, list[list[Any]]] = {}
    for role in _sides(data):
        labels = data.labels(role)
        rows = zip(map(str, labels.categories), _sizes(data, role).tolist(), strict=True)
        found[role] = [list(row) for row in sorted(rows, key=_largest_first)[:MOST_FREQUENT]]
    return found


def spread(data: Dataset) -> dict[str, dict[str, float]]:
    """Role -> least, median and most profiles that a context or a perturbation has."""
    found: dict[str, dict[str, float]] = {}
    for role in _sides(data):
        sizes = _sizes(data, role)
        sizes = sizes[sizes > 0]
        found[role] = {
            "least": int(sizes.min()),
            "median": float(np.median(sizes)),
            "most": int(sizes.max()),
        }
    return found


def label_columns(study: Study, data: Dataset) -> tuple[str, ...]:
    """The columns by which to count: labels of feature tables, what claims hold out, groups.

    Only columns that the study declares: others may hold what their owner would not publish.
    """
    declared = [name for source in study.data for name in source.labels]
    over = [claim.over for claim in study.claim if claim.over is not None]
    wanted = dict.fromkeys([*declared, *over, *GROUPS])
    return tuple(name for name in wanted if name in data.obs.columns and name not in SIDES)


def represented(data: Dataset, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Per column its labels as [label, contexts, profiles], the most profiles first."""
    return [_by_label(data, name) for name in columns]


def _by_label(data: Dataset, name: str) -> dict[str, Any]:
    labels = data.labels(name)
    is_known = labels.codes >= 0
    profiles = np.bincount(labels.codes[is_known], minlength=len(labels.categories))
    contexts = np.zeros_like(profiles)
    if data.has_role("context"):
        codes = np.column_stack([labels.codes, data.labels("context").codes])[is_known]
        contexts = np.bincount(np.unique(codes, axis=0)[:, 0], minlength=len(profiles))
    names = map(str, labels.categories)
    rows = zip(names, contexts.tolist(), profiles.tolist(), strict=True)
    ordered = sorted((row for row in rows if row[-1]), key=_largest_first)
    return {
        "label": name,
        "n_distinct": len(ordered),
        "rows": [list(row) for row in ordered[:MOST_LISTED]],
    }


def named(study: Study, data: Dataset) -> dict[str, dict[str, str]]:
    """Role -> label -> its common name, where a label column of its feature table tells one.

    Such a column has "name" in its own, as ``DRUG_NAME``; the first one counts.
    """
    found: dict[str, dict[str, str]] = {}
    for source in study.data:
        role = source.role.removesuffix("_features")
        columns = [name for name in source.labels if "name" in name.lower()]
        if role not in SIDES or role in found or not columns:
            continue
        pairs = data.obs[[role, columns[0]]].drop_duplicates().dropna().astype(str)
        found[role] = dict(sorted(zip(pairs[role], pairs[columns[0]], strict=True)))
    return found


def _sides(data: Dataset) -> tuple[str, ...]:
    return tuple(role for role in SIDES if data.has_role(role))


def _sizes(data: Dataset, role: str) -> Any:
    """Profiles of every label, in the order of the categories."""
    labels = data.labels(role)
    return np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))


def _largest_first(row: Sequence[Any]) -> tuple[int, str]:
    return -row[-1], row[0]
