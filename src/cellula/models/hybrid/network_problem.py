"""A network of reactions and rate rules as a physical problem without a place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Number, Symbol, apply, substituted
from cellula.core.inlined import inlined
from cellula.core.network import AlgebraicRule, Network
from cellula.core.physics import Field, Measured, PhysicsProblem, Unknown
from cellula.core.resolution import names_in, resolved
from cellula.core.simulation import ParameterTable
from cellula.models.mechanistic.quantities import (
    amount_name,
    is_told_as_amount,
    quantities,
    with_rates,
)
from cellula.models.mechanistic.start import start_definitions, start_values

__all__ = ["problem_of"]


def problem_of(
    network: Network,
    time: tuple[float, float],
    unknowns: Sequence[Unknown] = (),
    data: Sequence[Measured] = (),
) -> PhysicsProblem:
    """What a network says of its states from a first time to a last, for a network to solve.

    unknowns: parameters of the network that are to be found; data: of species or of what has a
    rate rule, as their ids stand in expressions. Raises DataError on events, algebraic rules and
    delays, on a compartment that changes, on an unknown that is no parameter, and where a value
    is missing.
    """
    plain = inlined(network)
    _refuse(plain)
    given = quantities(plain)
    definitions = with_rates(given)
    done = resolved(definitions)
    start = start_values(
        start_definitions(plain, definitions), plain, ParameterTable((), np.zeros((1, 0))), time[0]
    )
    sizes = _concentrations(plain)
    told = {
        amount: apply("times", Symbol(id), Symbol(size)) for amount, (id, size) in sizes.items()
    }
    fields = []
    for name, change in given.changes.items():
        rate = substituted(substituted(change, done), told)
        id, size = sizes.get(name, (name, None))
        rate = rate if size is None else apply("divide", rate, Symbol(size))
        fields.append(Field(id, rate, Number(_number(id, start))))
    sought = {one.id for one in unknowns}
    strange = sorted(sought - set(given.parameters))
    if strange:
        raise DataError(
            f"the unknown {strange[0]!r} is no parameter of network {network.id!r} that stays; "
            f"expected one of {', '.join(given.parameters)}"
        )
    needed = names_in(one.rate for one in fields)
    known = {id: _number(id, start) for id in given.parameters if id in needed - sought}
    return PhysicsProblem(
        network.id, tuple(fields), time, None, known, tuple(unknowns), (), tuple(data)
    )


def _refuse(network: Network) -> None:
    algebraic = any(isinstance(rule, AlgebraicRule) for rule in network.rules)
    if network.events or algebraic:
        what = "an algebraic rule" if algebraic else f"event {network.events[0].id!r}"
        raise DataError(
            f"network {network.id!r} has {what}, which no smooth function of time keeps; take the "
            "simulator 'ode'"
        )


def _concentrations(network: Network) -> dict[str, tuple[str, str]]:
    """Amount -> (species told as a concentration, its compartment)."""
    found = {}
    constant = {one.id for one in network.compartments if one.is_constant}
    for one in network.species:
        if is_told_as_amount(one, network):
            continue
        if one.compartment not in constant:
            raise DataError(
                f"species {one.id!r} is a concentration in {one.compartment!r}, whose size may "
                "change; take the simulator 'ode'"
            )
        found[amount_name(one, network)] = (one.id, one.compartment)
    return found


def _number(id: str, start: Mapping[str, NDArray[np.float64]]) -> float:
    found = float(np.ravel(start[id])[0]) if id in start else math.nan
    if not math.isfinite(found):
        raise DataError(f"{id!r} has no value at the start; give it one in the network")
    return found
