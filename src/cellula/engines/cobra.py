"""COBRApy [ebrahim2013]_: flux balance by another hand."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any, ClassVar, Literal, final

import cobra
from cobra.exceptions import OptimizationError
from cobra.flux_analysis import pfba
from pydantic import Field

from cellula.core.errors import DataError, NotConverged
from cellula.core.flux import FluxBalance, Fluxes
from cellula.core.model import Options
from cellula.core.network import Network, Reaction

__all__ = ["Cobra", "CobraOptions"]

#: As package registries call it.
PACKAGE = "cobra"
_COBRA: Any = cobra  # cobra has no types


class CobraOptions(Options):
    """Options of :class:`Cobra`."""

    method: Literal["fba", "pfba"] = "fba"
    """Any best fluxes, or of all best ones those with the smallest sum [lewis2010]_."""
    tolerance: float = Field(default=1e-8, gt=0, le=1e-3)
    """How far a balance or a bound may be missed, in the network's unit of flux."""


@final
class Cobra:
    """COBRApy [ebrahim2013]_ with GLPK, on one thread: flux balance [orth2010]_.

    Species are balanced unless they are boundary or constant ones.
    """

    name: ClassVar[str] = "cobra"
    package: ClassVar[str] = PACKAGE
    options_type: ClassVar[type[Options]] = CobraOptions
    references: ClassVar[tuple[str, ...]] = ("ebrahim2013", "orth2010")

    def __init__(self, options: CobraOptions) -> None:
        self.options = options
        self.version = version(PACKAGE)

    def solve(self, network: Network) -> Fluxes:
        """Fluxes at which nothing piles up and the active objective is best.

        Raises DataError on a network without ``flux``, or with a stoichiometry that is no
        number, and NotConverged where COBRApy gives up.
        """
        model = _model(network)
        model.tolerance = self.options.tolerance
        best = model.slim_optimize(error_value=math.nan)
        status = model.solver.status
        if status in {"infeasible", "unbounded"}:
            return Fluxes({}, math.nan, status)
        if status != "optimal":
            raise NotConverged(
                f"cobra {self.version} ends with {status!r} on network {network.id!r}; expected "
                "an optimum; loosen the tolerance or narrow the bounds"
            )
        found = self._solution(model, network)
        return Fluxes({id: float(found[id]) for id in found.index}, float(best))

    def _solution(self, model: Any, network: Network) -> Any:
        try:
            solution = pfba(model) if self.options.method == "pfba" else model.optimize()
        except OptimizationError as error:
            raise NotConverged(
                f"cobra {self.version} has no {self.options.method} fluxes of network "
                f"{network.id!r}: {error}; loosen the tolerance"
            ) from error
        return solution.fluxes


def _model(network: Network) -> Any:
    """The network as COBRApy keeps it. Raises DataError where it is none for flux balance."""
    flux = network.flux
    if flux is None:
        raise DataError(
            f"network {network.id!r} has no flux bounds and no objective; read a model with the "
            "SBML package fbc, or simulate it"
        )
    made = _COBRA.Model(network.id)
    balanced = {
        one.id: _COBRA.Metabolite(one.id, compartment=one.compartment)
        for one in network.species
        if not (one.is_boundary or one.is_constant)
    }
    made.add_metabolites(list(balanced.values()))
    made.add_reactions([_reaction(one, flux, balanced) for one in network.reactions])
    objective = next((one for one in flux.objectives if one.id == flux.active), None)
    if objective is None:
        raise DataError(f"network {network.id!r} has no objective {flux.active!r}")
    made.objective = {made.reactions.get_by_id(id): w for id, w in objective.weights.items()}
    made.objective_direction = "max" if objective.is_maximum else "min"
    return made


def _reaction(one: Reaction, flux: FluxBalance, balanced: dict[str, Any]) -> Any:
    free = (-math.inf if one.is_reversible else 0.0, math.inf)
    lower, upper = flux.bounds.get(one.id, free)
    if lower > upper:
        raise DataError(
            f"reaction {one.id!r} has the bounds {lower:g} and {upper:g}; expected lower <= upper"
        )
    made = _COBRA.Reaction(one.id, lower_bound=lower, upper_bound=upper)
    sums: dict[Any, float] = {}
    for sign, parts in ((-1.0, one.reactants), (1.0, one.products)):
        for part in parts:
            if part.stoichiometry is None or not math.isfinite(part.stoichiometry):
                raise DataError(f"{part.species!r} in reaction {one.id!r} has no stoichiometry")
            if part.species in balanced:
                species = balanced[part.species]
                sums[species] = sums.get(species, 0.0) + sign * part.stoichiometry
    made.add_metabolites({species: many for species, many in sums.items() if many})
    return made
