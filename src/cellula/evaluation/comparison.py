"""Lay observed and predicted side by side, once, so that metrics are functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison, GeneSets
from cellula.core.dataset import Dataset, Matrix
from cellula.core.errors import DataError
from cellula.core.matrix import dense, loaded
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.data.group_means import group_means
from cellula.evaluation.answers import gather, match
from cellula.evaluation.folds import concatenate
from cellula.evaluation.question import joint_codes, label_codes
from cellula.evaluation.space import Space

__all__ = [
    "RealSide",
    "as_predictions",
    "compare",
    "concatenate",
    "group_codes",
    "real_side",
]

#: Cells that are projected into a space together.
BLOCK = 8192
#: Units that are a column of the question, hence no further division of the profiles.
QUESTION_UNITS = ("perturbation", "context", "individual")

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


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
    unit each of them is of. Where values are on disk, cells stay there and means are made block
    by block.

    Raises DataError, naming it, when an observed question has no answer, when readouts or
    value types differ (permuted readouts are put in order), or when two answers to one
    question disagree.
    """
    side = real_side(observed, controls=controls, unit=unit, space=space, gene_sets=gene_sets)
    found = side.beside(predictions)
    if baseline is not None:
        base = gather(baseline, observed)
        rows = match(QueryTable.from_frame(found.groups), base)
        found = replace(found, baseline=base.mean[rows], baseline_name=baseline_name)
    return found


@dataclass(frozen=True, slots=True)
class RealSide:
    """The real side of comparisons: laid out once, put beside any number of predictions.

    questions: (groups,); unit: (groups,) codes into ``units``; mean, reference: (groups,
    readouts), the reference None without controls. cells: None where every group is one profile.
    """

    observed: Dataset
    controls: Dataset | None
    space: Space | None
    questions: QueryTable
    unit: Codes
    units: tuple[str, ...]
    groups: Codes
    mean: Floats
    reference: Floats | None
    cells: Population | None
    control_cells: tuple[Population, Codes] | None
    control_units: Codes | None = None
    gene_sets: GeneSets | None = None

    def beside(self, predictions: Iterable[Prediction]) -> Comparison:
        """The comparison with these predictions; errors as :func:`compare`."""
        answers = gather(predictions, self.observed)
        rows = match(self.questions, answers)
        cells, own_controls = self.cells, self.control_cells
        if cells is None and answers.cells is not None:
            cells = _population(self.observed.values, self.groups, self.space)
            own_controls = _control_cells(self.controls, self.questions, self.space)
        return Comparison(
            groups=self.questions.frame(),
            unit=self.unit,
            units=self.units,
            readouts=self.observed.readouts,
            observed=self.mean,
            predicted=answers.mean[rows],
            lower=None if answers.lower is None else answers.lower[rows],
            upper=None if answers.upper is None else answers.upper[rows],
            reference=self.reference,
            observed_cells=cells,
            predicted_cells=None
            if answers.cells is None
            else _spread(answers.cells, rows, self.space),
            control_cells=None if own_controls is None else own_controls[0],
            control=None if own_controls is None else own_controls[1],
            control_units=None if own_controls is None else self.control_units,
            gene_sets=self.gene_sets,
        )


def real_side(
    observed: Dataset,
    *,
    controls: Dataset | None,
    unit: str,
    space: Space | None = None,
    gene_sets: GeneSets | None = None,
) -> RealSide:
    """What comparisons of several predictions with the same profiles share.

    Arguments as :func:`compare`. Raises DataError where the controls have other readouts.
    """
    unit_of_profile, units, groups = group_codes(observed, unit)
    first = np.unique(groups, return_index=True)[1]
    questions = observed.queries().take(first)
    own = unit_of_profile[first]
    has_cells = len(first) < len(groups)
    return RealSide(
        observed=observed,
        controls=controls,
        space=space,
        questions=questions,
        unit=own,
        units=units,
        groups=groups,
        mean=group_means(observed.values, groups, len(first)),
        reference=None
        if controls is None
        else _reference(controls, observed.readouts, questions, unit, units, own),
        cells=_population(observed.values, groups, space) if has_cells else None,
        control_cells=_control_cells(controls, questions, space) if has_cells else None,
        control_units=_control_units(controls, questions, unit, units),
        gene_sets=gene_sets,
    )


def as_predictions(data: Dataset) -> list[Prediction]:
    """Real profiles as if a model had predicted them: one answer a distinct question.

    The mean is that of all profiles of the question, whatever their unit; the profiles
    themselves are the cells where a question has more than one. Where every question is one
    profile and the layers ``lower`` and ``upper`` are there, they are the interval.
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
            lower=None if has_cells else _bound(data, "lower", "upper", first),
            upper=None if has_cells else _bound(data, "upper", "lower", first),
            cells=_population(data.values, groups.astype(np.int64), None) if has_cells else None,
        )
    ]


def _bound(data: Dataset, name: str, other: str, rows: Codes) -> Floats | None:
    """One bound of a predicted interval (rows, readouts); None unless both are there."""
    layers = getattr(data.data, "layers", {})
    if name not in layers or other not in layers:
        return None
    return np.asarray(dense(layers[name][rows]), np.float64)


# -- populations and references ---------------------------------------------------------------
def _population(matrix: Matrix, groups: Codes, space: Space | None) -> Population:
    order = np.argsort(groups, kind="stable")
    return Population(_projected(matrix, order, space), groups[order])


def _projected(matrix: Matrix, rows: Codes, space: Space | None) -> Matrix:
    """Some cells, or their coordinates in a space, made in blocks of cells."""
    if space is None:
        is_all = len(rows) == matrix.shape[0] and np.array_equal(rows, np.arange(len(rows)))
        return matrix if is_all else matrix[rows]
    starts = range(0, max(len(rows), 1), BLOCK)
    parts = [space.project(loaded(matrix[rows[start : start + BLOCK]])) for start in starts]
    return np.concatenate(parts)


def _spread(cells: Population, rows: Codes, space: Space | None) -> Population:
    """The cells of the answers, one copy for each group that an answer serves."""
    start = np.searchsorted(cells.group, rows)
    count = np.searchsorted(cells.group, rows + 1) - start
    group = np.repeat(np.arange(len(rows)), count)
    within = np.arange(len(group)) - np.repeat(np.cumsum(count) - count, count)
    return Population(_projected(cells.values, np.repeat(start, count) + within, space), group)


def _control_rows(controls: Dataset, questions: QueryTable) -> tuple[Codes, Codes, Codes]:
    """The controls of the contexts that are asked: their rows, context after context, the
    population of each of them, and that of every question, -1 for none.
    """
    (asked, named), _ = label_codes([questions.context, controls.queries().context])
    rows = np.flatnonzero(np.isin(named, asked))
    known, code = np.unique(named[rows], return_inverse=True)
    own = np.append(known, -1)[np.searchsorted(known, asked)]
    order = np.argsort(code, kind="stable")
    place = np.where(own == asked, np.searchsorted(known, asked), -1)
    return rows[order], code[order].astype(np.int64), place.astype(np.int64)


def _control_cells(
    controls: Dataset | None, questions: QueryTable, space: Space | None
) -> tuple[Population, Codes] | None:
    """The controls of every context, and the context of every question among them, -1 for none."""
    if controls is None:
        return None
    rows, code, own = _control_rows(controls, questions)
    return Population(_projected(controls.values, rows, space), code), own


def _control_units(
    controls: Dataset | None, questions: QueryTable, unit: str, units: tuple[str, ...]
) -> Codes | None:
    """The unit of every control, in the order of :func:`_control_cells`: codes of ``units``.

    -1 for another unit; None without controls, or where they do not have this unit.
    """
    if controls is None or unit in QUESTION_UNITS or not controls.has_role(unit):
        return None
    return _units_of(controls, unit, units)[_control_rows(controls, questions)[0]]


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
