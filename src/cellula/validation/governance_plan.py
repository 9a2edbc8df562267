"""What a study file says of the people behind the data and of those who own it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cellula.validation.strict import Strict

__all__ = ["Fairness", "Governance", "Privacy", "Rights", "Use"]


class Privacy(Strict):
    """What protects the people behind the data."""

    unit: str
    memorisation: Literal["required", "off"]
    dp: Literal["off"] | float


class Fairness(Strict):
    """Groups that must not differ by more than ``max_gap``."""

    by: tuple[str, ...] = Field(min_length=1)
    max_gap: float = Field(gt=0)
    min_n: int = Field(ge=1)


class Use(Strict):
    """What the data are used for: the entry gate on consent reads it.

    purpose: what the study serves, as the Data Use Ontology divides it. disease: MONDO ids that
    the study is about; empty: none in particular. country: ISO 3166 code of where it is done.
    has_ethics_approval, is_published, is_collaboration, is_genetic_study, returns_results:
    conditions that the study meets. approvals: consent codes (``US``, ``PS``, ``IS``, ``RS``)
    for which the owner of the data approved this user, project, institution or research in
    writing. date: when the data are used, where a code sets a date.
    """

    purpose: Literal["general_research", "biomedical", "disease", "methods", "ancestry"]
    disease: tuple[str, ...] = ()
    is_commercial: bool = True
    is_not_for_profit: bool = False
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    has_ethics_approval: bool = False
    is_published: bool = False
    is_collaboration: bool = False
    is_genetic_study: bool = False
    returns_results: bool = False
    approvals: tuple[Literal["US", "PS", "IS", "RS"], ...] = ()
    date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")


class Governance(Strict):
    """What the data are used for, privacy and fairness."""

    use: Use | None = None
    privacy: Privacy | None = None
    fairness: Fairness | None = None


class Rights(Strict):
    """Who owns what."""

    data_provider: str = ""
    model_developer: str = ""
    end_user: str = ""
