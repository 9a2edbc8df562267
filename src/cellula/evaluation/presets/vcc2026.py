"""The rules of the Virtual Cell Challenge 2026: six metrics on raw counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.metric import Direction, MetricDefinition
from cellula.core.run import RunContext
from cellula.evaluation.presets.definition import Column, Settings, mean_column, median_ratio
from cellula.evaluation.presets.differential import Effects, adjusted, rank_sum_p
from cellula.evaluation.presets.direction import fidelity, reach
from cellula.evaluation.presets.discrimination import cosine_rank
from cellula.evaluation.presets.panel import Panel, Side, stacked
from cellula.kernels.group_counts import (
    group_sums,
    jackknife_variance,
    row_totals,
    scaled,
)

__all__ = ["VCC2026"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Counts of a pseudobulk, and of a cell in differential expression.
BULK_TOTAL = 5e4
CELL_TOTAL = 1e6
#: No cell may hold more counts.
MOST_COUNTS = 1e6
#: With fewer significant genes of the experiment the error of fold changes is not told.
FEWEST_GENES = 10
#: Outside these ratios of sampling variance, predicted over real, a caution is raised.
VARIANCE_RATIO = (0.2, 5.0)
#: Above this ratio of effects too.
EFFECT_RATIO = 1.5

UNEVEN = (
    "the cells of a predicted perturbation vary {ratio:.2g} times as much as those of the "
    "experiment (median): differential expression, and with it direction_*, sig_jaccard and "
    "lfc_nmae, answers to the spread of the cells that were handed in and not to biology alone"
)
LARGE = (
    "the predicted effects are {ratio:.2g} times as large as the real ones (median): direction_* "
    "and sig_jaccard rise where more genes are called, also when a few loud genes shift the counts "
    "per million of all others; read them beside expr_mse and lfc_nmae"
)
UNTARGETED = (
    "no perturbation is named like a gene: no target gene was left out, and a metric may be won "
    "by the knock-down itself; name perturbations by their target"
)


def _metric(
    name: str, equation: str, direction: Direction, ideal: float, *, space: str, genes: str
) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        version=1,
        equation=equation,
        layer="population",
        space=space,
        genes=genes,
        control="the controls of the experiment, on both sides",
        aggregation="ratio of sums over perturbations"
        if name.startswith("expr")
        else "mean over the perturbations that have a value",
        direction=direction,
        ideal=ideal,
        needs_cells=True,
    )


_BULK = "log(1 + 5e4 S / sum S) of summed counts S"
_DE = "rank sums of log CPM; Benjamini and Hochberg at .05 within a perturbation"
_TESTED = "controls' mean CPM above 5, without the perturbation's own target"

PDS = _metric(
    "pds_cosine",
    "1 - k / (n - 1): k real deltas are nearer to the predicted delta than its own, in cosine "
    "distance; ties count half",
    "higher",
    1.0,
    space=_BULK,
    genes="all but the targets of the panel",
)
MSE = _metric(
    "expr_mse_unbiased_capped_norm",
    "sum (|x - y|^2 - r min(Cx, Cy) - Cy) / sum (|y - c|^2 - Cy - Cc), every C the jackknife "
    "variance of a pseudobulk, r at most 1 the spread between predictions over what they claim",
    "lower",
    0.0,
    space=_BULK,
    genes="all but the perturbation's own target",
)
FIDELITY = _metric(
    "direction_fidelity",
    "k / max(n predicted, n real): k significant genes of the prediction have the sign of the "
    "experiment",
    "higher",
    1.0,
    space=_DE,
    genes=_TESTED,
)
REACH = _metric(
    "direction_reach",
    "deepest rank, by predicted p, at which at least .9 of the experiment's significant genes so "
    "far have its sign, over the number of them",
    "higher",
    1.0,
    space=_DE,
    genes=_TESTED,
)
JACCARD = _metric(
    "sig_jaccard",
    "significant on both sides over significant on either; 1 where nothing is on either",
    "higher",
    1.0,
    space=_DE,
    genes=_TESTED,
)
NMAE = _metric(
    "lfc_nmae",
    "mean |x - y| / mean |y| of log2 fold changes over the experiment's significant genes",
    "lower",
    0.0,
    space=_DE,
    genes=_TESTED + "; at least 10",
)


@final
@dataclass(frozen=True, slots=True)
class Vcc2026:
    """The preset; equal to the published scorer of its ``version`` on the same cells."""

    name: ClassVar[str] = "vcc2026"
    version: ClassVar[str] = "cell-eval2 0.20.0"
    definitions: ClassVar[tuple[MetricDefinition, ...]] = (PDS, MSE, FIDELITY, REACH, JACCARD, NMAE)
    settings: Settings = field(default=Settings(0.05, control_cpm=5.0, pseudocount=1e-9))

    def columns(
        self, panel: Panel, run: RunContext, *, own_controls: bool = False
    ) -> tuple[tuple[Column, ...], tuple[str, ...]]:
        """The six columns, and the cautions. Raises DataError where a value is no count."""
        real = _bulk(panel.real, "the experiment")
        predicted = _bulk(panel.predicted, "the submission")
        truth, answer = _effects(panel, self.settings, run, own_controls=own_controls)
        reference = predicted.log[0] if own_controls else real.log[0]
        columns = (
            mean_column(PDS, _discrimination(panel, real, predicted, reference)),
            _error(panel, real, predicted),
            *_differential(panel, truth, answer, self.settings.level),
        )
        return columns, _cautions(panel, real, predicted)


VCC2026 = Vcc2026()


@dataclass(frozen=True, slots=True)
class _Bulk:
    """Log pseudobulk of every group (groups, genes), and its sampling variance (groups,)."""

    log: Floats
    variance: Floats


def _bulk(side: Side, who: str) -> _Bulk:
    _require_counts(side, who)
    sums = group_sums(side.matrix, side.codes, side.shape)
    totals = np.maximum(sums.sum(axis=1), 1.0)
    variance = jackknife_variance(side.matrix, side.codes, sums, BULK_TOTAL)
    return _Bulk(np.log1p(sums * (BULK_TOTAL / totals)[:, None]), variance)


def _require_counts(side: Side, who: str) -> None:
    data = side.matrix[0]
    is_count = data.min(initial=0) >= 0 and (
        data.dtype.kind in "iu" or not np.any(data != np.rint(data))
    )
    if not is_count:
        raise DataError(f"{who} holds values that are no counts; this preset takes raw counts")
    most = row_totals(data, side.matrix[2]).max(initial=0.0)
    if most > MOST_COUNTS:
        raise DataError(f"{who} has a cell of {most:,.0f} counts; at most {MOST_COUNTS:,.0f}")


# -- expression --------------------------------------------------------------------------------
def _discrimination(panel: Panel, real: _Bulk, predicted: _Bulk, reference: Floats) -> Floats:
    kept = np.ones(len(panel.genes), bool)
    kept[panel.own_gene[panel.own_gene >= 0]] = False
    if not kept.any():
        raise DataError("every gene is the target of a perturbation: none is left to compare")
    deltas = (real.log[1:] - real.log[0])[:, kept], (predicted.log[1:] - reference)[:, kept]
    return cosine_rank(*deltas)


def _error(panel: Panel, real: _Bulk, predicted: _Bulk) -> Column:
    """Squared error less its sampling part, over the effect less its own."""
    n_genes = len(panel.genes)
    genes = n_genes - (panel.own_gene >= 0)
    claim = np.minimum(predicted.variance[1:], real.variance[1:])
    claim = claim * _entitled(predicted.log[1:], panel.own_gene, claim, genes)
    above = _squared(predicted.log[1:], real.log[1:], panel.own_gene) - claim - real.variance[1:]
    below = _squared(real.log[1:], real.log[:1], panel.own_gene)
    below = below - real.variance[1:] - real.variance[0]
    reasons = np.where(genes > 0, "", "no gene but its own target").astype(object)
    return Column(MSE, _over(above, genes), _over(below, genes), reasons, is_mean=False)


def _over(above: Floats, below: NDArray[Any]) -> Floats:
    """Quotients, NaN where the lower number is 0."""
    out = np.full(len(above), np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out


def _squared(x: Floats, y: Floats, own: NDArray[np.int64]) -> Floats:
    """Squared distance of every row, without its own gene."""
    square = (x - y) ** 2
    rows = np.flatnonzero(own >= 0)
    square[rows, own[rows]] = 0.0
    return np.asarray(square.sum(axis=1))


def _entitled(
    log: Floats, own: NDArray[np.int64], claim: Floats, genes: NDArray[np.int64]
) -> float:
    """The share of the claimed sampling variance that the spread between predictions covers."""
    weights = np.divide(1.0, genes, out=np.zeros(len(genes)), where=genes > 0)
    claimed = float((claim * weights).sum())
    if not claimed > 0.0:
        return 1.0
    kept = np.repeat(weights[:, None], log.shape[1], axis=1)
    rows = np.flatnonzero(own >= 0)
    kept[rows, own[rows]] = 0.0
    centred = log - log.mean(axis=0)
    sums = kept.sum(axis=0)
    first, second = (kept * centred).sum(axis=0), (kept * centred**2).sum(axis=0)
    several = (len(log) - np.bincount(own[rows], minlength=log.shape[1]) >= 2) & (sums > 0.0)
    spread = second[several] - first[several] ** 2 / sums[several]
    return min(1.0, float(np.maximum(spread, 0.0).sum()) / claimed)


# -- differential expression -------------------------------------------------------------------
def _effects(
    panel: Panel, settings: Settings, run: RunContext, *, own_controls: bool
) -> tuple[Effects, Effects]:
    """Tests of the experiment and of the submission, against the experiment's controls."""
    truth = _tests(panel.real, settings, run)
    tested = panel.predicted if own_controls else stacked(panel.real, panel.predicted)
    return truth, _tests(tested, settings, run)


def _tests(side: Side, settings: Settings, run: RunContext) -> Effects:
    """Tests on log(1 + counts per million), changes of the means of counts per million."""
    data, _, indptr = side.matrix
    divisors = row_totals(data, indptr) / CELL_TOTAL
    values = scaled(data, indptr, np.where(divisors > 0, divisors, 1.0))
    means = _means(side.with_values(values))
    kept: Mask = means[0] > settings.control_cpm
    np.log1p(values, out=values)
    p = np.where(kept, rank_sum_p(side.with_values(values), run), np.nan)
    change = np.log2((means[1:] + settings.pseudocount) / (means[0] + settings.pseudocount))
    return Effects(p, adjusted(p, kept), np.where(kept, change, np.nan))


def _means(side: Side) -> Floats:
    sums = group_sums(side.matrix, side.codes, side.shape)
    return sums / np.maximum(side.group_sizes(), 1)[:, None]


def _differential(panel: Panel, truth: Effects, answer: Effects, level: float) -> list[Column]:
    is_other = np.ones(truth.p.shape, bool)
    rows = np.flatnonzero(panel.own_gene >= 0)
    is_other[rows, panel.own_gene[rows]] = False
    real, said = (side.significant(level) & is_other for side in (truth, answer))
    silent = "the experiment has no significant gene"
    return [
        mean_column(FIDELITY, fidelity(truth, answer, real, said), "no gene is significant"),
        mean_column(REACH, reach(truth, answer, real, said, panel.genes), silent),
        mean_column(JACCARD, _jaccard(real, said)),
        mean_column(
            NMAE,
            _change_error(truth, answer, real),
            f"the experiment has fewer than {FEWEST_GENES} significant genes",
        ),
    ]


def _jaccard(real: Mask, said: Mask) -> Floats:
    either = (real | said).sum(axis=1)
    both = (real & said).sum(axis=1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _change_error(truth: Effects, answer: Effects, real: Mask) -> Floats:
    said = np.where(np.isfinite(answer.log2_change), answer.log2_change, 0.0)
    true = np.where(real, truth.log2_change, 0.0)
    above = np.where(real, np.abs(said - true), 0.0).sum(axis=1)
    below = np.abs(true).sum(axis=1)
    return _over(above, np.where(real.sum(axis=1) >= FEWEST_GENES, below, 0.0))


def _cautions(panel: Panel, real: _Bulk, predicted: _Bulk) -> tuple[str, ...]:
    found = []
    ratio = median_ratio(real.variance[1:], predicted.variance[1:])
    if not VARIANCE_RATIO[0] <= ratio <= VARIANCE_RATIO[1]:
        found.append(UNEVEN.format(ratio=ratio))
    effects = (np.abs(side.log[1:] - real.log[0]).sum(axis=1) for side in (real, predicted))
    ratio = median_ratio(*effects)
    if ratio > EFFECT_RATIO:
        found.append(LARGE.format(ratio=ratio))
    if (panel.own_gene < 0).all():
        found.append(UNTARGETED)
    return tuple(found)
