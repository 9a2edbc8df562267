"""Time courses and cells as tables: ``[cell,] time``, then ids as the model names them.

Where the model calls something ``cell``, the column that numbers cells is ``cell_number``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.simulation import ParameterTable, Trajectory
from cellula.io.formats import read

__all__ = ["as_told", "course_table", "read_cells"]

#: The column that numbers cells, and what it is called where an id has that name.
CELL, CELL_NUMBER = "cell", "cell_number"


def read_cells(path: Path, ids: Collection[str]) -> ParameterTable:
    """Cells of a table: a column an id of the network, a row a cell; one column may number them.

    Raises DataError, naming column and row, on what is no number.
    """
    table = read(path)
    if not isinstance(table, pd.DataFrame) or table.empty:
        raise DataError(f"{path.name} holds no table of cells; expected a column an id")
    number = CELL_NUMBER if CELL in ids else CELL
    named = [name for name in map(str, table.columns) if name != number]
    values = np.empty((len(table), len(named)))
    for place, id in enumerate(named):
        column = pd.to_numeric(table[id], errors="coerce").to_numpy(np.float64)
        odd = np.flatnonzero(~np.isfinite(column))
        if len(odd):
            raise DataError(
                f"{path.name}, row {odd[0] + 1}: {id} is {table[id].iloc[odd[0]]!r}, no number"
            )
        values[:, place] = column
    return ParameterTable(tuple(named), values)


def course_table(
    trajectory: Trajectory, *, first: int = 0, n_cells: int | None = None
) -> pd.DataFrame:
    """A row a cell and time; the column ``cell`` is left out where there is one cell.

    first, n_cells: of the population that the trajectory is a part of; None where it is all.
    """
    n_here, n_times, n_ids = trajectory.values.shape
    table = pd.DataFrame(
        trajectory.values.reshape(n_here * n_times, n_ids), columns=list(trajectory.ids)
    )
    if "time" in trajectory.ids:
        raise DataError("the model calls something 'time', which is a column of its own; rename it")
    table.insert(0, "time", np.tile(trajectory.times, n_here))
    if (n_here if n_cells is None else n_cells) != 1:
        name = CELL_NUMBER if CELL in trajectory.ids else CELL
        table.insert(0, name, np.repeat(np.arange(first, first + n_here), n_times))
    return table


def as_told(
    trajectory: Trajectory,
    network: Network | LogicNetwork,
    amounts: Collection[str],
    concentrations: Collection[str],
) -> Trajectory:
    """The trajectory with these species told as amounts, and those as concentrations.

    Others stay as they stand in expressions. Raises DataError on an id that is no species, or
    whose compartment the trajectory does not tell.
    """
    species = {one.id: one for one in network.species} if isinstance(network, Network) else {}
    values = trajectory.values.copy()
    for id, is_amount in (*((id, True) for id in amounts), *((id, False) for id in concentrations)):
        if id not in species:
            raise DataError(f"{id!r} is no species of {network.id!r}; name species")
        one = species[id]
        if one.is_amount == is_amount:
            continue
        size = trajectory.of(one.compartment)
        told = trajectory.of(id)
        values[:, :, trajectory.ids.index(id)] = told * size if is_amount else told / size
    return Trajectory(trajectory.ids, trajectory.times, values)
