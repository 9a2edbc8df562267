"""What tasks of an experiment set and hand on: values that cells begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.experiment import Target, Variable
from cellula.core.expression import Apply, walk
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.run import run_context
from cellula.core.simulation import ParameterTable, Schedule
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.petab_start import state_ids
from cellula.models.mechanistic.solver import SolverOptions

__all__ = ["Held", "carried", "check_carried", "set_value", "value_at_start"]

Floats: TypeAlias = NDArray[np.float64]
#: Attributes that are a value at the start, as ids stand in expressions.
PLAIN = {"", "value", "size", "initial_value", "initialLevel", "stoichiometry"}
OF_SPECIES = {"initialAmount", "initialConcentration"}


@final
@dataclass(frozen=True, slots=True)
class Held:
    """Id -> the value that every cell begins with: (1,) or (cells,)."""

    values: Mapping[str, Floats]
    size: int = 1

    def of_size(self, size: int) -> Held:
        """The same for so many cells."""
        return replace(self, size=size)

    def table(self) -> ParameterTable:
        """As a simulator takes them."""
        columns = [np.broadcast_to(one, (self.size,)) for one in self.values.values()]
        values = np.stack(columns, axis=1) if columns else np.zeros((self.size, 0))
        return ParameterTable(tuple(self.values), np.ascontiguousarray(values, np.float64))


def set_value(network: Network | LogicNetwork, held: Held, target: Target, value: Floats) -> Held:
    """``held`` with the target at ``value``. Raises DataError on what cannot be set."""
    if target.id not in network.ids:
        raise DataError(f"it sets {target.id!r}, which network {network.id!r} lacks")
    if target.attribute not in PLAIN | OF_SPECIES:
        raise DataError(
            f"it sets {target.attribute!r} of {target.id!r}; expected one of "
            f"{', '.join(sorted(filter(None, PLAIN | OF_SPECIES)))}"
        )
    given = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if not np.isfinite(given).all():
        raise DataError(f"it sets {target.id!r} to {given[~np.isfinite(given)][0]}, no number")
    if target.attribute in OF_SPECIES:
        given = _in_expressions(network, held, target, given)
    return replace(held, values={**held.values, target.id: given})


def _in_expressions(
    network: Network | LogicNetwork, held: Held, target: Target, value: Floats
) -> Floats:
    """An amount or a concentration as the species' id stands in expressions."""
    species = network.species if isinstance(network, Network) else ()
    found = next((one for one in species if one.id == target.id), None)
    if found is None:
        raise DataError(f"it sets {target.attribute} of {target.id!r}, which is no species")
    if (target.attribute == "initialAmount") == found.is_amount:
        return value
    size = value_at_start(network, held, Variable(Target(found.compartment)))
    return value * size if found.is_amount else value / size


def value_at_start(network: Network | LogicNetwork, held: Held, variable: Variable) -> Floats:
    """The value of an id before anything is simulated: (1,) or (cells,)."""
    if variable.target is None:
        return np.zeros(1)
    id = variable.target.id
    if id not in network.ids or not isinstance(network, Network):
        raise DataError(f"a formula names {id!r}, which network {network.id!r} lacks")
    if id in held.values:
        return held.values[id]
    sizes = {len(one) for one in held.values.values()}
    table = replace(held, size=max(sizes, default=1)).table()
    run = run_context(0, Path())
    found = Ode(SolverOptions.model_validate({})).simulate(
        network, table, Schedule(), np.zeros(1), run
    )
    return found.of(id)[:, 0]


def check_carried(network: Network | LogicNetwork) -> None:
    """Raise DataError unless the state of a network is all that decides what comes next."""
    if not isinstance(network, Network):
        raise DataError("a logic network is handed on; give every iteration a new model")
    has_delay = any(
        isinstance(node, Apply) and node.function == "delay"
        for _, expression in network.expressions()
        for node in walk(expression)
    )
    if network.events or has_delay:
        what = "events" if network.events else "delays"
        raise DataError(
            f"network {network.id!r} has {what}, whose past cannot be handed on to the next task; "
            'reset the model (resetModel="true"), one task an iteration'
        )


def carried(network: Network | LogicNetwork, held: Held, ids: tuple[str, ...], end: Floats) -> Held:
    """What the next task begins with. end: (cells, ids), the state that the last one left."""
    states = state_ids(network) if isinstance(network, Network) else ()
    left = {id: end[:, ids.index(id)].copy() for id in states}
    return Held({**held.values, **left}, len(end))
