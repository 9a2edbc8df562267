"""Lay observed and predicted side by side, once, so that metrics are functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison, GeneSets
from cellula.core.dataset import Dataset, Matrix
from cellula.core.errors import DataError
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.evaluation.folds import concatenate
from cellula.evaluation.question import describe, join_frames, joint_codes, label_codes
from cellula.evaluation.space import Space

__all__ = ["as_predictions", "compare", "concatenate", "group_codes", "group_means"]

#: Profiles that are turned into float64 together.
BLOCK = 8192
#: Units that are a column of the question, hence no further division of the profiles.
QUESTION_UNITS = ("perturbation", "context", "individual")

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Answers:
    """All predictions in one: rows in the order of the batches, readouts as observed."""

    queries: QueryTable
    mean: Floats
    lower: Floats | None
    upper: Floats | None
    cells: Population | None


def group_codes(observed: Dataset, unit: str) -> tuple[Codes, tuple[str, ...], Codes]:
    """Code of the unit of every profile, the names of the units, code of every group.

    A group is a distinct question (the query columns present) within a unit; groups are
    numbered by question, then unit, in the order of their labels. ``unit`` is perturbation,
    context or a role of the profiles (donor, replicate, batch, individual).
    """
    queries = observed.queries()
    is_part = unit in QUESTION_UNITS and getattr(queries, unit) is not None
    labels = getattr(queries, unit) if is_part else observed.labels(unit)
    (codes,), names = label_codes([labels])
    present, codes = np.unique(codes, return_inverse=True)
    (keys,) = joint_codes([queries])
    groups = np.unique(keys * len(present) + codes, return_inverse=True)[1]
    return codes.astype(np.int64), tuple(names[code] for code in present), groups.astype(np.int64)


def group_means(matrix: Matrix, groups: Codes, n_groups: int) -> Floats:
    """Mean of the profiles of every group: (n_groups, readouts); NaN where there is none.

    matrix: (profiles, readouts), dense or CSR; groups: (profiles,). Memory beyond the result
    is that of a block of profiles; sums run in the order of the groups, then of the profiles.
    """
    order = np.argsort(groups, kind="stable")
    total = np.zeros((n_groups, matrix.shape[1]))
    for start in range(0, len(order), BLOCK):
        rows = order[start : start + BLOCK]
        block = matrix[rows]
        dense = np.asarray(block.toarray() if sp.issparse(block) else block, np.float64)
        codes = groups[rows]
        first = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
        total[codes[first]] += np.add.reduceat(dense, first, axis=0)
    count = np.bincount(groups, minlength=n_groups).astype(np.float64)
    count[count == 0] = np.nan
    return np.asarray(total / count[:, None], np.float64)


def compare(
    observed: Dataset,
    predictions: Iterable[Prediction],
    *,
    controls: Dataset | None,
    unit: str,
    baseline: Iterable[Prediction] | None = None,
    baseline_name: str = "",
    space: Space | None = None,
    gene_sets: GeneSets | None = None,
) -> Comparison:
    """Observed group means beside the predictions that answer the same questions.

    Groups are those of :func:`group_codes`; a prediction serves every unit of its question.
    ``reference`` is the mean of the real controls of the group's context and unit, or of the
    context where the controls have no such unit; NaN where the context has no control. Cells
    are kept where the predictions carry them or a group holds more than one profile, projected
    through ``space`` where one is given; with them the controls of the group's context, and which
    unit each of them is of.

    Raises DataError, naming it, when an observed question has no answer, when readouts or
    value types differ (permuted readouts are put in order), or when two answers to one
    question disagree.
    """
    unit_of_profile, units, groups = group_codes(observed, unit)
    first = np.unique(groups, return_index=True)[1]
    questions = observed.queries().take(first)
    answers = _gather(predictions, observed)
    rows = _match(questions, answers)
    base = None if baseline is None else _gather(baseline, observed)
    keeps_cells = answers.cells is not None or len(first) < len(groups)
    own_controls = _control_cells(controls, questions, space) if keeps_cells else None
    return Comparison(
        groups=questions.frame(),
        unit=unit_of_profile[first],
        units=units,
        readouts=observed.readouts,
        observed=group_means(observed.values, groups, len(first)),
        predicted=answers.mean[rows],
        lower=None if answers.lower is None else answers.lower[rows],
        upper=None if answers.upper is None else answers.upper[rows],
        reference=None
        if controls is None
        else _reference(
            controls, observed.readouts, questions, unit, units, unit_of_profile[first]
        ),
        baseline=None if base is None else base.mean[_match(questions, base)],
        baseline_name=baseline_name if base is not None else "",
        observed_cells=_population(observed.values, groups, space) if keeps_cells else None,
        predicted_cells=None if answers.cells is None else _spread(answers.cells, rows, space),
        control_cells=None if own_controls is None else own_controls[0],
        control=None if own_controls is None else own_controls[1],
        control_units=None if own_controls is None else _control_units(controls, unit, units),
        gene_sets=gene_sets,
    )


def as_predictions(data: Dataset) -> list[Prediction]:
    """Real profiles as if a model had predicted them: one answer a distinct question.

    The mean is that of all profiles of the question, whatever their unit; the profiles
    themselves are the cells where a question has more than one.
    """
    queries = data.queries()
    (keys,) = joint_codes([queries])
    _, first, groups = np.unique(keys, return_index=True, return_inverse=True)
    has_cells = len(first) < len(groups)
    return [
        Prediction(
            queries=queries.take(first),
            readouts=data.readouts,
            value_type=data.value_type,
            mean=group_means(data.values, groups, len(first)),
            in_domain=np.ones(len(first), bool),
            cells=_population(data.values, groups.astype(np.int64), None) if has_cells else None,
        )
    ]


# -- predictions ------------------------------------------------------------------------------
def _gather(predictions: Iterable[Prediction], observed: Dataset) -> _Answers:
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

    return _Answers(
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
        (batch.cells.values[:, order], batch.cells.group + offset)
        for batch, order, offset in zip(batches, columns, offsets[:-1], strict=True)
        if batch.cells is not None
    ]
    if not parts:
        return None
    if len(parts) == 1:
        return Population(*parts[0])
    matrices = [values for values, _ in parts]
    if any(sp.issparse(values) for values in matrices):
        values = sp.csr_matrix(sp.vstack(matrices))
    else:
        values = np.concatenate(matrices)
    return Population(values, np.concatenate([group for _, group in parts]))


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


def _match(questions: QueryTable, answers: _Answers) -> Codes:
    """The row of the answer to every question: shape (questions,)."""
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


# -- populations and references ---------------------------------------------------------------
def _population(matrix: Matrix, groups: Codes, space: Space | None) -> Population:
    order = np.argsort(groups, kind="stable")
    values = matrix[order] if space is None else space.project(matrix[order])
    return Population(values, groups[order])


def _spread(cells: Population, rows: Codes, space: Space | None) -> Population:
    """The cells of the answers, one copy for each group that an answer serves."""
    start = np.searchsorted(cells.group, rows)
    count = np.searchsorted(cells.group, rows + 1) - start
    group = np.repeat(np.arange(len(rows)), count)
    within = np.arange(len(group)) - np.repeat(np.cumsum(count) - count, count)
    taken = np.repeat(start, count) + within
    if space is None:
        return Population(cells.values[taken], group)
    return Population(space.project(cells.values)[taken], group)


def _control_cells(
    controls: Dataset | None, questions: QueryTable, space: Space | None
) -> tuple[Population, Codes] | None:
    """The controls of every context, and the context of every question among them, -1 for none."""
    if controls is None:
        return None
    (asked, named), _ = label_codes([questions.context, controls.queries().context])
    known, code = np.unique(named, return_inverse=True)
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    own = np.where(known[place] == asked, place, -1).astype(np.int64)
    return _population(controls.values, code.astype(np.int64), space), own


def _control_units(controls: Dataset | None, unit: str, units: tuple[str, ...]) -> Codes | None:
    """The unit of every control, in the order of :func:`_control_cells`: codes of ``units``.

    -1 for another unit; None without controls, or where they do not have this unit.
    """
    if controls is None or unit in QUESTION_UNITS or not controls.has_role(unit):
        return None
    (context,), _ = label_codes([controls.queries().context])
    return _units_of(controls, unit, units)[np.argsort(context, kind="stable")]


def _units_of(controls: Dataset, unit: str, units: tuple[str, ...]) -> Codes:
    labels = controls.labels(unit)
    codes = pd.Index(units).get_indexer(np.asarray(labels.categories, str))[labels.codes]
    return np.asarray(codes, np.int64)


def _reference(
    controls: Dataset,
    readouts: tuple[str, ...],
    questions: QueryTable,
    unit: str,
    units: tuple[str, ...],
    unit_of_group: Codes,
) -> Floats:
    if controls.readouts != readouts:
        raise DataError(
            f"the controls have {len(controls.readouts)} readouts that are not the "
            f"{len(readouts)} observed ones in their order; take controls from the same dataset"
        )
    (context, named), contexts = label_codes([questions.context, controls.queries().context])
    reference = group_means(controls.values, named, len(contexts))[context]
    if unit in QUESTION_UNITS or not controls.has_role(unit):
        return reference
    of_unit = _units_of(controls, unit, units)
    known = np.flatnonzero(of_unit >= 0)
    if not len(known):
        return reference
    pairs, code = np.unique(named[known] * len(units) + of_unit[known], return_inverse=True)
    means = group_means(controls.values[known], code.astype(np.int64), len(pairs))
    wanted = context * len(units) + unit_of_group
    position = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    is_own = pairs[position] == wanted
    reference[is_own] = means[position[is_own]]
    return reference
