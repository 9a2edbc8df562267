"""A planted disease: stages, two kinds of cells that change in opposite ways, and a drug for one.

Two kinds of cells stand side by side in every stage. The same regulators rise along the stages in
kind A and fall in kind B, so the means of stages hide what happens. Single cells hold few counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType

GENES, REGULATORS, ACTIVE, TARGETS = 200, 30, 5, 10
STAGES = ("healthy", "mild", "severe", "end")
DRUGS, SIZE, SCALE = 100, 10, 10.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Disease:
    """data; kind: (cells,) 0 for A, 1 for B; network: regulator, target, weight, with errors;
    active: (regulators,) the planted ones; drugs: drug, gene, change, of which ``drug0`` reverses
    kind A; share: (cells, genes) expected share of the counts.
    """

    data: Dataset
    kind: NDArray[np.int64]
    network: pd.DataFrame
    active: NDArray[np.bool_]
    drugs: pd.DataFrame
    share: Floats


def disease(
    seed: int,
    n_cells: int = 150,
    depth: float = 0.5,
    between: float = 1.0,
    along: float = 0.8,
    donor: float = 0.1,
) -> Disease:
    """n_cells: of a stage; depth: counts a gene and cell; between: log-fold of the markers of the
    kinds; along: of the targets from the first stage to the last; donor: spread of donors.
    """
    rng = np.random.default_rng(seed)
    targets = np.zeros((REGULATORS, GENES))
    for regulator in range(REGULATORS):
        own = rng.choice(GENES, TARGETS, replace=False)
        targets[regulator, own] = rng.choice([-1.0, 1.0], TARGETS)
    active = np.arange(REGULATORS) < ACTIVE
    programme = along * targets[active].sum(axis=0)
    marker = np.where(rng.random(GENES) < 0.15, between * rng.choice([-1.0, 1.0], GENES), 0.0)
    base = rng.normal(0.0, 0.7, GENES)
    kind, stage = rng.integers(2, size=4 * n_cells), np.repeat(np.arange(4), n_cells)
    own_donor = 3 * stage + np.tile(np.arange(n_cells) % 3, 4)
    progress = np.clip(stage / 3.0 + 0.1 * rng.normal(size=len(stage)), 0.0, 1.0)
    sign = 1.0 - 2.0 * kind
    log_rate = base + donor * rng.normal(size=(12, GENES))[own_donor]
    log_rate = log_rate + sign[:, None] * (0.5 * marker + progress[:, None] * programme)
    share = np.exp(log_rate)
    share /= share.sum(axis=1, keepdims=True)
    total = depth * GENES * np.exp(rng.normal(0.0, 0.3, len(stage)))
    counts = rng.negative_binomial(5.0, 5.0 / (5.0 + share * total[:, None]))
    values = np.log1p(SCALE * GENES * counts / np.maximum(counts.sum(axis=1), 1)[:, None])
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(np.array(STAGES)[stage]),
            "context": pd.Categorical(["lung"] * len(stage)),
            "donor": pd.Categorical([f"d{i}" for i in own_donor]),
            "is_control": stage == 0,
        },
        [f"cell{i}" for i in range(len(stage))],
    )
    names = [f"g{i}" for i in range(GENES)]
    cells = AnnData(values, obs, pd.DataFrame(index=names))
    cells.layers["counts"] = counts.astype(np.float32)
    data = Dataset(cells, ValueType.LOG1P)
    return Disease(data, kind, _told(targets, rng), active, _drugs(programme, marker, rng), share)


def _told(targets: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """The network as it is known: a third of the edges is missing, as many are wrong."""
    regulator, gene = np.nonzero(targets)
    kept = rng.random(len(regulator)) < 2.0 / 3.0
    n_wrong = int((~kept).sum())
    wrong = rng.integers(REGULATORS, size=n_wrong), rng.integers(GENES, size=n_wrong)
    return pd.DataFrame(
        {
            "regulator": [f"r{i}" for i in np.concatenate([regulator[kept], wrong[0]])],
            "target": [f"g{i}" for i in np.concatenate([gene[kept], wrong[1]])],
            "weight": np.concatenate(
                [targets[regulator, gene][kept], rng.choice([-1.0, 1.0], n_wrong)]
            ),
        }
    )


def _drugs(programme: Floats, marker: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Each of ten genes; the first reverses A, the second drives it on, ten hit the markers."""
    rows = []
    changed = np.argsort(-np.abs(programme), kind="stable")[: 2 * SIZE]
    hit = np.flatnonzero(marker)
    for drug in range(DRUGS):
        if drug < 2:
            genes = np.sort(rng.choice(changed, SIZE, replace=False))
            change = np.sign(programme[genes]) * (-1.0 if drug == 0 else 1.0)
        else:
            from_all = np.arange(GENES) if drug >= 12 else hit
            genes = rng.choice(from_all, SIZE, replace=False)
            change = rng.choice([-1.0, 1.0], SIZE)
        rows += [(f"drug{drug}", f"g{g}", c) for g, c in zip(genes, change, strict=True)]
    return pd.DataFrame(rows, columns=["drug", "gene", "change"])
