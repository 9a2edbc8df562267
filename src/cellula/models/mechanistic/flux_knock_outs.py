"""What the objective of flux balance is without reactions or genes, one or two at a time."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.flux import GeneRule
from cellula.core.network import Network
from cellula.models.mechanistic.flux_problem import (
    Floats,
    FluxProblem,
    Solution,
    flux_problem,
    require_optimal,
    solved,
)

__all__ = ["KnockOuts", "is_able", "knock_outs"]

#: A smaller flux is none: without it nothing changes.
NONE = 1e-9


@final
@dataclass(frozen=True, slots=True)
class KnockOuts:
    """The best objective without each of some reactions or genes.

    objective: not a number where status is not "optimal". wild_type: with all of them.
    """

    knocked: tuple[tuple[str, ...], ...]
    objective: Floats
    status: tuple[Literal["optimal", "infeasible", "unbounded"], ...]
    wild_type: float

    def of(self, *ids: str) -> float:
        """The objective without these, in any order; DataError where that was not computed."""
        for knocked, value in zip(self.knocked, self.objective, strict=True):
            if set(knocked) == set(ids):
                return float(value)
        raise DataError(f"no knock-out of {', '.join(ids)} was computed")


def knock_outs(
    network: Network,
    of: Literal["reactions", "genes"] = "reactions",
    order: Literal[1, 2] = 1,
    ids: Sequence[str] | None = None,
) -> KnockOuts:
    """The objective with reactions, or genes, taken out: one at a time, or every pair.

    A reaction without its gene's product (:class:`~cellula.core.flux.GeneRule`) has flux 0
    [orth2010]_. A program is solved only where the fluxes found with fewer taken out use what is
    taken out. ids: None for all. Raises as ``flux_balance``, and DataError on an unknown id.
    """
    problem = flux_problem(network)
    wild_type = require_optimal(problem, solved(problem))
    names = _names(network, of, ids)
    needed = _needed_by(network, of)
    singles = {
        name: _solved(problem, _stopped(network, needed, [name]), [wild_type]) for name in names
    }
    found: list[tuple[tuple[str, ...], Solution]] = [((id,), one) for id, one in singles.items()]
    if order == 2:
        found = [
            (pair, _solved(problem, _stopped(network, needed, pair), [singles[id] for id in pair]))
            for pair in itertools.combinations(names, 2)
        ]
    return KnockOuts(
        tuple(knocked for knocked, _ in found),
        np.array([one.objective for _, one in found], np.float64),
        tuple(one.status for _, one in found),
        wild_type.objective,
    )


def is_able(rule: str | GeneRule, missing: Collection[str]) -> bool:
    """Whether a reaction runs without some genes; a rule without parts asks for nothing.

    Does not recurse: the depth of a rule is not bounded by Python's stack.
    """
    results: list[bool] = []
    pending: list[tuple[str | GeneRule, bool]] = [(rule, False)]
    while pending:
        part, is_done = pending.pop()
        if isinstance(part, str):
            results.append(part not in missing)
        elif not is_done:
            pending.append((part, True))
            pending.extend((inner, False) for inner in part.parts)
        else:
            split = len(results) - len(part.parts)
            inner_results = results[split:]
            del results[split:]
            is_any = part.how == "or" and inner_results
            results.append(any(inner_results) if is_any else all(inner_results))
    return results[0]


def _names(network: Network, of: str, ids: Sequence[str] | None) -> tuple[str, ...]:
    genes = () if network.flux is None else tuple(gene.id for gene in network.flux.genes)
    known = genes if of == "genes" else tuple(one.id for one in network.reactions)
    strange = [] if ids is None else [id for id in ids if id not in known]
    if strange:
        raise DataError(
            f"{strange[0]!r} is none of the {of} of network {network.id!r}, which has {len(known)}"
        )
    return known if ids is None else tuple(ids)


def _needed_by(network: Network, of: str) -> Mapping[str, tuple[int, ...]]:
    """Reaction or gene -> the places of the reactions that may stop without it."""
    places = {reaction.id: at for at, reaction in enumerate(network.reactions)}
    if of == "reactions":
        return {id: (at,) for id, at in places.items()}
    rules = {} if network.flux is None else network.flux.rules
    needed: dict[str, list[int]] = {}
    for id, rule in rules.items():
        pending: list[str | GeneRule] = [rule]
        while pending:
            part = pending.pop()
            if isinstance(part, GeneRule):
                pending += part.parts
            else:
                needed.setdefault(part, []).append(places[id])
    return {gene: tuple(found) for gene, found in needed.items()}


def _stopped(
    network: Network, needed: Mapping[str, tuple[int, ...]], ids: Sequence[str]
) -> NDArray[np.int64]:
    """The places of the reactions that stop without these reactions or genes."""
    rules: Mapping[str, str | GeneRule] = {} if network.flux is None else network.flux.rules
    found: list[int] = []
    for at in sorted({at for id in ids for at in needed.get(id, ())}):
        reaction = network.reactions[at].id
        if reaction in ids or not is_able(rules[reaction], ids):
            found.append(at)
    return np.array(found, np.int64)


def _solved(
    problem: FluxProblem, stopped: NDArray[np.int64], before: Sequence[Solution]
) -> Solution:
    """The program without some reactions.

    before: solutions with fewer reactions taken out: one that does not use those taken out here
    stays the best, and where one is infeasible, this one is.
    """
    for one in before:
        if one.status == "infeasible":
            return one
        if one.status == "optimal" and (np.abs(one.values[stopped]) <= NONE).all():
            return one
    lower, upper = problem.lower.copy(), problem.upper.copy()
    lower[stopped] = upper[stopped] = 0.0
    return solved(replace(problem, lower=lower, upper=upper))
