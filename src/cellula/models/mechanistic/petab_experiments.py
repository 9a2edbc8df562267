"""The experiments of a PEtab problem, in groups whose experiments are cells of one population."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.petab import PetabProblem

__all__ = ["Experiments", "Preparations", "experiments", "preparations"]


@final
@dataclass(frozen=True, slots=True)
class Experiments:
    """Experiments that set the same ids and end at one time.

    before: the pre-equilibration of each, "" for none, of all or of no one; conditions: of each.
    times: to be told, from 0; has_end: whether the steady state is told too, as the last.
    rows: measurements; cell, place: of each, the experiment and the time.
    """

    before: tuple[str, ...]
    conditions: tuple[str, ...]
    times: NDArray[np.float64]
    has_end: bool
    rows: NDArray[np.intp]
    cell: NDArray[np.intp]
    place: NDArray[np.intp]

    @property
    def is_prepared(self) -> bool:
        """Whether the experiments start where a pre-equilibration ended."""
        return bool(self.before[0])


@final
@dataclass(frozen=True, slots=True)
class Preparations:
    """Conditions of pre-equilibration that set the same ids."""

    conditions: tuple[str, ...]


def preparations(problem: PetabProblem) -> tuple[Preparations, ...]:
    """The pre-equilibrations of a problem, grouped."""
    groups: dict[frozenset[str], list[str]] = {}
    for name in problem.measurements["preequilibrationConditionId"].unique():
        if name:
            groups.setdefault(frozenset(problem.conditions[str(name)]), []).append(str(name))
    return tuple(Preparations(tuple(names)) for names in groups.values())


def experiments(problem: PetabProblem) -> tuple[Experiments, ...]:
    """The experiments of a problem, grouped; every measurement is in one group."""
    rows = problem.measurements
    keys = list(
        zip(rows["preequilibrationConditionId"], rows["simulationConditionId"], strict=True)
    )
    return tuple(_group(group, keys, rows) for group in _groups(problem, keys))


def _groups(
    problem: PetabProblem, keys: Sequence[tuple[str, str]]
) -> Iterator[list[tuple[str, str]]]:
    times = problem.measurements["time"].to_numpy()
    last: dict[tuple[str, str], float] = {}
    for key, time in zip(keys, times, strict=True):
        last[key] = max(last.get(key, -1.0), float(time) if np.isfinite(time) else -1.0)
    groups: dict[tuple[bool, float, frozenset[str]], list[tuple[str, str]]] = {}
    for key, end in last.items():
        ids = frozenset(problem.conditions[key[1]])
        groups.setdefault((bool(key[0]), end, ids), []).append(key)
    yield from groups.values()


def _group(
    group: Sequence[tuple[str, str]], keys: Sequence[tuple[str, str]], rows: pd.DataFrame
) -> Experiments:
    number = {key: k for k, key in enumerate(group)}
    chosen = np.array([k for k, key in enumerate(keys) if key in number], np.intp)
    times = rows["time"].to_numpy(np.float64)[chosen]
    finite = np.union1d([0.0], times[np.isfinite(times)])
    place = np.where(np.isfinite(times), np.searchsorted(finite, times), len(finite))
    return Experiments(
        tuple(before for before, _ in group),
        tuple(condition for _, condition in group),
        finite,
        not bool(np.isfinite(times).all()),
        chosen,
        np.array([number[keys[k]] for k in chosen], np.intp),
        place.astype(np.intp),
    )
