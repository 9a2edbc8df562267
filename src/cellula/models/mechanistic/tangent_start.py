"""How the values at the start move with what cells are given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cellula.core.derivative import Gradient, gradients
from cellula.core.evaluation import Values, evaluate
from cellula.core.expression import Expression, Symbol, apply
from cellula.core.network import Network
from cellula.core.resolution import in_order
from cellula.core.simulation import ParameterTable
from cellula.models.mechanistic.quantities import amount_name, is_told_as_amount
from cellula.models.mechanistic.tangent_system import Tangent

__all__ = ["start_slopes"]

Floats = NDArray[np.float64]


def start_slopes(
    made: Tangent, cells: ParameterTable, slopes: Floats, values: Mapping[str, Values], time: float
) -> dict[str, Floats]:
    """Id -> its slopes at the start, (cells, directions); ids that have none are left out.

    slopes: (cells, ids, directions), of what the cells are given. values: all values at the
    start, of :func:`~cellula.models.mechanistic.start.start_values`.
    """
    given, derivatives = _definitions(made, cells)
    found: dict[str, Floats] = {}
    for column, id in enumerate(cells.ids):
        if slopes[:, column].any():
            found[id] = slopes[:, column]
    for id in in_order(given):
        parts = [(part, found[on]) for on, part in derivatives[id].items() if on in found]
        if parts:
            found[id] = sum(
                (_column(evaluate(part, values, time), cells) * slope for part, slope in parts),
                np.zeros(slopes[:, 0].shape if slopes.shape[1] else (len(cells), made.n)),
            )
    return found


def _definitions(
    made: Tangent, cells: ParameterTable
) -> tuple[dict[str, Expression], dict[str, Gradient]]:
    """What gives the values that cells are not given, with its derivatives."""
    network: Network = made.plain.network
    given, derivatives = dict(made.plain.start), dict(made.start)
    species = {one.id: one for one in network.species}
    for id in cells.ids:
        given.pop(id)
        if id in species and not is_told_as_amount(species[id], network):
            amount = amount_name(species[id], network)
            given[amount] = apply("times", Symbol(id), Symbol(species[id].compartment))
            derivatives[amount] = gradients((given[amount],), (id, species[id].compartment))[0]
    return given, derivatives


def _column(values: Values, cells: ParameterTable) -> Floats:
    return np.broadcast_to(values, (len(cells),))[:, None]
