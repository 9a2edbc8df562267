"""Flux balance as a linear program, solved by HiGHS through SciPy.

Fluxes are in the units of the network's bounds, for genome-scale models mmol per gram dry weight
and hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog

from cellula.core.errors import DataError, EngineError
from cellula.core.flux import FluxBalance, FluxObjective
from cellula.core.network import Network, Reaction
from cellula.models.mechanistic.fixed_stoichiometry import stoichiometry

__all__ = [
    "Floats",
    "FluxProblem",
    "Solution",
    "flux_problem",
    "require_optimal",
    "solved",
    "within_objective",
]

Floats: TypeAlias = NDArray[np.float64]
Status: TypeAlias = Literal["optimal", "infeasible", "unbounded"]
#: What SciPy calls the ends of a linear program.
STATUS: Mapping[int, Status] = {0: "optimal", 2: "infeasible", 3: "unbounded"}


@final
@dataclass(frozen=True, slots=True)
class FluxProblem:
    """S v = 0, lower <= v <= upper, w v as large (or small) as can be.

    stoichiometry: (species, reactions), without species that are constant or on the boundary.
    """

    id: str
    ids: tuple[str, ...]
    species: tuple[str, ...]
    stoichiometry: sp.csc_matrix
    lower: Floats
    upper: Floats
    weights: Floats
    is_maximum: bool


@final
@dataclass(frozen=True, slots=True)
class Solution:
    """How a linear program ended; values and objective where it is optimal."""

    status: Status
    values: Floats
    objective: float


def flux_problem(network: Network) -> FluxProblem:
    """The linear program of a network.

    Raises DataError, naming the reaction, where there are no bounds and objectives, a bound is not
    a number or the lower above the upper one, a stoichiometry changes, or a name is unknown.
    """
    if network.flux is None:
        raise DataError(
            f"network {network.id!r} has no bounds and no objective for flux balance; read it from "
            "SBML with the package fbc, or give it a FluxBalance"
        )
    ids = tuple(reaction.id for reaction in network.reactions)
    if not ids:
        raise DataError(f"network {network.id!r} has no reaction; flux balance needs one")
    rows = tuple(one.id for one in network.species if not (one.is_boundary or one.is_constant))
    objective = _objective(network.flux, network.id)
    _check_known(network.flux.bounds, ids, "a bound", network.id)
    _check_known(objective.weights, ids, "the objective", network.id)
    bounds = np.array(
        [_bounds(reaction, network.flux.bounds) for reaction in network.reactions], np.float64
    )
    weights = np.array([objective.weights.get(id, 0.0) for id in ids], np.float64)
    if not np.isfinite(weights).all():
        raise DataError(f"objective {objective.id!r} has a weight that is no finite number")
    matrix = stoichiometry(network, rows)
    return FluxProblem(
        network.id, ids, rows, matrix, bounds[:, 0], bounds[:, 1], weights, objective.is_maximum
    )


def solved(problem: FluxProblem) -> Solution:
    """How the program ends. Raises EngineError where HiGHS finds no end, with what it says."""
    sign = -1.0 if problem.is_maximum else 1.0
    if (problem.lower > problem.upper).any():
        return Solution("infeasible", np.empty(0), np.nan)
    found = linprog(
        sign * problem.weights,
        A_eq=problem.stoichiometry if problem.species else None,
        b_eq=np.zeros(len(problem.species)) if problem.species else None,
        bounds=np.column_stack([problem.lower, problem.upper]),
        method="highs-ds",
    )
    status = STATUS.get(found.status)
    if status is None and found.status == 4:
        status = _unclear(problem)
    if status is None:
        raise EngineError(f"HiGHS did not solve flux balance of {problem.id!r}: {found.message}")
    if status != "optimal":
        return Solution(status, np.empty(0), np.nan)
    values = np.clip(np.asarray(found.x, np.float64), problem.lower, problem.upper)
    return Solution("optimal", values, float(problem.weights @ values))


def require_optimal(problem: FluxProblem, found: Solution) -> Solution:
    """A solution that is one; EngineError, naming the network, on one that is none."""
    if found.status == "infeasible":
        raise EngineError(
            f"flux balance of {problem.id!r} is infeasible: no steady state keeps all bounds; look "
            "for reactions that are forced to run (a lower bound above 0) without what they take"
        )
    if found.status == "unbounded":
        raise EngineError(
            f"flux balance of {problem.id!r} is unbounded: the objective can grow without end; "
            "bound the uptake of what it is made of"
        )
    return found


def within_objective(problem: FluxProblem, best: float, fraction: float) -> FluxProblem:
    """The program whose objective, its last column, is at least ``fraction`` of the best.

    It has one reaction and one species more, and nothing to make large. Raises DataError on a
    fraction outside of 0 ... 1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise DataError(f"the fraction of the objective is {fraction:g}; expected 0 to 1")
    slack = (1.0 - fraction) * abs(best)
    limits = (best - slack, np.inf) if problem.is_maximum else (-np.inf, best + slack)
    row = sp.csr_matrix(problem.weights[None, :])
    column = sp.csr_matrix(([-1.0], ([len(problem.species)], [0])), (len(problem.species) + 1, 1))
    return replace(
        problem,
        ids=(*problem.ids, "objective"),
        species=(*problem.species, "objective"),
        stoichiometry=sp.hstack([sp.vstack([problem.stoichiometry, row]), column]).tocsc(),
        lower=np.append(problem.lower, limits[0]),
        upper=np.append(problem.upper, limits[1]),
        weights=np.zeros(len(problem.ids) + 1),
    )


def _unclear(problem: FluxProblem) -> Status | None:
    """Whether a program that HiGHS calls infeasible or unbounded has any solution."""
    feasible = solved(replace(problem, weights=np.zeros(len(problem.ids))))
    return "unbounded" if feasible.status == "optimal" and problem.weights.any() else "infeasible"


def _objective(flux: FluxBalance, network: str) -> FluxObjective:
    for one in flux.objectives:
        if one.id == flux.active:
            return one
    told = ", ".join(repr(one.id) for one in flux.objectives) or "none"
    raise DataError(f"network {network!r} has no objective {flux.active!r}; it has {told}")


def _check_known(given: Mapping[str, object], ids: tuple[str, ...], what: str, id: str) -> None:
    strange = sorted(set(given) - set(ids))
    if strange:
        raise DataError(f"{what} names {strange[0]!r}, which is no reaction of network {id!r}")


def _bounds(reaction: Reaction, given: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    free = (-np.inf if reaction.is_reversible else 0.0, np.inf)
    lower, upper = given.get(reaction.id, free)
    if not lower <= upper or lower == np.inf or upper == -np.inf:
        raise DataError(
            f"reaction {reaction.id!r} has the bounds {lower:g} and {upper:g}; expected a lower "
            "one that is not above the upper one"
        )
    return lower, upper
