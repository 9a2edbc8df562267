"""Cautions: what a reader must know although no gate failed. Raised automatically, never silent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellula.core.canonical import plain
from cellula.core.dataset import Dataset
from cellula.core.evidence import Evidence
from cellula.core.numerals import plural, plural_of
from cellula.core.roles import NUMERIC_ROLES, role_words
from cellula.data.catalogue import source as catalogue
from cellula.data.sources_bias import SourcesBiasOptions
from cellula.validation.answers import ClaimTask
from cellula.validation.boundary import same_species, species_column
from cellula.validation.bundling import may_include_truth
from cellula.validation.eligibility import declared_license
from cellula.validation.preparation import PreparedStudy

__all__ = ["FEW_PROFILES", "FEW_UNITS", "Caution", "cautions_evidence"]

#: A held-out group with fewer profiles is rare: its score is mostly noise of single profiles.
FEW_PROFILES = 10
#: With fewer units of replication a resampled interval is rough (a gate needs five at least).
FEW_UNITS = 10
#: Words of a context of use that speak of people.
PEOPLE = re.compile(r"\b(humans?|patients?|clinic\w*|people|persons?|volunteers?)\b", re.IGNORECASE)
#: Numeric role -> its unit.
UNITS: Mapping[str, str] = {"dose_molar": "mol/l", "time_s": "s"}
#: The part of an SPDX key that forbids derivatives.
NO_DERIVATIVES = re.compile(r"-ND(-|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caution:
    """One caution: of which kind, about what (a claim, a source, the data), and what to do.

    n: how many of what ``what`` counts (profiles, groups, sources) it concerns.
    """

    kind: str
    where: str
    what: str
    n: int
    action: str


def cautions_evidence(prepared: PreparedStudy, boundary: Evidence) -> Evidence:
    """Evidence ``cautions``: every caution about a study and its data, in a fixed order.

    boundary: the evidence on the boundary, whose gaps become cautions.
    """
    found = [
        *_cross_species(prepared),
        *_boundary(boundary.payload["aspects"]),
        *(one for task in prepared.tasks for one in _claim(task)),
        *_one_source(prepared),
        *_licences(prepared),
        *_consent(prepared),
        *_truth(prepared),
    ]
    inputs = {"study": prepared.study.hash, "data": prepared.digest}
    return Evidence("cautions", "data", plain({"cautions": found}), inputs)


def _cross_species(prepared: PreparedStudy) -> Iterator[Caution]:
    """Data of several species, or of another one than the study speaks of."""
    study, data = prepared.study, prepared.data
    column = species_column(data)
    labels = [] if column is None else [str(name) for name in data.labels(column).categories]
    here = {same_species(name) for name in labels}
    asked = {same_species(name) for name in study.boundary.species}
    if len(here) > 1 or len(asked) > 1:
        names = sorted(here | asked)
        yield Caution(
            "cross_species",
            "data",
            f"several species take part: {', '.join(names)}",
            len(names),
            "score each species by itself before speaking of all",
        )
    told = here or asked
    is_about_people = PEOPLE.search(study.context_of_use.role) is not None
    if told and "human" not in told and (is_about_people or "human" in asked):
        yield Caution(
            "cross_species",
            "context of use",
            f"the use is about people, the data are of {', '.join(sorted(told))}",
            len(told),
            "confirm in human cells or tissue before any step towards patients",
        )


def _boundary(aspects: Sequence[Mapping[str, Any]]) -> Iterator[Caution]:
    for row in aspects:
        name = role_words(str(row["aspect"]))
        for key, who, action in (
            ("asked_outside", "held out", "widen the boundary or leave them out"),
            ("learnt_outside", "only trained on", "check that they teach what the study asks"),
        ):
            if row[key]:
                labels = ", ".join(str(label) for label, _ in row[key][:5])
                n = sum(int(n) for _, n in row[key])
                what = f"{n:,} profiles {who} lie outside the declared {name}: {labels}"
                yield Caution("outside_boundary", f"boundary.{row['aspect']}", what, n, action)
        if row["state"] == "not_told":
            yield Caution(
                "boundary_not_checked",
                f"boundary.{row['aspect']}",
                f"declared as {', '.join(row['declared'])}, but {row['note']}",
                len(row["declared"]),
                "add the column, or check by hand that the data lie inside",
            )


def _claim(task: ClaimTask) -> Iterator[Caution]:
    yield from _rare(task)
    yield from _extrapolated(task)
    n_units = task.n_units
    if n_units < FEW_UNITS:
        yield Caution(
            "few_units",
            task.claim.id,
            f"the claim rests on {plural(n_units, task.unit)}",
            n_units,
            f"measure at least {FEW_UNITS}: an interval over fewer is rough",
        )


def _rare(task: ClaimTask) -> Iterator[Caution]:
    """Contexts and perturbations that are held out and have few profiles in all."""
    data = task.data
    asked = np.unique(np.concatenate([fold.test for fold in task.folds]))
    asked = asked[~data.is_control[asked]]
    for role in ("context", "perturbation"):
        if not data.has_role(role):
            continue
        codes = data.labels(role).codes
        treated = codes[~data.is_control]
        sizes = np.bincount(treated[treated >= 0], minlength=len(data.labels(role).categories))
        held = np.unique(codes[asked])
        held = held[held >= 0]
        rare = held[sizes[held] < FEW_PROFILES]
        if len(rare):
            least = rare[np.argmin(sizes[rare])]
            name = data.labels(role).categories[least]
            yield Caution(
                "rare_group",
                f"{task.claim.id}, {role}",
                f"{len(rare):,} of {len(held):,} held-out {plural_of(role)} have fewer than "
                f"{FEW_PROFILES} profiles; the least, {name}, has {sizes[least]}",
                len(rare),
                "read the scores of these groups as noise until more is measured",
            )


def _extrapolated(task: ClaimTask) -> Iterator[Caution]:
    """Held-out doses and times beyond those of the training profiles of their fold."""
    data = task.data
    for role in NUMERIC_ROLES:
        if not data.has_role(role):
            continue
        values, treated = data.role(role).to_numpy(np.float64), ~data.is_control
        beyond = np.zeros(data.n_profiles, bool)
        for fold in task.folds:
            known = values[fold.train[treated[fold.train]]]
            asked = fold.test[treated[fold.test]]
            if len(known) and len(asked):
                beyond[asked] |= (values[asked] < known.min()) | (values[asked] > known.max())
        n = int(beyond.sum())
        if n:
            yield Caution(
                "outside_training_range",
                f"{task.claim.id}, {role_words(role)}",
                f"{n:,} held-out profiles lie beyond every {role_words(role)} trained on "
                f"({values[beyond].min():g} to {values[beyond].max():g} {UNITS[role]})",
                n,
                "an extrapolation: read the failures at these values, or measure around them",
            )


def _one_source(prepared: PreparedStudy) -> Iterator[Caution]:
    """No column tells two platforms, laboratories, batches or donors apart."""
    data = prepared.data
    options = SourcesBiasOptions()
    for aspect, noun, columns in (
        ("platform", "platform, laboratory or batch", options.platform),
        ("who", "donor", ("donor", "individual", "donor_id", "patient")),
    ):
        if not any(_differs(data, name) for name in columns):
            yield Caution(
                "one_source",
                aspect,
                f"the data tell no second {noun} apart",
                1,
                "do not carry the claim to another one without data from it",
            )


def _differs(data: Dataset, name: str) -> bool:
    there = {str(column).casefold(): str(column) for column in data.obs.columns}
    return name in there and data.obs[there[name]].nunique() > 1


def _licences(prepared: PreparedStudy) -> Iterator[Caution]:
    for source in prepared.study.data:
        license = declared_license(source)
        if "LicenseRef-" in license:
            yield Caution(
                "licence_to_read",
                source.name,
                f"the terms of {license} are not machine-readable",
                1,
                "a person must read them before results are shared",
            )
        if NO_DERIVATIVES.search(license):
            yield Caution(
                "licence_to_read",
                source.name,
                f"{license} forbids derivatives: the bundle holds predictions and scores",
                1,
                "a person must judge whether these may be shared",
            )
        known = catalogue.source(source.catalogue).license if source.catalogue else license
        if known != license:
            yield Caution(
                "licence_differs",
                source.name,
                f"the study states {license}, the catalogue {known}",
                1,
                "a person must read the terms that the study leaves out",
            )


def _consent(prepared: PreparedStudy) -> Iterator[Caution]:
    use = prepared.study.governance.use
    country = "" if use is None else use.country
    for source in prepared.study.data:
        if not source.duo:
            yield Caution(
                "no_consent_code",
                source.name,
                "no consent code is declared",
                1,
                "add duo, or NRES where no person's consent is needed",
            )
        if source.residency and not country:
            yield Caution(
                "residency_not_checked",
                source.name,
                f"the data may reside in {', '.join(source.residency)} only",
                1,
                "state governance.use.country",
            )
        if source.jurisdiction and country and source.jurisdiction != country:
            yield Caution(
                "cross_border",
                source.name,
                f"data under the law of {source.jurisdiction} are used in {country}",
                1,
                "a person must check that the transfer is lawful",
            )


def _truth(prepared: PreparedStudy) -> Iterator[Caution]:
    if not may_include_truth(prepared.study.data):
        yield Caution(
            "truth_not_in_bundle",
            "bundle",
            "the licence keeps the measured values out of the bundle",
            1,
            "a reader needs the data themselves to compute the scores again",
        )
