"""Gradient-boosted regression trees as arrays: grown by scikit-learn, walked by ourselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from cellula.core.errors import EngineError
from cellula.core.model import State
from cellula.kernels.tree_ensemble import tree_sums

__all__ = ["BoostedTrees", "Growth"]

#: Our walk and scikit-learn's must agree on this many rows, to this share of the spread.
CHECKED_ROWS = 256
TOLERANCE = 1e-6
NODE_ARRAYS = ("feature", "threshold", "missing_left", "left", "right", "value")


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown: the options of gradient boosting that bear the same names."""

    trees: int
    leaves: int
    step: float
    leaf_rows: int
    penalty: float


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """One ensemble a target; y = start + sum over trees of a leaf's value [friedman2001]_.

    start: (targets,); roots: (targets, trees) the first node of every tree; the other arrays
    are (nodes,), see :func:`cellula.kernels.tree_ensemble.tree_sums`.
    """

    start: NDArray[np.float64]
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def grown(
        cls, x: NDArray[np.float64], y: NDArray[np.float64], growth: Growth, seed: int
    ) -> BoostedTrees:
        """Trees from features x (rows, features), NaN allowed, to targets y (rows, targets).

        On one thread, so that the same rows give the same bits. Raises EngineError where the
        installed scikit-learn lays its nodes out in another way than we read them.
        """
        kept = np.flatnonzero(_varies(x))
        if not len(kept):
            return _constant(y)
        known, regressors = x[:, kept], []
        with threadpool_limits(limits=1):
            for target in y.T:
                regressor = HistGradientBoostingRegressor(
                    learning_rate=growth.step,
                    max_iter=growth.trees,
                    max_leaf_nodes=growth.leaves,
                    min_samples_leaf=growth.leaf_rows,
                    l2_regularization=growth.penalty,
                    early_stopping=False,
                    random_state=seed,
                )
                regressors.append(regressor.fit(known, target))
            trees = _collected(regressors, growth.trees, kept)
            theirs = np.column_stack([one.predict(known[:CHECKED_ROWS]) for one in regressors])
        ours = trees.at(x[:CHECKED_ROWS])
        allowed = TOLERANCE * (np.abs(theirs).max(initial=0.0) + 1e-12)
        if np.abs(ours - theirs).max(initial=0.0) > allowed:
            raise EngineError(
                "the trees read from the installed scikit-learn predict otherwise than "
                "scikit-learn itself; its layout of nodes has changed: install the pinned version"
            )
        return trees

    def at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The prediction for every row of x (rows, features): (rows, targets)."""
        columns = [
            start + tree_sums(x, roots, *(getattr(self, name) for name in NODE_ARRAYS))
            for start, roots in zip(self.start, self.roots, strict=True)
        ]
        return np.column_stack(columns)

    def first(self, trees: int) -> BoostedTrees:
        """Only the first trees of every target: what fewer rounds would have grown."""
        return replace(self, roots=self.roots[:, :trees])

    def state(self) -> State:
        """Arrays from which :meth:`restore` makes this again."""
        names = ("start", "roots", *NODE_ARRAYS)
        return State({f"tree_{name}": getattr(self, name) for name in names})

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> BoostedTrees:
        """The trees of a state."""
        return cls(*(arrays[f"tree_{name}"] for name in ("start", "roots", *NODE_ARRAYS)))


def _varies(x: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which columns hold two numbers at least; only these can be split at."""
    lowest = np.where(np.isnan(x), np.inf, x).min(axis=0, initial=np.inf)
    highest = np.where(np.isnan(x), -np.inf, x).max(axis=0, initial=-np.inf)
    return np.asarray(lowest < highest, np.bool_)


def _constant(y: NDArray[np.float64]) -> BoostedTrees:
    """No tree at all: the mean of every target."""
    whole, real = np.zeros(0, np.int64), np.zeros(0)
    roots = np.zeros((y.shape[1], 0), np.int64)
    nothing = np.zeros(0, bool)
    return BoostedTrees(y.mean(axis=0), roots, whole, real, nothing, whole, whole, real)


def _collected(regressors: Sequence[Any], n_trees: int, columns: NDArray[np.int64]) -> BoostedTrees:
    """The nodes of all trees of all targets in one table; children are counted from its start.

    columns: (features of the regressors,) which of our columns each of theirs is.
    scikit-learn has no public access to nodes; :meth:`BoostedTrees.grown` checks the reading.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in NODE_ARRAYS}
    roots = np.zeros((len(regressors), n_trees), np.int64)
    offset = 0
    for target, regressor in enumerate(regressors):
        for number, (tree,) in enumerate(regressor._predictors):
            nodes = tree.nodes
            is_leaf = nodes["is_leaf"].astype(bool)
            roots[target, number] = offset
            feature = columns[np.where(is_leaf, 0, nodes["feature_idx"].astype(np.int64))]
            parts["feature"].append(np.where(is_leaf, -1, feature))
            parts["threshold"].append(nodes["num_threshold"].astype(np.float64))
            parts["missing_left"].append(nodes["missing_go_to_left"].astype(bool))
            parts["left"].append(nodes["left"].astype(np.int64) + offset)
            parts["right"].append(nodes["right"].astype(np.int64) + offset)
            parts["value"].append(nodes["value"].astype(np.float64))
            offset += len(nodes)
    start = np.array([np.ravel(one._baseline_prediction)[0] for one in regressors], np.float64)
    return BoostedTrees(start, roots, *(np.concatenate(parts[name]) for name in NODE_ARRAYS))
