"""A small screen whose truth is known: observed and predicted cells of eight perturbations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.comparison import Comparison, GeneSets
from cellula.core.dataset import Dataset
from cellula.core.prediction import Population, Prediction
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions, compare

Floats = NDArray[np.float64]

N_GENES, N_CELLS, N_CONTROLS, N_PERTURBATIONS = 40, 30, 60, 8
CONTEXTS = ("left", "right")


def responses() -> Floats:
    """Factors of the expression: one response shared by all, and one of its own for each."""
    rng = np.random.default_rng(7)
    shared = np.where(rng.random(N_GENES) < 0.2, 1.0, 0.0)
    own = np.where(rng.random((N_PERTURBATIONS, N_GENES)) < 0.2, rng.normal(0, 1.2, N_GENES), 0.0)
    return np.asarray(np.exp(shared + own), np.float64)


def cells(seed: int, factors: Floats | None = None) -> Dataset:
    """Sparse log1p counts of controls and of eight perturbations in two contexts."""
    rng = np.random.default_rng(seed)
    factors = responses() if factors is None else factors
    labels, contexts, counts = [], [], []
    for place, context in enumerate(CONTEXTS):
        base = np.random.default_rng(place).gamma(0.6, 2.0, N_GENES) + 0.05
        for row in range(-1, N_PERTURBATIONS):
            n = N_CONTROLS if row < 0 else N_CELLS
            labels += ["control" if row < 0 else f"p{row}"] * n
            contexts += [context] * n
            counts.append(rng.poisson(base * (1.0 if row < 0 else factors[row]), (n, N_GENES)))
    obs = pd.DataFrame({"perturbation": labels, "context": contexts})
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = [f"c{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    values = sp.csr_matrix(np.log1p(np.concatenate(counts)))
    return Dataset(AnnData(values, obs=obs, var=var), ValueType.LOG1P)


def against(predicted: Dataset | list[Prediction], observed: Dataset) -> Comparison:
    """A comparison beside the leave-one-out mean response, as the panel makes one."""
    answers = as_predictions(predicted.treated) if isinstance(predicted, Dataset) else predicted
    given = compare(observed.treated, answers, controls=observed.controls, unit="perturbation")
    return replace(given, baseline=mean_response(given), baseline_name="mean_response")


def mean_response(given: Comparison) -> Floats:
    """For every group its control plus the mean change of the other perturbations there."""
    assert given.reference is not None
    change = given.observed - given.reference
    rows = []
    for group in range(len(change)):
        is_other = (given.groups["context"] == given.groups["context"].iloc[group]).to_numpy()
        is_other[group] = False
        rows.append(given.reference[group] + change[is_other].mean(axis=0))
    return np.array(rows)


def as_means(given: Comparison, predicted: Floats) -> Comparison:
    """The same observed groups beside predicted means that carry no cells."""
    return replace(given, predicted=predicted, predicted_cells=None)


def with_cells(given: Comparison, cells_of: list[Floats]) -> Comparison:
    """The same observed groups beside predicted cells, and their means."""
    group = np.repeat(np.arange(len(cells_of)), [len(block) for block in cells_of])
    means = np.array([block.mean(axis=0) for block in cells_of])
    population = Population(np.concatenate(cells_of), group.astype(np.int64))
    return replace(given, predicted=means, predicted_cells=population)


def predicted_blocks(given: Comparison) -> list[Floats]:
    """The predicted cells of every group, dense."""
    assert given.predicted_cells is not None
    return [given.predicted_cells.of(group) for group in range(len(given.groups))]


def permuted(given: Comparison, order: NDArray[np.int64]) -> Comparison:
    """The same comparison with its readouts in another order."""
    moved: dict[str, Any] = {
        name: getattr(given, name)[:, order]
        for name in ("observed", "predicted", "reference", "baseline")
    }
    for name in ("observed_cells", "predicted_cells", "control_cells"):
        population = getattr(given, name)
        moved[name] = replace(population, values=population.values[:, order])
    if given.gene_sets is not None:
        sets = given.gene_sets
        moved["gene_sets"] = GeneSets(sets.names, sets.members[:, order])
    readouts = tuple(given.readouts[i] for i in order)
    return replace(given, readouts=readouts, **moved)
