"""How a front is fitted: growth and fluxes measured, fluxes of a steady state predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.models.baselines.pseudobulk import check_alike, mean_rows
from cellula.models.hybrid.flux_conditions import Conditions
from cellula.models.hybrid.flux_layer import FluxLayer
from cellula.models.hybrid.uptake_front import UptakeFront, Uptakes
from cellula.models.learned.blocks.trainer import Positions, Training

__all__ = ["Fitting", "Observed", "front_bounds", "observed"]

Floats: TypeAlias = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Observed:
    """The mean of every question of a dataset: values (questions, readouts)."""

    queries: QueryTable
    values: Floats


def observed(parts: Sequence[Dataset]) -> Observed:
    """The questions of datasets, controls among them, each once, and the mean of its profiles.

    Raises DataError where datasets differ in their readouts, and where doses or times differ, of
    which a steady state knows nothing.
    """
    check_alike(parts)
    frame = pd.concat([part.queries().frame() for part in parts], ignore_index=True)
    for name in ("dose_molar", "time_s"):
        if name in frame and frame[name].nunique() > 1:
            raise DataError(
                f"the data have {frame[name].nunique()} values of {name}, and 'flux_front' knows "
                "the steady state of a condition alone; give what differs as features of contexts "
                "or perturbations"
            )
    labels = frame["perturbation"].astype(str).map(lambda one: "+".join(components(one)) or one)
    frame = pd.DataFrame({"perturbation": labels, "context": frame["context"].astype(str)})
    group = frame.groupby(["perturbation", "context"], sort=True).ngroup().to_numpy(np.int64)
    first = frame.iloc[np.unique(group, return_index=True)[1]]
    values = np.concatenate([part.dense() for part in parts])
    queries = QueryTable.of(list(first["perturbation"]), list(first["context"]))
    return Observed(queries, mean_rows(values, group, len(first)))


def front_bounds(
    front: UptakeFront, uptakes: Uptakes, conditions: Conditions, rows: Tensor | slice
) -> tuple[Tensor, Tensor]:
    """The bounds (rows, reactions) of some conditions, as a front says."""
    inputs = torch.from_numpy(conditions.inputs)[rows]
    is_present = torch.from_numpy(conditions.is_present)[rows]
    is_stopped = torch.from_numpy(conditions.is_stopped)[rows]
    return uptakes.bounds(front(inputs, is_present), is_stopped)


@final
@dataclass(frozen=True, slots=True)
class Fitting:
    """What fits have in common: how fluxes are told, and in what unit an error is counted.

    places: (readouts,) of reactions; spread: (readouts,) standard deviations in training.
    """

    uptakes: Uptakes
    layer: FluxLayer
    places: tuple[int, ...]
    spread: Floats

    def training(
        self,
        front: UptakeFront,
        conditions: Conditions,
        values: Floats,
        batch: tuple[int, int],
        held: tuple[Conditions, Floats] | None = None,
    ) -> Training[Tensor]:
        """A fit to values (questions, readouts); batch: its size and the seed of its order.

        held: conditions and values by which training is stopped.
        """
        own = _Errors(self, front, conditions, values)
        other = None if held is None else _Errors(self, front, *held)
        everything = None if other is None else torch.arange(len(other.wanted))
        return Training(
            front,
            lambda rows, _: own.error(rows),
            Positions(len(values), *batch),
            None if other is None or everything is None else lambda: float(other.error(everything)),
        )


@final
class _Errors:
    """The error of a front on some conditions; a solution is looked for from the last one."""

    def __init__(
        self, fitting: Fitting, front: UptakeFront, conditions: Conditions, values: Floats
    ) -> None:
        self._fitting, self._front, self._conditions = fitting, front, conditions
        self.wanted = torch.from_numpy(values / fitting.spread)
        with torch.no_grad():
            bounds = front_bounds(front, fitting.uptakes, conditions, slice(None))
            self._starts = fitting.layer.start(*bounds)

    def error(self, rows: Tensor) -> Tensor:
        """The mean squared error over rows and readouts, in variances of the readouts."""
        fitting = self._fitting
        bounds = front_bounds(self._front, fitting.uptakes, self._conditions, rows)
        found = fitting.layer.fluxes(*bounds, self._starts[rows])
        self._starts[rows] = found.potentials
        told = found.values[:, list(fitting.places)] / torch.from_numpy(fitting.spread)
        error: Tensor = ((told - self.wanted[rows]) ** 2).mean()
        return error
