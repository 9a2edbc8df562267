"""Predictions put together: batches joined, readouts in order, each question its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset, Matrix
from cellula.core.errors import DataError
from cellula.core.matrix import StoredMatrix
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.evaluation.question import describe, join_frames, joint_codes
from cellula.io.row_store import stacked

__all__ = ["Answers", "gather", "joined", "match"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answers:
    """All predictions in one: rows in the order of the batches, readouts as observed."""

    queries: QueryTable
    mean: Floats
    lower: Floats | None
    upper: Floats | None
    cells: Population | None


def gather(predictions: Iterable[Prediction], observed: Dataset) -> Answers:
    """All answers in one. Raises DataError where readouts or value types are not the observed."""
    batches = list(predictions)
    if not batches:
        raise DataError("there is no prediction; predict every observed question first")
    readouts = observed.readouts
    columns = [_columns(batch, readouts) for batch in batches]
    for batch in batches:
        if batch.value_type is not observed.value_type:
            raise DataError(
                f"predicted are {batch.value_type.value}, observed {observed.value_type.value}; "
                "bring both to one value type before comparing"
            )
    shape = [(len(batch.queries), len(readouts)) for batch in batches]
    has_interval = any(batch.lower is not None for batch in batches)

    def stack(name: str) -> Floats:
        parts = [
            np.full(size, np.nan) if (part := getattr(batch, name)) is None else part[:, order]
            for batch, order, size in zip(batches, columns, shape, strict=True)
        ]
        return np.asarray(np.concatenate(parts), np.float64)

    return Answers(
        queries=_concatenate_queries([batch.queries for batch in batches]),
        mean=stack("mean"),
        lower=stack("lower") if has_interval else None,
        upper=stack("upper") if has_interval else None,
        cells=_stack_cells(batches, columns),
    )


def _columns(batch: Prediction, readouts: Sequence[str]) -> slice | Codes:
    """The order of the predicted readouts that makes them the observed ones."""
    if tuple(batch.readouts) == tuple(readouts):
        return slice(None)
    position = {name: column for column, name in enumerate(batch.readouts)}
    missing = [name for name in readouts if name not in position]
    surplus = sorted(set(position) - set(readouts))
    if missing or surplus or len(position) < len(batch.readouts):
        raise DataError(
            f"the predicted readouts are not the observed ones: {len(missing)} missing "
            f"({', '.join(missing[:5]) or 'none'}), {len(surplus)} not observed "
            f"({', '.join(surplus[:5]) or 'none'}); predict exactly the observed readouts"
        )
    return np.array([position[name] for name in readouts], np.int64)


def _stack_cells(
    batches: Sequence[Prediction], columns: Sequence[slice | Codes]
) -> Population | None:
    offsets = np.cumsum([0, *(len(batch.queries) for batch in batches)])
    parts = [
        (_in_order(batch.cells.values, order), batch.cells.group + offset)
        for batch, order, offset in zip(batches, columns, offsets[:-1], strict=True)
        if batch.cells is not None
    ]
    if not parts:
        return None
    values = stacked([values for values, _ in parts])
    return Population(values, np.concatenate([group for _, group in parts]))


def _in_order(values: Matrix, order: slice | Codes) -> Matrix:
    """Columns in order, where they are not."""
    if isinstance(order, slice):
        return values
    return values.columns(order) if isinstance(values, StoredMatrix) else values[:, order]


def _concatenate_queries(tables: Sequence[QueryTable]) -> QueryTable:
    if len(tables) == 1:
        return tables[0]
    columns = tables[0].columns
    for table in tables:
        if table.columns != columns:
            raise DataError(
                f"one batch answers {', '.join(columns)}, another {', '.join(table.columns)}; "
                "ask all questions with the same columns"
            )
    return QueryTable.from_frame(join_frames([table.frame() for table in tables]))


def match(questions: QueryTable, answers: Answers) -> Codes:
    """The row of the answer to every question: shape (questions,).

    Raises DataError, naming the question, where there is none or two that disagree.
    """
    asked, answered = joint_codes([questions, answers.queries])
    order = np.argsort(answered, kind="stable")
    keys = answered[order]
    same = np.flatnonzero(keys[1:] == keys[:-1])
    if len(same) and not np.array_equal(answers.mean[order[same]], answers.mean[order[same + 1]]):
        wrong = np.any(answers.mean[order[same]] != answers.mean[order[same + 1]], axis=1)
        row = int(order[same[int(np.argmax(wrong))]])
        raise DataError(
            f"two different predictions for {describe(answers.queries, row)}; "
            "keep one answer a question"
        )
    position = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    missing = np.flatnonzero(keys[position] != asked)
    if len(missing):
        raise DataError(
            f"{len(missing)} of {len(asked)} observed questions have no prediction, the first: "
            f"{describe(questions, int(missing[0]))}; predict every observed question"
        )
    return np.asarray(order[position], np.int64)


def joined(predictions: Iterable[Prediction]) -> list[Prediction]:
    """The same answers as one batch where all batches have the same parts, so that comparisons
    with them share one array instead of a copy each.
    """
    batches = list(predictions)
    kinds = {
        (one.readouts, one.value_type, one.lower is None, one.cells is None, one.queries.columns)
        for one in batches
    }
    if len(batches) < 2 or len(kinds) > 1:
        return batches
    head = batches[0]
    has_interval = head.lower is not None
    return [
        Prediction(
            queries=_concatenate_queries([one.queries for one in batches]),
            readouts=head.readouts,
            value_type=head.value_type,
            mean=np.concatenate([one.mean for one in batches]),
            in_domain=np.concatenate([one.in_domain for one in batches]),
            lower=np.concatenate([one.lower for one in batches]) if has_interval else None,
            upper=np.concatenate([one.upper for one in batches]) if has_interval else None,
            cells=_stack_cells(batches, [slice(None)] * len(batches)),
        )
    ]
