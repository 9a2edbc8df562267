"""Answers of models that move control cells: every cell keeps its depth and its dispersion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
from cellula.models.baselines.answer import Answer
from cellula.models.baselines.calibrated import recount_to
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.population import ControlCells, drawn, query_stream
from cellula.models.baselines.reference import Reference, control_rows

__all__ = ["Move", "MovedCells"]

#: One question (a table of one row), cells of its context (cells, readouts) and a stream of
#: random numbers -> the change of every cell's expected profile (cells, readouts).
Move: TypeAlias = Callable[[QueryTable, Reference, NDArray[np.float64], np.random.Generator], Any]
#: The most control cells that are moved for a mean where no population is asked for.
FEWEST = 300


@dataclass(frozen=True, slots=True)
class MovedCells:
    """What every answer of such a model shares.

    answer: readouts, value type, control means of training and the most cells of a population.
    """

    answer: Answer

    def stream(
        self,
        queries: QueryTable,
        move: Move,
        in_domain: Callable[[QueryTable, Reference], NDArray[np.bool_]],
        control: Dataset | None,
        run: RunContext,
    ) -> Iterator[Prediction]:
        """Answer the queries in their order, one batch a query.

        Control cells of the query's context are drawn, the same for the same query and seed, and
        moved. The mean is the control mean plus the mean change, not below 0 where the values are
        not. Cells are the drawn controls re-counted by their own folds, to this mean, where they
        are log1p cells. A context without controls uses those of all contexts, out of domain. A
        control is answered by the control mean. Raises DataError without controls or with other
        readouts.
        """
        if control is None:
            raise DataError(
                "a model that moves control cells was given none; hand over the control profiles "
                "of the queried contexts"
            )
        given = control_rows(control)
        own = Reference.of([given])
        if own is None or given.readouts != self.answer.readouts:
            raise DataError(
                f"the controls have {len(given.readouts)} readouts, the model was fitted on "
                f"{len(self.answer.readouts)}; give the same readouts in the same order"
            )
        labels = given.queries().context
        cells = ControlCells.of(given, self.answer.cells)
        for query in queries.batches(1):
            place = int(label_positions(query.context, list(map(str, labels.categories)))[0])
            rows = np.arange(given.n_profiles)
            if place >= 0:
                rows = np.flatnonzero(np.asarray(labels.codes) == place)
            yield self._one(query, move, in_domain, (given, rows, own, cells), run)

    def _one(
        self,
        query: QueryTable,
        move: Move,
        in_domain: Callable[[QueryTable, Reference], NDArray[np.bool_]],
        source: tuple[Dataset, NDArray[np.int64], Reference, ControlCells | None],
        run: RunContext,
    ) -> Prediction:
        given, rows, reference, cells = source
        rng = query_stream(query, 0, run)
        chosen = drawn(len(rows), self.answer.cells or FEWEST, rng)
        values = given.dense(rows[chosen])
        is_control = label_positions(query.perturbation, reference.labels) >= 0
        change = np.zeros_like(values)
        if not is_control[0]:
            change = np.asarray(move(query, reference, values, rng), np.float64)
        base, is_known = reference.at(query.context)
        mean = base + change.mean(axis=0)
        population = None
        if cells is not None:
            of_context = cells.cells[label_positions(query.context, cells.contexts)[0]]
            is_same = len(of_context.scale) == len(rows)
            own = chosen if is_same else drawn(len(of_context.scale), len(chosen), rng)
            moved = recount_to(of_context, own, of_context.mean + change[: len(own)], rng)
            population = Population(sp.csr_matrix(moved), np.zeros(len(own), np.int64))
        if self.answer.value_type.is_non_negative:
            mean = np.maximum(mean, 0.0)
        return Prediction(
            query,
            self.answer.readouts,
            self.answer.value_type,
            mean,
            in_domain(query, reference) & is_known,
            cells=population,
        )

    def state(self) -> State:
        """See :meth:`Answer.state`."""
        return self.answer.state()

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> MovedCells:
        """The answers of a state."""
        return cls(Answer.restore(arrays, meta))
