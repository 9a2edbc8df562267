"""Real beside predicted differential expression of a few perturbations, gene by gene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray
from scipy.stats import rankdata

from cellula.core.perturbation import components
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.differential import DifferentialOptions, differential
from cellula.evaluation.sides import Sides

__all__ = ["LEVEL", "Agreement", "Effects", "effects"]

#: With fewer cells than this on a side a test says nothing.
FEWEST = 10
#: Of the p adjusted over the readouts of one perturbation.
LEVEL = 0.05
#: Added to both means before their ratio: a tenth of a count in 10,000 stands for nothing.
PSEUDOCOUNT = 0.1
#: What is shown of the questions in the order of the size of their real response.
PLACES = ("largest", "median", "smallest")
#: The value types whose fold change is a log2 ratio or a difference of logarithms.
FOLDS = (ValueType.LOG1P, ValueType.LOG2, ValueType.CONCENTRATION)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two lists of changes agree.

    n_both: significant on both sides, -1 where one side holds means, which have no test; overlap:
    over those significant on either (Jaccard);
    same_sign: of those significant in the real cells, the share that the other side moves in the
    same direction; rank: Spearman's correlation of the changes of all readouts. NaN: nothing to
    compare.
    """

    n_both: int
    overlap: float
    same_sign: float
    rank: float


@dataclass(frozen=True, slots=True)
class Effects:
    """One question's changes against the REAL controls of its context, on both sides.

    place: largest, median or smallest response. readouts, real, predicted (log2 fold changes, or
    differences of means where ratios mean nothing), is_real, is_predicted (significant): all of
    the readouts but the perturbed gene itself, ``left_out``. replicate: how one half of the real
    cells agrees with the other, each against all controls; None with too few cells.
    has_test: whether the prediction holds cells; of means there is no test, and all changes are
    differences.
    """

    perturbation: str
    context: str
    place: str
    n_cells: tuple[int, int, int]
    is_fold: bool
    readouts: tuple[str, ...]
    real: Floats
    predicted: Floats
    is_real: Mask
    is_predicted: Mask
    left_out: str
    agreement: Agreement
    replicate: Agreement | None
    has_test: bool


def effects(sides: Sides, run: RunContext) -> tuple[tuple[Effects, ...], str]:
    """The changes of the largest, the median and the smallest real response; or why there are none.

    Rank sums of cells, adjusted by Benjamini and Hochberg within a question; predicted values
    below zero count as zero, as an experiment could have measured none. Where the prediction holds
    one profile a question, only the real changes are tested.
    """
    real, predicted = sides.n_cells
    if not (real > 1).any():
        return (), f"{sides.no_cells}: a test needs cells"
    has_test = bool((predicted > 1).any())
    fewest = FEWEST if has_test else 1
    controls = np.bincount(sides.of_control[sides.of_control >= 0], minlength=len(sides.contexts))
    own = [sides.contexts.index(str(name)) for name in sides.groups["context"]]
    is_enough = (real >= FEWEST) & (predicted >= fewest) & (controls[own] >= FEWEST)
    enough = np.flatnonzero(is_enough)
    if not len(enough):
        return (), f"no question has {FEWEST} real cells, predicted cells and controls"
    order = enough[np.argsort(-sides.groups["size"].to_numpy(np.float64)[enough], kind="stable")]
    chosen = dict.fromkeys((order[0], order[len(order) // 2], order[-1]))
    names = PLACES if len(chosen) == len(PLACES) else PLACES[:: max(len(PLACES) - len(chosen), 1)]
    pairs = list(zip(chosen, names, strict=False))
    return tuple(
        _effects(sides, int(group), place, has_test, run)
        for group, place in run.progress.track(pairs, "genes")
    ), ""


def _effects(sides: Sides, group: int, place: str, has_test: bool, run: RunContext) -> Effects:
    name, context = (str(sides.groups[key].iloc[group]) for key in ("perturbation", "context"))
    controls = sides.controls_of(group)
    rows = np.flatnonzero(sides.of_real == group)
    answers = np.flatnonzero(sides.of_predicted == group)
    halves = _halves(rows, run.child("halves", name, context).rng)
    arms = {
        "control": sides.real_cells(controls),
        "real": sides.real_cells(rows),
        "predicted": sides.predicted_cells(answers),
        **{f"half {k}": sides.real_cells(half) for k, half in enumerate(halves)},
    }
    table = _tested(arms, sides, run)
    called = {arm: part[1] for arm, part in table.items()}
    change = {arm: part[0] for arm, part in table.items()} if has_test else _differences(arms)
    own = set(components(name))
    kept = np.array([readout not in own for readout in sides.readouts])
    return Effects(
        perturbation=name,
        context=context,
        place=place,
        n_cells=(len(rows), len(answers), len(controls)),
        is_fold=has_test and sides.value_type in FOLDS,
        readouts=tuple(np.asarray(sides.readouts, object)[kept]),
        real=change["real"][kept],
        predicted=change["predicted"][kept],
        is_real=called["real"][kept],
        is_predicted=called["predicted"][kept],
        left_out=", ".join(np.asarray(sides.readouts, object)[~kept]),
        agreement=_agreement(change, called, kept, ("real", "predicted"), has_test),
        replicate=_agreement(change, called, kept, ("half 0", "half 1"), has_test)
        if halves
        else None,
        has_test=has_test,
    )


def _halves(rows: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    if len(rows) < 2 * FEWEST:
        return []
    mixed = rng.permutation(rows)
    return [np.sort(part) for part in (mixed[: len(rows) // 2], mixed[len(rows) // 2 :])]


def _tested(arms: dict[str, Any], sides: Sides, run: RunContext) -> dict[str, tuple[Floats, Mask]]:
    """Change and significance of every readout, of every arm but the controls."""
    parts = [sp.csr_matrix(part) for part in arms.values()]
    obs = pd.DataFrame({"arm": np.repeat(list(arms), [part.shape[0] for part in parts])})
    obs.index = obs.index.astype(str)
    values = sp.csr_matrix(sp.vstack(parts), dtype=np.float64)
    kind = sides.value_type
    if kind.is_non_negative:
        values.data = np.maximum(values.data, 0.0)
    taken = kind if kind in (ValueType.LOG1P, ValueType.LOG2) else ValueType.QUANTITY
    options = DifferentialOptions(value_type=taken, pseudocount=PSEUDOCOUNT)
    cells = AnnData(values, obs=obs, var=pd.DataFrame(index=list(sides.readouts)))
    table = differential(cells, perturbation="arm", control="control", options=options, run=run)
    found = {}
    for arm, part in table.groupby("perturbation", observed=True):
        change = part["log2_fold_change"].to_numpy(np.float64)
        if taken is ValueType.QUANTITY:
            change = (part["mean"] - part["mean_control"]).to_numpy(np.float64)
        found[str(arm)] = change, (part["p_adjusted"] < LEVEL).to_numpy(bool)
    return found


def _differences(arms: dict[str, Any]) -> dict[str, Floats]:
    """The mean of every arm less that of the controls."""
    means = {arm: np.asarray(part.mean(axis=0), np.float64).ravel() for arm, part in arms.items()}
    return {arm: mean - means["control"] for arm, mean in means.items() if arm != "control"}


def _agreement(
    change: dict[str, Floats],
    called: dict[str, Mask],
    kept: Mask,
    arms: tuple[str, str],
    has_test: bool,
) -> Agreement:
    x, y = (change[arm][kept] for arm in arms)
    a, b = (called[arm][kept] for arm in arms)
    either, both = int((a | b).sum()), int((a & b).sum())
    return Agreement(
        n_both=both if has_test else -1,
        overlap=both / either if either and has_test else float("nan"),
        same_sign=float(np.mean(np.sign(x[a]) == np.sign(y[a]))) if a.any() else float("nan"),
        rank=_spearman(x, y),
    )


def _spearman(x: Floats, y: Floats) -> float:
    has = np.isfinite(x) & np.isfinite(y)
    if has.sum() < 3 or np.ptp(x[has]) == 0 or np.ptp(y[has]) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(x[has]), rankdata(y[has]))[0, 1])
