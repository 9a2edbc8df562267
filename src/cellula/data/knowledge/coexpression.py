"""Co-expression: genes that rise and fall together among untreated training cells."""

from __future__ import annotations

import numpy as np

from cellula.core.canonical import hash_json
from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.data.knowledge.graph import KnowledgeGraph
from cellula.data.knowledge.neighbours import correlations, nearest_graph
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["coexpression"]

#: Correlations of fewer cells are chance.
MIN_CELLS = 10
#: The most cells that are used: the first of every context in turn.
MOST = 5000


def coexpression(train: Dataset, neighbours: int = 20, threshold: float = 0.1) -> KnowledgeGraph:
    """Readouts joined to those that they correlate with most, in absolute terms, among controls.

    train: TRAINING profiles; only its controls are read, each less the mean of its context, so that
    a difference between contexts is no co-expression. threshold: the least absolute correlation
    of an edge, which is its weight. Fewer than 10 controls join nobody. Raises DataError
    without controls.
    """
    control = train.controls
    if control is None:
        raise DataError(
            "co-expression is computed from control profiles and these data have none; name the "
            "column that marks them in the role is_control"
        )
    context = np.asarray(control.queries().context.codes)
    turn = np.zeros(len(context), np.int64)
    for code in np.unique(context):
        turn[context == code] = np.arange((context == code).sum())
    rows = np.sort(np.lexsort((context, turn))[:MOST])
    values, group = control.dense(rows), context[rows]
    for code in np.unique(group):
        values[group == code] -= values[group == code].mean(axis=0)
    with one_blas_thread():
        alike = np.abs(correlations(values))
    alike[alike < (threshold if len(rows) >= MIN_CELLS else np.inf)] = 0.0
    made_from = {"training controls": _digest(control)}
    return KnowledgeGraph(control.readouts, nearest_graph(alike, neighbours), Provenance(made_from))


def _digest(control: Dataset) -> str:
    """Of the control profiles; where values are on disk, of the files that they came from."""
    if control.stored is None:
        return control.digest()
    return hash_json(sorted(control.provenance.sources.items()))
