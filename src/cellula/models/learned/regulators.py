"""Which regulators explain a change of genes: activities on a network of their targets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.false_discovery import benjamini_hochberg

__all__ = ["activities", "target_matrix"]

#: Penalty of an activity, in units of a target of weight 1.
RIDGE = 1.0
#: Permutations of the genes that are in memory together.
BLOCK = 100


def target_matrix(
    network: pd.DataFrame, readouts: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Regulators of a network with a target among the readouts, and their targets.

    network: columns regulator, target and, where there is one, weight (negative: represses; else
    1); an edge named twice counts with the sum. Returns names and (regulators, readouts). Raises
    DataError where a column is missing, a weight is no number or no target is a readout.
    """
    missing = [name for name in ("regulator", "target") if name not in network.columns]
    if missing:
        raise DataError(
            f"the network has no column {missing[0]!r}; expected regulator, target and weight"
        )
    place = pd.Index(readouts, dtype=object).get_indexer(
        pd.Index(network["target"].astype(str), dtype=object)
    )
    weight = np.ones(len(network))
    if "weight" in network.columns:
        weight = network["weight"].to_numpy(np.float64)
    if not np.isfinite(weight).all():
        raise DataError("the network has a weight that is no number; leave such edges out")
    is_known = place >= 0
    if not is_known.any():
        raise DataError(
            f"none of the {len(network)} targets of the network is a readout (such as "
            f"{readouts[0]!r}); use the same names of genes"
        )
    names, code = np.unique(
        network["regulator"].astype(str).to_numpy(str)[is_known], return_inverse=True
    )
    found = np.zeros((len(names), len(readouts)))
    np.add.at(found, (code, place[is_known]), weight[is_known])
    return tuple(map(str, names)), found


def activities(
    change: NDArray[np.float64],
    names: tuple[str, ...],
    targets: NDArray[np.float64],
    n_random: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """How much more active every regulator is, all of them at once.

    change: (genes,), best in standard errors; targets: (regulators, genes) of
    :func:`target_matrix`. With y the change less its mean and M the targets, the activity is
    (M M' + I)^-1 M y, so that regulators with shared targets share what they explain. p: how often
    genes in a random order give one as large, (1 + at least) / (1 + n_random); it takes genes for
    exchangeable, and is too small where targets change together for another reason. Columns
    regulator, activity, p, q [benjamini1995]_, n_targets, rank (by absolute activity over its
    spread among random orders).
    """
    with one_blas_thread():
        inner = targets @ targets.T + RIDGE * np.eye(len(names))
        hat = np.linalg.solve(inner, targets)
        centred = change - change.mean()
        found = hat @ centred
        square, at_least = np.zeros(len(names)), np.zeros(len(names))
        for start in range(0, n_random, BLOCK):
            n = min(BLOCK, n_random - start)
            drawn = hat @ np.stack([rng.permutation(centred) for _ in range(n)], axis=1)
            square += (drawn**2).sum(axis=1)
            at_least += (np.abs(drawn) >= np.abs(found)[:, None]).sum(axis=1)
    spread = np.sqrt(square / n_random)
    strength = np.abs(found) / np.where(spread > 0, spread, 1.0)
    p = (1.0 + at_least) / (1.0 + n_random)
    table = pd.DataFrame({"regulator": list(names), "activity": found, "strength": strength})
    table["p"], table["q"] = p, benjamini_hochberg(p)
    table["n_targets"] = (targets != 0).sum(axis=1)
    table = table.iloc[np.argsort(-strength, kind="stable")].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table
