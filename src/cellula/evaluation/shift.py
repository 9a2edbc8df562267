"""Does one data set look like another? Adversarial validation of training against deployment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.evaluation.metrics.two_sample_auroc import FEWEST, separability
from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.kolmogorov_smirnov import kolmogorov_smirnov_columns

__all__ = ["MOST_PROFILES", "Shift", "shift_between"]

#: Profiles of each side that are looked at, drawn at random where there are more.
MOST_PROFILES = 1500


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a data set lies from another.

    auroc: of a classifier that tells their profiles apart, held out [lopezpaz2017]_; .5 where it
    cannot. n: profiles looked at on each side; n_readouts: the shared ones; missing: those that
    one side lacks. readouts: one row a shared readout, the most different first: readout, ks (the
    Kolmogorov-Smirnov statistic), mean, mean_beside.
    """

    auroc: float
    n: tuple[int, int]
    n_readouts: int
    missing: int
    readouts: pd.DataFrame


def shift_between(data: AnnData, beside: AnnData, rng: np.random.Generator) -> Shift:
    """Adversarial validation: can a classifier tell the profiles of ``data`` from ``beside``?

    Both are profiles x readouts of one value type; readouts are matched by name. Raises DataError
    where fewer than 6 profiles or no readout are shared, or a value is no number.
    """
    shared = data.var_names.intersection(beside.var_names, sort=False)
    if not len(shared):
        raise DataError(
            f"the two share no readout: one has {', '.join(map(str, data.var_names[:3]))} ..., the "
            f"other {', '.join(map(str, beside.var_names[:3]))} ...; use the same identifiers"
        )
    x, y = (_sample(one, shared, rng) for one in (data, beside))
    distance = kolmogorov_smirnov_columns(x, y)
    table = pd.DataFrame(
        {
            "readout": shared.astype(str),
            "ks": distance,
            "mean": x.mean(axis=0),
            "mean_beside": y.mean(axis=0),
        }
    )
    with one_blas_thread():
        auroc = separability(x, y)
    return Shift(
        auroc=auroc,
        n=(len(x), len(y)),
        n_readouts=len(shared),
        missing=data.n_vars + beside.n_vars - 2 * len(shared),
        readouts=table.sort_values("ks", ascending=False, kind="stable", ignore_index=True),
    )


def _sample(data: AnnData, shared: pd.Index, rng: np.random.Generator) -> NDArray[np.float64]:
    """Some profiles of the shared readouts, dense: (profiles, shared)."""
    if data.n_obs < FEWEST:
        raise DataError(f"{data.n_obs} profiles are too few to tell from others; give {FEWEST}")
    rows = np.arange(data.n_obs)
    if len(rows) > MOST_PROFILES:
        rows = np.sort(rng.choice(rows, MOST_PROFILES, replace=False))
    block = data.X[rows][:, data.var_names.get_indexer(shared)]
    values = np.asarray(block.toarray() if sp.issparse(block) else block, np.float64)
    if not np.isfinite(values).all():
        name = shared[int(np.argmin(np.isfinite(values).all(axis=0)))]
        raise DataError(f"{name} has a value that is no number; drop it or fill it on both sides")
    return values
