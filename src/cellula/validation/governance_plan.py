"""What a study file says of the people behind the data and of those who own it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cellula.validation.strict import Strict

__all__ = ["Fairness", "Governance", "Privacy", "Rights", "Use"]


class Privacy(Strict):
    """What protects the people behind the data."""

    unit: str
    """Role of whom is protected, such as ``donor``."""
    memorisation: Literal["required", "off"]
    """Whether generative models are tested for repeating their training data."""
    dp: Literal["off"] | float
    """Epsilon of differential privacy for every unit; ``off``: none."""


class Fairness(Strict):
    """Groups that must not fare differently."""

    by: tuple[str, ...] = Field(min_length=1)
    """Columns that name the groups, such as ``sex``."""
    max_gap: float = Field(gt=0)
    """The largest difference between the scores of two groups."""
    min_n: int = Field(ge=1)
    """Groups smaller than this are not judged."""


class Use(Strict):
    """What the data are used for: the entry gate on consent reads it."""

    purpose: Literal["general_research", "biomedical", "disease", "methods", "ancestry"]
    """What the study serves, as the Data Use Ontology divides it [lawson2021]_."""
    disease: tuple[str, ...] = ()
    """MONDO ids that the study is about; empty: none in particular."""
    is_commercial: bool = True
    """Whether the use is commercial."""
    is_not_for_profit: bool = False
    """Whether a not-for-profit organisation uses the data."""
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """ISO 3166 code of the country where it is done."""
    has_ethics_approval: bool = False
    """Whether an ethics committee approved it."""
    is_published: bool = False
    """Whether the results will be published."""
    is_collaboration: bool = False
    """Whether those who collected the data take part."""
    is_genetic_study: bool = False
    """Whether it studies genes in people's genomes."""
    returns_results: bool = False
    """Whether results go back to the database that the data come from."""
    approvals: tuple[Literal["US", "PS", "IS", "RS"], ...] = ()
    """Consent codes for which the owner of the data approved the use in writing."""
    date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """Day of the use, YYYY-MM-DD, where a code sets a date."""


class Governance(Strict):
    """What the data are used for, privacy and fairness."""

    use: Use | None = None
    """What the data are used for; the entry gate on consent reads it."""
    privacy: Privacy | None = None
    """What protects the people behind the data."""
    fairness: Fairness | None = None
    """Groups that must fare alike."""


class Rights(Strict):
    """Who owns what."""

    data_provider: str = ""
    """Who provides the data, and what remains theirs."""
    model_developer: str = ""
    """Who develops the models, and what remains theirs."""
    end_user: str = ""
    """Who uses the answers, and what they may do with them."""
