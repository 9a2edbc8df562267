"""Flux balance of a network: the fluxes of a steady state that make an objective best."""

from __future__ import annotations

from typing import ClassVar, Literal, final

import numpy as np
import scipy.sparse as sp

from cellula.core.flux import Fluxes
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.models.mechanistic.flux_problem import (
    FluxProblem,
    Solution,
    flux_problem,
    require_optimal,
    solved,
    within_objective,
)

__all__ = ["Highs", "HighsOptions", "flux_balance", "parsimonious"]


@final
class HighsOptions(Options):
    """Which of the best fluxes."""

    method: Literal["fba", "pfba"] = "fba"
    """Any best fluxes, or of all best ones those with the smallest sum [lewis2010]_."""


@final
class Highs:
    """Flux balance [orth2010]_ by the simplex method of HiGHS, which SciPy brings."""

    name: ClassVar[str] = "highs"
    options_type: ClassVar[type[HighsOptions]] = HighsOptions
    references: ClassVar[tuple[str, ...]] = ("orth2010", "lewis2010")

    def __init__(self, options: HighsOptions) -> None:
        self.options = options

    def solve(self, network: Network) -> Fluxes:
        """As :func:`flux_balance` or :func:`parsimonious`, as the options say."""
        return flux_balance(network) if self.options.method == "fba" else parsimonious(network)


def flux_balance(network: Network) -> Fluxes:
    """The fluxes that make the active objective best [orth2010]_.

    Maximises (or minimises) w v over S v = 0, lower <= v <= upper. The objective is unique, the
    fluxes often are not: :func:`parsimonious` takes the smallest of them. That no steady state
    keeps the bounds, or that the objective has no bound, is told by the status. Raises DataError
    where the network has no bounds and objective or they contradict each other.
    """
    problem = flux_problem(network)
    return _told(problem, solved(problem))


def parsimonious(network: Network, fraction: float = 1.0) -> Fluxes:
    """Of all fluxes with the best objective those with the smallest sum of |v| [lewis2010]_.

    fraction: how much of the best objective is enough, from 0 to 1. Else as :func:`flux_balance`.
    """
    problem = flux_problem(network)
    best = solved(problem)
    if best.status != "optimal":
        return _told(problem, best)
    near = within_objective(problem, best.objective, fraction)
    found = require_optimal(near, solved(_two_ways(near)))
    values = found.values[: len(near.ids)] - found.values[len(near.ids) :]
    return _told(problem, Solution("optimal", values[: len(problem.ids)], best.objective))


def _two_ways(near: FluxProblem) -> FluxProblem:
    """The program of fluxes forth and fluxes back, their sum as small as can be.

    The last column is the objective: it costs nothing.
    """
    costs = np.append(np.ones(len(near.ids) - 1), 0.0)
    return FluxProblem(
        near.id,
        near.ids * 2,
        near.species,
        sp.hstack([near.stoichiometry, -near.stoichiometry]).tocsc(),
        np.concatenate([np.maximum(near.lower, 0.0), np.maximum(-near.upper, 0.0)]),
        np.concatenate([np.maximum(near.upper, 0.0), np.maximum(-near.lower, 0.0)]),
        np.tile(costs, 2),
        False,
    )


def _told(problem: FluxProblem, found: Solution) -> Fluxes:
    if found.status != "optimal":
        return Fluxes({}, float("nan"), found.status)
    values = dict(zip(problem.ids, found.values.tolist(), strict=True))
    return Fluxes(values, float(problem.weights @ found.values))
