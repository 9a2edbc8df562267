"""Cells that differ at random around the values of a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from cellula.core.errors import DataError
from cellula.core.network import AssignmentRule, Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable

__all__ = ["Spread", "spread"]

#: Cells whose numbers one random stream gives: batches of any size hold the same cells.
BLOCK = 1024


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """``n_cells`` cells, log-normal and independent, drawn as they are asked for.

    A value is m exp(s z - s^2 / 2), z standard normal and s^2 = ln(1 + cv^2): its mean is m and
    its standard deviation cv |m|. means, variations: one an id. Made like a ``ParameterTable``.
    """

    ids: tuple[str, ...]
    means: tuple[float, ...]
    variations: tuple[float, ...]
    n_cells: int
    run: RunContext

    def __len__(self) -> int:
        return self.n_cells

    def part(self, first: int, size: int) -> ParameterTable:
        """The cells from number ``first`` on, at most ``size`` of them."""
        stop = min(first + size, self.n_cells)
        found = np.empty((max(stop - first, 0), len(self.ids)))
        for block in range(first // BLOCK, -(-stop // BLOCK)):
            begin = block * BLOCK
            low, high = max(first, begin), min(stop, begin + BLOCK)
            found[low - first : high - first] = self._block(block)[low - begin : high - begin]
        return ParameterTable(self.ids, found, first)

    def batches(self, size: int) -> Iterator[ParameterTable]:
        """Consecutive parts of at most ``size`` cells."""
        for first in range(0, self.n_cells, size):
            yield self.part(first, size)

    def _block(self, number: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        rng = self.run.child("spread", number).rng
        width = np.sqrt(np.log1p(np.square(self.variations)))
        drawn = rng.standard_normal((BLOCK, len(self.ids)))
        return np.asarray(np.array(self.means) * np.exp(width * drawn - 0.5 * width**2))


def spread(
    network: Network, variations: Mapping[str, float], n_cells: int, run: RunContext
) -> Spread:
    """Cells around the network's own values, as ids stand in expressions at the start.

    variations: id -> coefficient of variation. The run's seed decides; no number of the run's
    own stream is used up. Raises DataError, naming the id, on one that the network lacks or
    gives by a formula, on a value that is no number or 0, and on a variation that is not above 0.
    """
    if n_cells < 1:
        raise DataError(f"{n_cells} cells are asked for; expected at least 1")
    for id, variation in variations.items():
        if not (math.isfinite(variation) and variation > 0):
            raise DataError(f"{id!r} varies by {variation:g}; expected a number above 0")
    ids = tuple(variations)
    means = tuple(_own_value(network, id) for id in ids)
    return Spread(ids, means, tuple(map(float, variations.values())), n_cells, run)


def _own_value(network: Network, id: str) -> float:
    """What an id starts from, where a number says so."""
    if id not in network.ids:
        raise DataError(f"{id!r} is to vary, which network {network.id!r} lacks")
    ruled = {one.target for one in network.rules if isinstance(one, AssignmentRule)}
    value = None if id in ruled or id in network.initial else _number(network, id)
    if value is None:
        raise DataError(
            f"{id!r} is to vary, and a formula gives it, or nothing; let what it is made of vary, "
            "or give its values in a table of cells"
        )
    if not math.isfinite(value) or value == 0:
        raise DataError(
            f"{id!r} is to vary around {value:g}; a log-normal value needs a number other than "
            "0: give its values in a table of cells"
        )
    return value


def _number(network: Network, id: str) -> float | None:
    numbers: dict[str, float | None] = {one.id: one.size for one in network.compartments}
    numbers.update((one.id, one.value) for one in network.parameters)
    if id in numbers:
        return numbers[id]
    for one in network.species:
        if one.id != id or one.initial is None:
            continue
        if one.initial_is_amount == one.is_amount:
            return one.initial
        size = _own_value(network, one.compartment)
        return one.initial / size if one.initial_is_amount else one.initial * size
    return None
