"""The cells of both sides in values that can be drawn and tested, with what each answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Matrix
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import group_means
from cellula.evaluation.question import label_codes

__all__ = ["THIRDS", "Sides", "sides_of"]

#: Counts of a cell are scaled to this total before their logarithm.
TOTAL = 1e4
#: The thirds of the questions by the size of their real response.
THIRDS = ("small", "medium", "large")

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sides:
    """Real and predicted cells over the same readouts, and the question that each answers.

    groups: perturbation, context, and of the real response of each its ``size`` (root mean square
    over the readouts of the difference between the means of cells and controls, NaN without
    controls) and ``response``, the third to which it belongs. real, predicted: (cells, readouts);
    counts as log(1 + counts of 10,000). of_real, of_predicted: (cells,) rows of ``groups``, -1 for
    none. of_control: (real cells,) codes of ``contexts``, -1 for a cell that is no control.
    """

    groups: pd.DataFrame
    contexts: tuple[str, ...]
    readouts: tuple[str, ...]
    value_type: ValueType
    real: Matrix
    of_real: Codes
    of_control: Codes
    predicted: Matrix
    of_predicted: Codes

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


def sides_of(real: AnnData, predicted: AnnData, value_type: ValueType) -> Sides:
    """Both sides with the obs columns perturbation, context (optional) and, of the real one,
    is_control. Predicted controls do not count. Raises DataError where the readouts differ.
    """
    places = {str(name): place for place, name in enumerate(predicted.var_names)}
    readouts = tuple(map(str, real.var_names))
    if set(places) != set(readouts):
        raise DataError("the readouts of the two sides differ; predict exactly the measured ones")
    order = [places[name] for name in readouts]
    columns = slice(None) if order == list(range(len(order))) else np.array(order)
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
    matrices = [_prepared(m, value_type) for m in (real.X, predicted.X[:, columns])]
    of_real = np.where(is_control, -1, _rows(keys[0], known))
    of_control = np.where(is_control, contexts[0][0], -1)
    own = known // len(names[1])
    return Sides(
        groups=_with_sizes(groups, matrices[0], of_real, of_control, own),
        contexts=contexts[1],
        readouts=readouts,
        value_type=ValueType.LOG1P if value_type is ValueType.COUNTS else value_type,
        real=matrices[0],
        of_real=of_real,
        of_control=of_control,
        predicted=matrices[1],
        of_predicted=np.where(_flags(predicted), -1, _rows(keys[1], known)),
    )


def _flags(side: AnnData) -> NDArray[np.bool_]:
    if "is_control" not in side.obs:
        return np.zeros(side.n_obs, bool)
    return np.asarray(side.obs["is_control"], bool)


def _labels(side: AnnData) -> tuple[pd.Categorical, pd.Categorical]:
    """Perturbation and context of every cell; "all" where the cells have none."""
    found = []
    for name in ("perturbation", "context"):
        text = side.obs[name].astype(str) if name in side.obs else np.full(side.n_obs, "all")
        found.append(pd.Categorical(text))
    return found[0], found[1]


def _rows(keys: Codes, known: Codes) -> Codes:
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, place, -1).astype(np.int64)


def _prepared(matrix: Matrix, value_type: ValueType) -> Matrix:
    """The values to look at: of counts, of which a prediction may have negative ones, the log."""
    values = sp.csr_matrix(matrix) if sp.issparse(matrix) else np.asarray(matrix, np.float64)
    if value_type is not ValueType.COUNTS:
        return values
    counts = sp.csr_matrix(values, dtype=np.float64, copy=True)
    counts.data = np.maximum(counts.data, 0.0)
    total = np.asarray(counts.sum(axis=1), np.float64).ravel()
    counts.data *= np.repeat(TOTAL / np.where(total > 0, total, 1.0), np.diff(counts.indptr))
    np.log1p(counts.data, out=counts.data)
    return counts


def _with_sizes(
    groups: pd.DataFrame, real: Matrix, of_real: Codes, of_control: Codes, context: Codes
) -> pd.DataFrame:
    """The groups with the size of their real response and the third to which it belongs."""
    kept = np.flatnonzero(of_real >= 0)
    means = group_means(real[kept], of_real[kept], len(groups))
    rows = np.flatnonzero(of_control >= 0)
    n = int(context.max(initial=-1)) + 1
    known = rows[of_control[rows] < n]
    reference = group_means(real[known], of_control[known], n)[context]
    size = np.sqrt(np.mean((means - reference) ** 2, axis=1))
    place = pd.Series(size).rank(method="first", na_option="top").to_numpy() - 1
    thirds = np.minimum((3 * place / max(len(size), 1)).astype(int), 2)
    return groups.assign(size=size, response=np.asarray(THIRDS)[thirds])
