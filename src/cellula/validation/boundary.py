"""What a study asks about and learns from, beside the boundary that it declares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.canonical import plain
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.validation.preparation import PreparedStudy
from cellula.validation.study import Study

__all__ = ["boundary_evidence", "cell_type_column", "held_out", "same_species", "species_column"]

SPECIES = ("species", "organism", "organism_ontology_term_id")
CELL_TYPES = (
    *("cell_type", "celltype", "cell_line", "cell_line_name", "cell_type_ontology_term_id"),
    "cell_ontology",
)
#: Other names of a species -> the one that they are compared by.
SPECIES_NAMES: Mapping[str, str] = {
    "homosapiens": "human",
    "ncbitaxon9606": "human",
    "musmusculus": "mouse",
    "ncbitaxon10090": "mouse",
    "rattusnorvegicus": "rat",
    "ncbitaxon10116": "rat",
}
#: Most labels that one aspect lists.
LISTED = 20
#: A bound is reached within rounding.
ROUNDING = 1e-9


def held_out(prepared: PreparedStudy) -> NDArray[np.bool_]:
    """Which profiles any claim asks about: shape (profiles,)."""
    asked = np.zeros(prepared.data.n_profiles, bool)
    for task in prepared.tasks:
        for fold in task.folds:
            asked[fold.test] = True
    return asked


def boundary_evidence(prepared: PreparedStudy) -> Evidence:
    """Evidence ``boundary``: for every aspect what is declared and what lies outside of it.

    Of each aspect: ``declared``; ``state`` (compared, not_told where the data say nothing that
    can be compared, not_limited where the study declares nothing); ``asked_outside`` and
    ``learnt_outside``, labels outside the boundary as [label, profiles], among held-out profiles
    and among those only trained on; ``note``.
    """
    data, study, asked = prepared.data, prepared.study, held_out(prepared)
    limits = study.boundary
    kinds = "perturbation_kind" if data.has_role("perturbation_kind") else None
    cells = cell_type_column(study, data)
    rows = [
        _labels("species", limits.species, data, species_column(data), asked),
        _labels("cell_types", limits.cell_types, data, cells, asked),
        _labels("perturbations", limits.perturbations, data, kinds, asked),
        _range("dose_molar", limits.dose_molar, data, asked),
        _range("time_s", limits.time_s, data, asked),
    ]
    inputs = {"study": study.hash, "data": prepared.digest}
    return Evidence("boundary", "data", plain({"aspects": rows}), inputs)


def species_column(data: Dataset) -> str | None:
    """The column that tells the species, whatever the case of its letters."""
    return _column(data, SPECIES)


def cell_type_column(study: Study, data: Dataset) -> str | None:
    """The column of cell types or lines: an own one, or the context where it was read from one."""
    profiles = next(source for source in study.data if source.role == "profiles")
    origin = profiles.columns.get("context", "")
    if data.has_role("context") and origin.casefold() in CELL_TYPES:
        return "context"
    return _column(data, CELL_TYPES)


def _column(data: Dataset, names: Sequence[str]) -> str | None:
    there = {str(name).casefold(): str(name) for name in data.obs.columns}
    return next((there[name] for name in names if name in there), None)


def same_species(name: str) -> str:
    """A species by the name that it is compared by: ``Homo sapiens`` and ``human`` are one."""
    bare = _bare(name)
    return SPECIES_NAMES.get(bare, bare)


def _bare(label: str) -> str:
    """A label without case, blanks and marks: ``THP-1`` and ``thp1`` are one."""
    return re.sub(r"[^a-z0-9+]", "", label.casefold())


def _row(aspect: str, declared: Sequence[str], state: str, note: str = "") -> dict[str, Any]:
    return {
        "aspect": aspect,
        "declared": list(declared),
        "state": state,
        "note": note,
        "asked_outside": [],
        "learnt_outside": [],
    }


def _labels(
    aspect: str,
    declared: Sequence[str],
    data: Dataset,
    column: str | None,
    asked: NDArray[np.bool_],
) -> dict[str, Any]:
    """An aspect that is a set of labels."""
    if not declared:
        return _row(aspect, (), "not_limited")
    names = [str(name) for name in declared]
    if column is None:
        return _row(aspect, names, "not_told", "no column of the data tells it")
    labels = data.labels(column)
    found = [str(label) for label in labels.categories]
    if aspect == "cell_types" and _are_ids(names) != _are_ids(found):
        note = f"ontology ids and the labels of {column!r} cannot be compared"
        return _row(aspect, names, "not_told", note)
    same = same_species if aspect == "species" else _bare
    allowed = {same(name) for name in names}
    is_outside = np.array([same(label) not in allowed for label in found], bool)
    # A control has no perturbation, so no kind of one either.
    counted = ~data.is_control if aspect == "perturbations" else np.ones(data.n_profiles, bool)
    counted &= labels.codes >= 0
    outside = counted & is_outside[labels.codes]
    row = _row(aspect, names, "compared")
    for key, rows in (("asked_outside", asked), ("learnt_outside", ~asked)):
        sizes = np.bincount(labels.codes[outside & rows], minlength=len(found))
        pairs = sorted((-int(n), label) for n, label in zip(sizes, found, strict=True) if n)
        row[key] = [[label, -n] for n, label in pairs[:LISTED]]
    return row


def _are_ids(names: Sequence[str]) -> bool:
    """Whether these are ids of an ontology (``CL:0000236``)."""
    return any(re.fullmatch(r"[A-Za-z]+:\d+", name) for name in names)


def _range(
    aspect: str, declared: tuple[float, float] | None, data: Dataset, asked: NDArray[np.bool_]
) -> dict[str, Any]:
    """An aspect that is a range of numbers; controls, which have no dose, are left out."""
    if declared is None:
        return _row(aspect, (), "not_limited")
    low, high = declared
    told = [f"{low:g} to {high:g}"]
    if not data.has_role(aspect):
        return _row(aspect, told, "not_told", "no column of the data tells it")
    values = data.role(aspect).to_numpy(np.float64)
    outside = (values < low * (1 - ROUNDING)) | (values > high * (1 + ROUNDING))
    outside &= ~data.is_control
    row = _row(aspect, told, "compared")
    for key, rows in (("asked_outside", asked), ("learnt_outside", ~asked)):
        numbers, sizes = np.unique(values[outside & rows], return_counts=True)
        pairs = zip(numbers.tolist(), sizes.tolist(), strict=True)
        row[key] = [[f"{number:g}", n] for number, n in pairs][:LISTED]
    return row
