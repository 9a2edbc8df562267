"""The rules of the Virtual Cell Challenge 2025: three metrics on log-normalised cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.metric import Direction, MetricDefinition
from cellula.core.run import RunContext
from cellula.evaluation.presets.definition import Column, Settings, mean_column, median_ratio
from cellula.evaluation.presets.differential import Effects, adjusted, rank_sum_p
from cellula.evaluation.presets.discrimination import manhattan_rank
from cellula.evaluation.presets.panel import Panel, Side, stacked
from cellula.kernels.group_counts import group_means, group_sums, row_totals, scaled

__all__ = ["VCC2025"]

Floats = NDArray[np.float64]

#: A fraction above it makes a value a logarithm; at or above the other it cannot be one.
FRACTION = 1e-3
MOST_LOG = 15.0
#: Beyond these, submission over experiment, a caution is raised.
EFFECT_RATIO = 1.5
VARIANCE_RATIO = (0.2, 5.0)
#: Means of controls that differ by more are not the experiment's.
SAME_MEAN = 1e-5

OWN_CONTROLS = (
    "the submission's deltas and tests are taken against its own controls, which are not the "
    "experiment's: pds_l1 and des can be raised by moving those, as the published rules allow"
)
LARGE = (
    "the predicted effects are {ratio:.2g} times as large as the real ones (median): pds_l1 rises "
    "when effects are multiplied, so read it beside mae, or use pds_cosine of vcc2026"
)
UNEVEN = (
    "the cells of a predicted perturbation vary {ratio:.2g} times as much as those of the "
    "experiment (median): des answers to the spread of the cells that were handed in"
)


def _metric(
    name: str, equation: str, direction: Direction, ideal: float, *, genes: str, control: str
) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        version=1,
        equation=equation,
        layer="population",
        space="log(1 + counts scaled to the median total)",
        genes=genes,
        control=control,
        aggregation="mean over perturbations",
        direction=direction,
        ideal=ideal,
        needs_cells=True,
    )


_OWN = "each side's own; the experiment's where the submission has none"
DES = _metric(
    "des",
    "|A and B| / k: A the k significant genes of the experiment, B the first k of the prediction "
    "by |log2 fold change| of geometric means; 0 for k = 0",
    "higher",
    1.0,
    genes="all",
    control=_OWN,
)
MAE = _metric(
    "mae", "mean |x - y| of the means of cells", "lower", 0.0, genes="all", control="none"
)
PDS = _metric(
    "pds_l1",
    "1 - k / n: k real deltas are nearer to the predicted delta than its own, in Manhattan "
    "distance; ties count half, where the published scorer takes them in the order of names",
    "higher",
    1.0,
    genes="all but the perturbation's own target",
    control=_OWN,
)


@final
@dataclass(frozen=True, slots=True)
class Vcc2025:
    """The preset; equal to the published scorer of its ``version`` on the same cells."""

    name: ClassVar[str] = "vcc2025"
    version: ClassVar[str] = "cell-eval 0.8.2"
    definitions: ClassVar[tuple[MetricDefinition, ...]] = (DES, MAE, PDS)
    settings: Settings = field(default=Settings(0.05))

    def columns(
        self, panel: Panel, run: RunContext, *, own_controls: bool = False
    ) -> tuple[tuple[Column, ...], tuple[str, ...]]:
        """The three columns, and the cautions. Raises DataError on values of no known scale."""
        real = _logged(panel.real, "the experiment")
        predicted = _logged(panel.predicted, "the submission")
        is_own = predicted.n_controls > 0
        x, y = _means(predicted), _means(real)
        reference = x[0] if is_own else y[0]
        truth = _tests(real, self.settings, run)
        answer = _tests(predicted if is_own else stacked(real, predicted), self.settings, run)
        deltas = y[1:] - y[0], x[1:] - reference
        columns = (
            mean_column(DES, _overlap(truth, answer, self.settings.level)),
            mean_column(MAE, np.abs(x[1:] - y[1:]).mean(axis=1)),
            mean_column(PDS, manhattan_rank(*deltas, panel.own_gene)),
        )
        cautions = _cautions(real, predicted, (y, x), deltas, is_told=is_own and not own_controls)
        return columns, cautions


VCC2025 = Vcc2025()


def _logged(side: Side, who: str) -> Side:
    """The values as logarithms: as they are, or normalised where they are counts."""
    data, _, indptr = side.matrix
    if data.size and data.min() < 0:
        raise DataError(f"{who} holds negative values; this preset takes counts or log(1 + x)")
    floats = data if data.dtype.kind == "f" else data.astype(np.float32)
    if data.dtype.kind == "f" and np.any(np.modf(data)[0] > FRACTION):
        if data.max() >= MOST_LOG:
            raise DataError(
                f"{who} holds {data.max():.4g}, which is neither a count nor log(1 + x) below "
                f"{MOST_LOG:g}; hand in one scale"
            )
        return side
    totals = row_totals(floats, indptr).astype(floats.dtype)
    middle = np.median(totals[totals > 0]) if (totals > 0).any() else totals.dtype.type(1)
    totals[totals == 0] = 1
    divisors = (totals / middle).astype(floats.dtype)
    values = scaled(floats, indptr, divisors, floats.dtype)
    np.log1p(values, out=values)
    return side.with_values(values)


def _means(side: Side) -> Floats:
    sums = group_sums(side.matrix, side.codes, side.shape)
    return sums / np.maximum(side.group_sizes(), 1)[:, None]


def _tests(side: Side, settings: Settings, run: RunContext) -> Effects:
    """Tests of all genes; changes of geometric means, 0 where a gene is silent in both groups."""
    p = rank_sum_p(side, run)
    dtype = side.matrix[0].dtype
    geometric = np.expm1(group_means(side.matrix, side.codes, side.shape, dtype)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log2(
            (geometric[1:] + settings.pseudocount) / (geometric[0] + settings.pseudocount)
        )
    change[np.isnan(change)] = 0.0
    return Effects(p, adjusted(p, np.ones(p.shape[1], bool)), change)


def _overlap(truth: Effects, answer: Effects, level: float) -> Floats:
    real, said = (_called(side, level) for side in (truth, answer))
    out = np.zeros(len(real))
    for row in range(len(real)):
        k = int(real[row].sum())
        called = np.flatnonzero(said[row])
        size = np.abs(answer.log2_change[row, called]).astype(np.float32)
        first = called[np.argsort(-size, kind="stable")[:k]]
        out[row] = real[row, first].sum() / k if k else 0.0
    return out


def _called(side: Effects, level: float) -> NDArray[np.bool_]:
    """Significant in single precision, in which the published scorer compares."""
    return np.asarray(side.adjusted.astype(np.float32) < np.float32(level))


def _cautions(
    real: Side,
    predicted: Side,
    means: tuple[Floats, Floats],
    deltas: tuple[Floats, Floats],
    *,
    is_told: bool,
) -> tuple[str, ...]:
    found = []
    true, said = means
    if is_told and np.abs(true[0] - said[0]).max(initial=0.0) > SAME_MEAN:
        found.append(OWN_CONTROLS)
    effect = median_ratio(*(np.abs(delta).sum(axis=1) for delta in deltas))
    if effect > EFFECT_RATIO:
        found.append(LARGE.format(ratio=effect))
    spread = median_ratio(
        *(_spread(side, mean) for side, mean in ((real, true), (predicted, said)))
    )
    if not VARIANCE_RATIO[0] <= spread <= VARIANCE_RATIO[1]:
        found.append(UNEVEN.format(ratio=spread))
    return tuple(found)


def _spread(side: Side, means: Floats) -> Floats:
    """The variance of the cells of every perturbation, summed over genes."""
    squares = _means(side.with_values(side.matrix[0] ** 2))
    return np.asarray(np.maximum((squares - means**2)[1:].sum(axis=1), 0.0))
