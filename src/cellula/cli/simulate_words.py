"""What the words of ``cellula simulate`` stand for: ids, doses, cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellula.core.batches import Cells
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.run import RunContext
    from cellula.core.simulation import Schedule

__all__ = [
    "cells_of",
    "engine_names",
    "id_list",
    "schedule",
    "times_of",
    "two_ids",
]

#: NAME=VALUE@TIME; ``+=`` raises and ``*=`` multiplies.
DOSE = re.compile(r"(?P<id>[^=@]+?)(?P<how>[+*]?)=(?P<value>[^=@]+)@(?P<time>[^=@]+)")
HOW = {"": "set", "+": "add", "*": "scale"}


def id_list(text: str) -> tuple[str, ...]:
    """The ids of ``A,B``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def engine_names(text: str) -> tuple[str, ...]:
    """The engines of ``NAME,NAME``. Raises StudyError on none, or one twice."""
    from cellula.core.errors import StudyError

    names = id_list(text)
    if not names or len(set(names)) < len(names):
        raise StudyError(f"--engine is {text!r}; expected one engine, or several different ones")
    return names


def times_of(start: float, end: float | None, points: int | None) -> NDArray[np.float64]:
    """The times of a course. Raises StudyError where the last, or their number, is not given."""
    import numpy as np

    from cellula.core.errors import StudyError

    if end is None or points is None:
        raise StudyError("a model needs --end TIME and --points N; an experiment tells its own")
    return np.linspace(start, end, points)


def schedule(words: Sequence[str]) -> Schedule:
    """Doses in the order of their times. Raises StudyError on a word that tells none."""
    from cellula.core.errors import StudyError
    from cellula.core.simulation import Dose, Schedule

    doses: list[Dose] = []
    for word in words:
        found = DOSE.fullmatch(word.strip())
        try:
            if found is None:
                raise ValueError
            value, time = float(found["value"]), float(found["time"])
        except ValueError as error:
            raise StudyError(
                f"--perturb {word!r} is no NAME=VALUE@TIME (NAME+=VALUE@TIME, NAME*=VALUE@TIME)"
            ) from error
        doses.append(Dose(time, found["id"].strip(), value, HOW[found["how"]]))  # type: ignore[arg-type]
    return Schedule(tuple(sorted(doses, key=lambda dose: dose.time)))


def two_ids(text: str | None, network: Network | LogicNetwork) -> tuple[str, str] | None:
    """The ids of ``--phase A,B``. Raises StudyError unless they are two of the network's."""
    from cellula.core.errors import StudyError

    if text is None:
        return None
    ids = id_list(text)
    known = set(network.ids)
    if len(ids) != 2 or not known.issuperset(ids):
        raise StudyError(f"--phase {text!r} names no two ids of {network.id!r}; expected A,B")
    return ids[0], ids[1]


def cells_of(
    network: Network | LogicNetwork,
    table: Path | None,
    n_cells: int | None,
    spread: Sequence[str],
    run: RunContext,
) -> Cells:
    """The population: a table's cells, so many that vary at random, or the network itself.

    Raises StudyError where both are given, or a variation without a number of cells; DataError
    as :func:`~cellula.core.spread.spread` does.
    """
    import numpy as np

    from cellula.core.errors import StudyError
    from cellula.core.network import Network
    from cellula.core.simulation import ParameterTable
    from cellula.core.spread import spread as drawn
    from cellula.io.course_table import read_cells

    if table is not None and (n_cells is not None or spread):
        raise StudyError("--cells names the cells; leave out --n-cells and --spread, or --cells")
    if spread and n_cells is None:
        raise StudyError("--spread needs --n-cells N: how many cells to draw")
    if table is not None:
        return read_cells(table, network.ids)
    variations = _variations(spread)
    if variations and not isinstance(network, Network):
        raise StudyError("--spread draws numbers, and a logic network has levels; give --cells")
    if not variations or not isinstance(network, Network):
        return ParameterTable((), np.zeros((n_cells or 1, 0)))
    return drawn(network, variations, n_cells or 1, run)


def _variations(words: Sequence[str]) -> dict[str, float]:
    """``ID=CV`` words, or several in one, separated by commas."""
    from cellula.cli.pairs import pairs
    from cellula.core.errors import StudyError

    found: dict[str, float] = {}
    for id, value in pairs(",".join(words), "--spread").items():
        try:
            found[id] = float(value)
        except ValueError as error:
            raise StudyError(f"--spread {id}={value} is no ID=CV, such as k=0.2") from error
    return found
