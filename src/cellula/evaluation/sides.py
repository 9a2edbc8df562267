"""The cells of both sides in values that can be drawn and tested, with what each answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Matrix
from cellula.core.errors import DataError
from cellula.core.matrix import loaded
from cellula.core.value_type import ValueType
from cellula.data.group_means import group_means
from cellula.evaluation.question import label_codes
from cellula.evaluation.thirds import thirds_of

__all__ = ["Side", "Sides", "sides_of"]

#: Counts of a cell are scaled to this total before their logarithm.
TOTAL = 1e4
#: Cells that are looked at together.
BLOCK = 8192

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """The cells of one side: obs has perturbation, context (optional) and is_control (optional);
    values: (cells, readouts), of which rows are taken as they are looked at.
    """

    obs: pd.DataFrame
    values: Matrix
    readouts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sides:
    """Real and predicted cells over the same readouts, and the question that each answers.

    groups: perturbation, context, and of the real response of each its ``size`` (root mean square
    over the readouts of the difference between the means of cells and controls, NaN without
    controls) and ``response``, the third to which it belongs. readouts: as measured; value_type:
    of the values that are looked at: counts as log(1 + counts of 10,000). of_real, of_predicted:
    (cells,) rows of ``groups``, -1 for none. of_control: (real cells,) codes of ``contexts``, -1
    for a cell that is no control.
    """

    groups: pd.DataFrame
    contexts: tuple[str, ...]
    readouts: tuple[str, ...]
    value_type: ValueType
    of_real: Codes
    of_control: Codes
    of_predicted: Codes
    real: _Values
    predicted: _Values

    def real_cells(self, rows: Codes) -> Matrix:
        """Some real cells, (cells, readouts), dense or CSR."""
        return self.real.of(rows)

    def predicted_cells(self, rows: Codes) -> Matrix:
        """Some predicted cells, their readouts in the order of the measured ones."""
        return self.predicted.of(rows)

    @property
    def n_cells(self) -> tuple[Codes, Codes]:
        """How many real and how many predicted cells every group has: (groups,) each."""
        real, predicted = (
            np.bincount(codes[codes >= 0], minlength=len(self.groups)).astype(np.int64)
            for codes in (self.of_real, self.of_predicted)
        )
        return real, predicted

    @property
    def no_cells(self) -> str:
        """Why there is no population to look at, "" where there is one."""
        for side, n in zip(("real", "predicted"), self.n_cells, strict=True):
            if not (n > 1).any():
                return f"the {side} file holds one profile a question, not cells"
        return ""

    def controls_of(self, group: int) -> Codes:
        """The rows of the real controls of a group's context."""
        code = self.contexts.index(str(self.groups["context"].iloc[group]))
        return np.flatnonzero(self.of_control == code)


@dataclass(frozen=True, slots=True)
class _Values:
    """A matrix whose rows are prepared as they are taken: columns in order, logs of counts."""

    matrix: Matrix
    columns: Codes | None
    is_counts: bool

    def of(self, rows: Codes) -> Matrix:
        taken = loaded(self.matrix[rows])
        values = taken if self.columns is None else taken[:, self.columns]
        if self.is_counts:
            return _logarithms(values)
        return values if sp.issparse(values) else np.asarray(values, np.float64)


def sides_of(real: Side, predicted: Side, value_type: ValueType) -> Sides:
    """Both sides of an evaluation; predicted controls do not count.

    Raises DataError where the readouts differ.
    """
    places = {name: place for place, name in enumerate(predicted.readouts)}
    if set(places) != set(real.readouts):
        raise DataError("the readouts of the two sides differ; predict exactly the measured ones")
    order = np.array([places[name] for name in real.readouts], np.int64)
    is_same = np.array_equal(order, np.arange(len(order)))
    is_control = _flags(real)
    labels = [_labels(side) for side in (real, predicted)]
    contexts = label_codes([context for _, context in labels])
    names = label_codes([name for name, _ in labels])
    keys = [codes * len(names[1]) + part for codes, part in zip(contexts[0], names[0], strict=True)]
    known = np.unique(keys[0][~is_control])
    groups = pd.DataFrame(
        {
            "perturbation": [names[1][key % len(names[1])] for key in known],
            "context": [contexts[1][key // len(names[1])] for key in known],
        }
    )
    is_counts = value_type is ValueType.COUNTS
    values = _Values(real.values, None, is_counts)
    of_real = np.where(is_control, -1, _rows(keys[0], known))
    of_control = np.where(is_control, contexts[0][0], -1)
    own = known // len(names[1])
    return Sides(
        groups=_with_sizes(groups, values, of_real, of_control, own),
        contexts=contexts[1],
        readouts=real.readouts,
        value_type=ValueType.LOG1P if is_counts else value_type,
        of_real=of_real,
        of_control=of_control,
        of_predicted=np.where(_flags(predicted), -1, _rows(keys[1], known)),
        real=values,
        predicted=_Values(predicted.values, None if is_same else order, is_counts),
    )


def _flags(side: Side) -> NDArray[np.bool_]:
    if "is_control" not in side.obs:
        return np.zeros(len(side.obs), bool)
    return np.asarray(side.obs["is_control"], bool)


def _labels(side: Side) -> tuple[pd.Categorical, pd.Categorical]:
    """Perturbation and context of every cell; "all" where the cells have none."""
    found = []
    for name in ("perturbation", "context"):
        text = side.obs[name].astype(str) if name in side.obs else np.full(len(side.obs), "all")
        found.append(pd.Categorical(text))
    return found[0], found[1]


def _rows(keys: Codes, known: Codes) -> Codes:
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, place, -1).astype(np.int64)


def _logarithms(counts: Matrix) -> Matrix:
    """log(1 + counts of 10,000), (cells, readouts), CSR; a predicted count below 0 is 0."""
    values = sp.csr_matrix(counts, dtype=np.float64, copy=True)
    values.data = np.maximum(values.data, 0.0)
    total = np.asarray(values.sum(axis=1), np.float64).ravel()
    values.data *= np.repeat(TOTAL / np.where(total > 0, total, 1.0), np.diff(values.indptr))
    np.log1p(values.data, out=values.data)
    return values


def _means(values: _Values, codes: Codes, n: int) -> Floats:
    """Mean of the cells of every code, (n, readouts), from blocks of rows; NaN where none is."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    order = order[codes[order] < n]
    total = np.zeros((n, values.matrix.shape[1]))
    for start in range(0, len(order), BLOCK):
        rows = order[start : start + BLOCK]
        block, own = values.of(rows), codes[rows]
        present, first = np.unique(own, return_index=True)
        sizes = np.diff(np.append(first, len(own)))
        part = group_means(block, np.repeat(np.arange(len(present)), sizes), len(present))
        total[present] += part * sizes[:, None]
    count = np.bincount(codes[order], minlength=n).astype(np.float64)
    count[count == 0] = np.nan
    return np.asarray(total / count[:, None], np.float64)


def _with_sizes(
    groups: pd.DataFrame, real: _Values, of_real: Codes, of_control: Codes, context: Codes
) -> pd.DataFrame:
    """The groups with the size of their real response and the third to which it belongs."""
    means = _means(real, of_real, len(groups))
    reference = _means(real, of_control, int(context.max(initial=-1)) + 1)[context]
    size = np.sqrt(np.mean((means - reference) ** 2, axis=1))
    return groups.assign(size=size, response=thirds_of(size))
