"""The numbers of a network's stoichiometries, where they do not change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import scipy.sparse as sp

from cellula.core.errors import DataError
from cellula.core.evaluation import evaluate
from cellula.core.expression import Expression, Number
from cellula.core.inlined import inlined
from cellula.core.network import AssignmentRule, Network, Participant, RateRule
from cellula.core.resolution import resolved

__all__ = ["stoichiometry"]

#: Row, column, number.
Entry: TypeAlias = tuple[int, int, float]


def stoichiometry(network: Network, species: tuple[str, ...]) -> sp.csc_matrix:
    """How much of each species a reaction makes, less what it takes: (species, reactions).

    Raises DataError, naming reaction and species, where that is no number or changes with time.
    """
    place = {id: at for at, id in enumerate(species)}
    given = _given(network)
    entries: list[Entry] = []
    for column, reaction in enumerate(network.reactions):
        for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
            for one in side:
                number = given.get(one.id, one.stoichiometry)
                if number is None or not math.isfinite(number):
                    raise DataError(
                        f"reaction {reaction.id!r} has no fixed number of {one.species!r}; flux "
                        "balance needs constant stoichiometries"
                    )
                if one.species in place:
                    entries.append((place[one.species], column, sign * number))
    rows, columns, numbers = zip(*entries, strict=True) if entries else ((), (), ())
    shape = (len(species), len(network.reactions))
    return sp.csc_matrix((numbers, (rows, columns)), shape, dtype=float)


def _given(network: Network) -> Mapping[str | None, float | None]:
    """Stoichiometries that an expression gives; None for those that change with time."""
    named = {one.id: one for one in _participants(network) if one.id is not None}
    ruled = {
        rule.target: rule.expression for rule in network.rules if isinstance(rule, AssignmentRule)
    }
    changing = {rule.target for rule in network.rules if isinstance(rule, RateRule)}
    changing |= {id for event in network.events for id in event.assignments}
    wanted = [id for id in named if id not in changing and (id in network.initial or id in ruled)]
    found: dict[str | None, float | None] = {id: None for id in named if id in changing}
    if wanted:
        values = resolved(_definitions(inlined(network), named))
        found |= {id: float(evaluate(values[id], {}, math.nan)) for id in wanted}
    return found


def _definitions(network: Network, named: Mapping[str, Participant]) -> dict[str, Expression]:
    """What every id that does not change is, as an expression of others."""
    numbers = {one.id: one.value for one in network.parameters}
    numbers |= {one.id: one.size for one in network.compartments}
    numbers |= {id: one.stoichiometry for id, one in named.items()}
    found: dict[str, Expression] = {
        id: Number(value) for id, value in numbers.items() if value is not None
    }
    found.update(network.initial)
    found.update(
        (rule.target, rule.expression) for rule in network.rules if isinstance(rule, AssignmentRule)
    )
    return found


def _participants(network: Network) -> list[Participant]:
    return [
        one for reaction in network.reactions for one in (*reaction.reactants, *reaction.products)
    ]
