"""Flux balance of a network: bounds of fluxes, objectives, genes behind reactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["FluxBalance", "FluxObjective", "Fluxes", "Gene", "GeneRule"]


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene product that reactions need; ``label`` is the name that users know it by."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class GeneRule:
    """``and`` of all parts or ``or`` of any: what a reaction needs in order to run."""

    how: str
    parts: tuple[str | GeneRule, ...]


Requirement: TypeAlias = str | GeneRule


@dataclass(frozen=True, slots=True)
class FluxObjective:
    """A weighted sum of fluxes that is made as large, or as small, as can be."""

    id: str
    weights: Mapping[str, float]
    is_maximum: bool = True


@dataclass(frozen=True, slots=True)
class FluxBalance:
    """Reaction -> (lower, upper) bound; gene rules by reaction; objectives, one of them active.

    A reaction without bounds is free, from 0 where it is irreversible [orth2010]_.
    """

    bounds: Mapping[str, tuple[float, float]]
    objectives: tuple[FluxObjective, ...]
    active: str
    genes: tuple[Gene, ...] = ()
    rules: Mapping[str, Requirement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fluxes:
    """What flux balance finds: a flux of every reaction, in the network's unit of flux.

    values: reaction -> flux, empty unless ``status`` is ``optimal``. objective: the value of the
    active objective; NaN where there is none, for the reason that ``status`` tells: no fluxes
    keep all bounds (``infeasible``) or the objective has no bound (``unbounded``).
    """

    values: Mapping[str, float]
    objective: float
    status: Literal["optimal", "infeasible", "unbounded"] = "optimal"
