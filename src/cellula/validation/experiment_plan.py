"""What a study file says of what follows the computation: use, experiment, replication."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cellula.validation.strict import Strict

__all__ = ["Application", "Middle", "Outer"]


class Advance(Strict):
    """The registered rule that turns hits into claims."""

    top: int = Field(ge=1)
    """How many of the best candidates become claims."""
    direction: Literal["predicted", "up", "down"]
    """Direction of the effect that is claimed; ``predicted``: the model's own."""


class Application(Strict):
    """What a model that passed may be used for."""

    kind: Literal["targets", "compounds", "mechanism", "liver", "heart", "exposure", "twin"]
    """What is sought."""
    candidates: str
    """What is ranked, such as ``expressed`` genes."""
    score: str
    """What candidates are ranked by, such as ``reversal``."""
    advance: Advance
    """The rule that turns hits into claims."""


class Assay(Strict):
    """The experiment of the middle loop."""

    system: str
    """The cells or tissue, such as ``primary_pbmc``."""
    kind: str
    """How it is perturbed, such as ``crispri``."""
    endpoint: str
    """What is measured, with its unit, such as ``ISG15 log2FC``."""
    unit: str
    """The unit of replication, such as ``donor``."""


class AssayTest(Strict):
    """The pre-specified test of the experiment."""

    direction: Literal["up", "down", "two_sided"]
    """Direction of the effect that confirms."""
    min_effect: float = Field(gt=0)
    """The smallest effect that matters, in units of the endpoint."""
    equivalence: float = Field(gt=0)
    """Effects smaller than this, either way, are none; in units of the endpoint."""
    alpha: float = Field(gt=0, lt=1)
    """The chance of confirming an effect that is not there."""
    power: float = Field(gt=0, lt=1)
    """The chance of confirming the smallest effect that matters, by design."""


class Middle(Strict):
    """The middle loop: an experiment that may confirm or refute."""

    assay: Assay
    """What is done and measured."""
    test: AssayTest
    """How the result is decided."""


class Replicate(Strict):
    """What makes the outer loop's data independent."""

    platform_differs: bool
    """Whether another platform measures them."""
    prospective: bool
    """Whether they are acquired after the model was frozen."""


EvidenceSlot = Literal[
    "generalizability", "stability", "interpretability", "safety_review", "failure_modes"
]


class Outer(Strict):
    """The outer loop: another platform, prospective data, five evidence slots."""

    replicate: Replicate
    """What makes the data independent."""
    bands: dict[str, tuple[float, float]] = {}
    """Stratum out of domain -> lowest and highest value; a departure gives feedback."""
    require: tuple[EvidenceSlot, ...] = ()
    """Kinds of evidence that must be present for the decision."""
