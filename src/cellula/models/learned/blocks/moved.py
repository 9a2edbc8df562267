"""Answers of models that move control cells: every cell keeps its depth and its dispersion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import HALF_WIDTH, Answer, joined
from cellula.models.baselines.encoding import label_positions, unique_labels
from cellula.models.baselines.population import MIN_CELLS, ControlCells, drawn, query_stream
from cellula.models.baselines.recount import recount_to
from cellula.models.baselines.reference import Reference, control_rows
from cellula.models.learned.blocks.dropout import Passes
from cellula.models.learned.blocks.treated_dispersion import treated_size

__all__ = ["Move", "MovedCells"]

#: One question (a table of one row), cells of its context (cells, readouts), a stream of random
#: numbers and the run -> the change of every cell's expected profile (cells, readouts).
Move: TypeAlias = Callable[
    [QueryTable, Reference, NDArray[np.float64], np.random.Generator, RunContext], Any
]
#: Questions that are answered before the first is handed out, and their values (of 8 bytes).
MAX_ROWS = 256
MAX_VALUES = 2**22
#: The most control cells that are moved for a mean where no population is asked for.
FEWEST = 300


@dataclass(frozen=True, slots=True)
class _Controls:
    """Controls that were handed over: all of them, those of every context, what is known of both.

    rows: context -> its positions in ``given``; cells: None where they are no population.
    """

    given: Dataset
    rows: Mapping[str, NDArray[np.int64]]
    reference: Reference
    cells: ControlCells | None

    def of(self, context: str) -> NDArray[np.int64]:
        """Positions of the controls of a context; of all where it has none."""
        return self.rows.get(context, np.arange(self.given.n_profiles))


@dataclass(frozen=True, slots=True)
class MovedCells:
    """What every answer of such a model shares.

    answer: readouts, value type, control means of training and the most cells of a population.
    gain: (readouts,) negative-binomial size of treated cells in training, by which the counts that
    a cell gains scatter; None where training tells none. passes: thinned networks whose spread
    [gal2016]_ is the interval of the mean, None for no interval. It is what the network does not
    know, not what a measurement may differ by: calibrate.
    """

    answer: Answer
    gain: NDArray[np.float64] | None = None
    passes: Passes | None = None

    @classmethod
    def of(
        cls,
        train: Dataset,
        valid: Dataset | None,
        reference: Reference,
        cells: int,
        passes: Passes | None = None,
    ) -> MovedCells:
        """The answers of a model fitted on both parts; cells: the most of a population."""
        gain = treated_size([train] if valid is None else [train, valid]) if cells else None
        return cls(Answer.of(train, reference, cells), gain, passes)

    def stream(
        self,
        queries: QueryTable,
        move: Move,
        in_domain: Callable[[QueryTable, Reference], NDArray[np.bool_]],
        control: Dataset | None,
        run: RunContext,
    ) -> Iterator[Prediction]:
        """Answer the queries in their order, one prediction a query.

        Control cells of the query's context are drawn, the same for the same query and seed, and
        moved. The mean is the control mean plus the mean change, not below 0 where the values are
        not. Cells are the drawn controls re-counted by their own folds, to this mean, where they
        are log1p cells. A context without controls uses those of all contexts, out of domain; so
        are log1p cells of a context with fewer than 10 controls. A control is answered by the
        control mean. Raises DataError without controls or with other readouts.
        """
        controls = self._controls(control)
        most = 1 if controls.cells is None else 1 + controls.cells.n_most
        size = max(1, min(MAX_ROWS, MAX_VALUES // (len(self.answer.readouts) * most)))
        for batch in queries.batches(size):
            first, place = np.unique(batch.keys(), return_index=True, return_inverse=True)[1:]
            with one_blas_thread():  # the same question has the same answer
                found = [
                    self._one(batch.take(slice(i, i + 1)), move, in_domain, controls, run)
                    for i in map(int, first)
                ]
            yield from (found[i] for i in place)

    def _controls(self, control: Dataset | None) -> _Controls:
        if control is None:
            raise DataError(
                "a model that moves control cells was given none; hand over the control profiles "
                "of the queried contexts"
            )
        given = control_rows(control)
        own, answer = Reference.of([given]), self.answer
        if (
            own is None
            or given.readouts != answer.readouts
            or given.value_type is not answer.value_type
        ):
            raise DataError(
                f"the controls have {len(given.readouts)} readouts of {given.value_type.value}; "
                f"the model was fitted on {len(answer.readouts)} of {answer.value_type.value}: "
                "give the same readouts in the same order"
            )
        labels, place = unique_labels(given.queries().context)
        rows = {name: np.flatnonzero(place == i) for i, name in enumerate(labels)}
        if answer.reference is not None:  # training knows which labels are treatments too
            own = Reference(own.contexts, own.means, answer.reference.labels)
        cells = ControlCells.of(given, answer.cells)
        if cells is not None and self.gain is not None:
            spread = tuple(replace(one, gain=self.gain) for one in cells.cells)
            cells = replace(cells, cells=spread)
        return _Controls(given, rows, own, cells)

    def _one(
        self,
        query: QueryTable,
        move: Move,
        in_domain: Callable[[QueryTable, Reference], NDArray[np.bool_]],
        controls: _Controls,
        run: RunContext,
    ) -> Prediction:
        reference, rows = controls.reference, controls.of(str(query.context[0]))
        rng = query_stream(query, 0, run)
        chosen = drawn(len(rows), self.answer.cells or FEWEST, rng)
        values = controls.given.dense(rows[chosen])
        is_control = label_positions(query.perturbation, reference.labels) >= 0
        change = np.zeros_like(values)
        if not is_control[0]:
            change = np.asarray(move(query, reference, values, rng, run), np.float64)
        base, is_known = reference.at(query.context)
        mean = base + change.mean(axis=0)
        if self.answer.value_type.is_non_negative:
            mean = np.maximum(mean, 0.0)
        half = None
        if self.passes is not None:
            half = np.zeros_like(mean)
            if not is_control[0]:
                half = HALF_WIDTH * self.passes.spread(
                    lambda: _mean_change(move, query, reference, values, run), run
                )
        lower, upper = (None, None) if half is None else (mean - half, mean + half)
        if lower is not None and self.answer.value_type.is_non_negative:
            lower = np.maximum(lower, 0.0)
        is_enough = self.answer.value_type is not ValueType.LOG1P or len(rows) >= MIN_CELLS
        return Prediction(
            query,
            self.answer.readouts,
            self.answer.value_type,
            mean,
            in_domain(query, reference) & is_known & is_enough,
            lower,
            upper,
            cells=_population(query, change, chosen, controls, rng),
        )

    def state(self) -> State:
        """See :meth:`Answer.state`."""
        gain = State({}) if self.gain is None else State({"treated_size": self.gain})
        return joined(self.answer.state(), gain)

    @classmethod
    def restore(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        meta: Mapping[str, Any],
        passes: Passes | None = None,
    ) -> MovedCells:
        """The answers of a state; passes: of the network that was restored beside them."""
        return cls(Answer.restore(arrays, meta), arrays.get("treated_size"), passes)


def _mean_change(
    move: Move,
    query: QueryTable,
    reference: Reference,
    values: NDArray[np.float64],
    run: RunContext,
) -> NDArray[np.float64]:
    """The mean change of the cells, (1, readouts), each pass with the same noise."""
    rng = query_stream(query, 0, run.child("passes"))
    change = np.asarray(move(query, reference, values, rng, run), np.float64)
    return np.asarray(change.mean(axis=0, keepdims=True))


def _population(
    query: QueryTable,
    change: NDArray[np.float64],
    chosen: NDArray[np.int64],
    controls: _Controls,
    rng: np.random.Generator,
) -> Population | None:
    """The drawn controls, each re-counted by its own change; None where they are no population."""
    if controls.cells is None:
        return None
    place = int(label_positions(query.context, controls.cells.contexts)[0])
    source = controls.cells.cells[place]
    own = chosen
    if len(source.scale) != len(controls.of(str(query.context[0]))):  # too few: those of all
        own = drawn(len(source.scale), len(chosen), rng)
    moved = recount_to(source, own, source.mean + change[: len(own)], rng)
    return Population(sp.csr_matrix(moved), np.zeros(len(own), np.int64))
