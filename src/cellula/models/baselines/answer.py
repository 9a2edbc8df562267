"""From effects to answers: a stream of predictions in batches of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.population import ControlCells
from cellula.models.baselines.reference import Reference, control_rows

__all__ = ["HALF_WIDTH", "Answer", "Effect", "Effects", "joined"]

#: How many queries a batch holds at most, and how many predicted values (of 8 bytes).
MAX_ROWS = 65_536
MAX_VALUES = 2**22


@dataclass(frozen=True, slots=True)
class Effects:
    """What the treatments of a batch do, and where that can be trusted.

    mean: (queries, readouts), in units of the values; in_domain: (queries,); spread: the standard
    deviation of the predictive distribution, shaped like the mean, or None.
    """

    mean: NDArray[np.float64]
    in_domain: NDArray[np.bool_]
    spread: NDArray[np.float64] | None = None


#: The part of a fitted model that is its own: effects of a batch of queries.
Effect: TypeAlias = Callable[[QueryTable], Effects]
#: The 95 % quantile of the standard normal distribution: half a 90 % interval.
HALF_WIDTH = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Answer:
    """What every answer of a fitted model shares.

    reference: the control means of training, added to every effect; None where the readouts
    are predicted themselves. cells: how many cells a predicted population has at most.
    """

    readouts: tuple[str, ...]
    value_type: ValueType
    reference: Reference | None
    cells: int

    @classmethod
    def of(cls, train: Dataset, reference: Reference | None, cells: int) -> Answer:
        """The answers of a model fitted on ``train``."""
        return cls(train.readouts, train.value_type, reference, cells)

    def stream(
        self, queries: QueryTable, effect: Effect, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """Answer the queries in their order.

        control: controls of the queried contexts; contexts that it lacks use the controls of
        training, contexts without any the mean of all, out of domain; a query for the control
        itself is answered by the control mean. Populations are predicted
        where log1p cells of controls are given. Raises DataError when its readouts differ.
        """
        given = None if control is None or self.reference is None else control_rows(control)
        reference = self._required(given)
        cells = None if given is None else ControlCells.of(given, self.cells)
        width = len(self.readouts) * (1 if cells is None else 1 + cells.n_most)
        size = max(1, min(MAX_ROWS, MAX_VALUES // width))
        for batch in queries.batches(size):
            with one_blas_thread():
                effects = effect(batch)
            mean, in_domain = effects.mean, effects.in_domain
            if reference is not None:
                base, is_known = reference.at(batch.context)
                is_control = label_positions(batch.perturbation, reference.labels) >= 0
                mean = base + np.where(is_control[:, None], 0.0, mean)
                in_domain = (in_domain | is_control) & is_known
            if self.value_type.is_non_negative:
                mean = np.maximum(mean, 0.0)
            half = None if effects.spread is None else HALF_WIDTH * effects.spread
            yield Prediction(
                batch,
                self.readouts,
                self.value_type,
                mean,
                in_domain,
                None if half is None else mean - half,
                None if half is None else mean + half,
                None if cells is None else cells.shifted(batch, mean, run),
            )

    def reference_with(self, control: Dataset | None) -> Reference | None:
        """The control means of training, replaced by those that come with the queries.

        Those of training where the readouts differ: :meth:`stream` refuses such controls.
        """
        if self.reference is None or control is None or control.readouts != self.readouts:
            return self.reference
        return _updated(self.reference, control_rows(control))

    def _required(self, given: Dataset | None) -> Reference | None:
        if given is None or self.reference is None:
            return self.reference
        if given.readouts != self.readouts or given.value_type is not self.value_type:
            raise DataError(
                f"the controls have {len(given.readouts)} readouts of {given.value_type.value}; "
                f"the model was fitted on {len(self.readouts)} of {self.value_type.value}: "
                "give the same readouts in the same order"
            )
        return _updated(self.reference, given)

    def state(self) -> State:
        """Arrays and JSON from which :meth:`restore` makes this again."""
        kept = State({}) if self.reference is None else self.reference.state()
        meta = {
            "readouts": list(self.readouts),
            "value_type": self.value_type.value,
            "cells": self.cells,
        }
        return joined(kept, State({}, meta))

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Answer:
        """The answers of a state."""
        return cls(
            tuple(meta["readouts"]),
            ValueType(meta["value_type"]),
            Reference.restore(arrays, meta),
            int(meta["cells"]),
        )


def joined(*states: State) -> State:
    """One state of several whose names differ."""
    arrays: dict[str, NDArray[Any]] = {}
    meta: dict[str, Any] = {}
    for state in states:
        arrays.update(state.arrays)
        meta.update(state.meta)
    return State(arrays, meta)


def _updated(reference: Reference, given: Dataset) -> Reference:
    own = Reference.of([given])
    return reference if own is None else reference.updated(own)
