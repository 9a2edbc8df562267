"""The anchored score: 0 is the best trivial answer, 1 is a replicate experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cellula.core.canonical import plain
from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.metric import Metric, Terms
from cellula.core.numerals import plural
from cellula.evaluation.bootstrap import interval
from cellula.evaluation.score import (
    Aggregates,
    has_value,
    resampled_blocks,
    row_codes,
    stratum_values,
)

__all__ = ["AnchoredScore", "Ceiling", "anchored_resamples", "anchored_score", "losses"]

Ceiling = Literal["replicate", "ideal"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class AnchoredScore:
    """s = (u - b) / (r - b) with its interval, and what it is anchored to.

    metric: ``name@version``. u, b, r: the metric of the model, of the best baseline (named in
    ``baseline``) and of the ceiling. ceiling: ``replicate``, or ``ideal`` where the data hold
    no replicate. n_units, n_groups: what was scored. n_unresolvable: rows of perturbation x
    context (strata of a stratified metric) on which the ceiling is not better than the baseline
    beyond noise; they are part of the score. ``reason`` tells why ``value`` is NaN. sd: standard
    deviation of the score over the resamples; NaN without a value.
    """

    metric: str
    value: float
    lower: float
    upper: float
    level: float
    u: float
    b: float
    r: float
    baseline: str
    ceiling: Ceiling
    unit: str
    n_units: int
    n_groups: int
    n_unresolvable: int
    reason: str = ""
    sd: float = NAN

    def __post_init__(self) -> None:
        if np.isnan(self.value) and not self.reason:
            raise DataError(f"an anchored {self.metric} without a value needs a reason")

    def evidence(self, subject: str, model: str, space: str, inputs: Mapping[str, str]) -> Evidence:
        """Evidence of kind ``anchored_score`` about a claim; a number that is not is null."""
        payload = plain({**asdict(self), "model": model, "space": space})
        return Evidence("anchored_score", subject, payload, dict(inputs))


@dataclass(frozen=True, slots=True)
class _Side:
    """One contestant: the aggregate, and the aggregate in every resample."""

    name: str
    terms: Terms | None
    value: float
    values: Floats


def anchored_score(
    metric: Metric,
    predicted: Comparison,
    baselines: Mapping[str, Comparison],
    replicate: Comparison | None,
    weights: Floats,
    *,
    unit: str,
    level: float = 0.95,
    aggregates: Aggregates | None = None,
) -> AnchoredScore:
    """Anchor a metric between the better baseline and a replicate, a ratio of aggregates.

    All comparisons hold the SAME observed groups. weights: (resamples, units), drawn once and
    shared by u, b and r. Everything is computed on the groups that have a value on all sides
    (a baseline without any value does not take part). b is the best baseline on the aggregate;
    where the model is that baseline, the score is exactly 0. For a metric with a target, u, b
    and r are compared by their distance from it. aggregates: of this metric, kept between calls
    where several models stand beside the same baselines.

    The value is NaN, with a reason, where r - b is within noise: its own bootstrap interval
    reaches 0. Raises DataError when the comparisons do not hold the same groups.
    """
    return anchored_resamples(
        metric,
        predicted,
        baselines,
        replicate,
        weights,
        unit=unit,
        level=level,
        aggregates=aggregates,
    )[0]


def anchored_resamples(
    metric: Metric,
    predicted: Comparison,
    baselines: Mapping[str, Comparison],
    replicate: Comparison | None,
    weights: Floats,
    *,
    unit: str,
    level: float = 0.95,
    aggregates: Aggregates | None = None,
) -> tuple[AnchoredScore, Floats]:
    """:func:`anchored_score`, and the score in every resample: (resamples,), NaN without one."""
    for name, other in [*baselines.items(), ("replicate", replicate)]:
        if other is not None:
            _check_same(predicted, other, name)
    terms = metric.terms(predicted)
    base_terms = {name: metric.terms(baseline) for name, baseline in baselines.items()}
    base_terms = {name: part for name, part in base_terms.items() if has_value(part).any()}
    top_terms = None if replicate is None else metric.terms(replicate)
    mask = has_value(terms)
    for part in [*base_terms.values(), *([] if top_terms is None else [top_terms])]:
        mask = mask & has_value(part)

    sums = Aggregates(metric) if aggregates is None else aggregates

    def side(name: str, part: Terms) -> _Side:
        if part is terms and name != "model":
            return replace(u, name=name)
        return _Side(name, part, *sums.of(part, predicted.unit, mask, weights))

    u = side("model", terms)
    loss = {
        name: _loss(metric, sums.value(part, predicted.unit, mask))
        for name, part in base_terms.items()
    }
    known = [name for name, lost in loss.items() if np.isfinite(lost)]
    first = min(known, key=lambda name: loss[name], default="")
    best = side(first, base_terms[first]) if known else None
    top = _ideal(metric, weights) if top_terms is None else side("replicate", top_terms)
    n_units = len(np.unique(predicted.unit[mask]))
    ratio = _ratio(metric, u, best, top, n_units, level)
    found = AnchoredScore(
        metric=metric.definition.id,
        value=ratio.value,
        lower=ratio.lower,
        upper=ratio.upper,
        level=level,
        u=u.value,
        b=NAN if best is None else best.value,
        r=top.value,
        baseline="" if best is None else best.name,
        ceiling="ideal" if replicate is None else "replicate",
        unit=unit,
        n_units=n_units,
        n_groups=int(mask.sum()),
        n_unresolvable=0
        if best is None
        else _n_unresolvable(metric, predicted, best, top, mask, weights, level),
        reason=ratio.reason if mask.any() else _why_none(terms, baselines, base_terms, top_terms),
        sd=ratio.sd,
    )
    return found, np.full(len(weights), NAN) if ratio.values is None else ratio.values


@dataclass(frozen=True, slots=True)
class _Ratio:
    """The score, its interval and spread over the resamples, or the reason why there is none."""

    value: float = NAN
    lower: float = NAN
    upper: float = NAN
    sd: float = NAN
    reason: str = ""
    values: Floats | None = None


def _ratio(
    metric: Metric,
    u: _Side,
    b: _Side | None,
    r: _Side,
    n_units: int,
    level: float,
) -> _Ratio:
    """(u - b) / (r - b) of the aggregates and of every resample."""
    if b is None:
        return _Ratio(reason="no baseline has a value; score one of the trivial answers too")
    if not (np.isfinite(u.value) and np.isfinite(r.value)):
        who = "model" if not np.isfinite(u.value) else "replicate"
        why = f"{metric.definition.name} of the {who} has no value on the shared groups"
        return _Ratio(reason=why)
    if n_units < 2:
        return _Ratio(reason=f"{plural(n_units, 'unit')} of replication: noise cannot be judged")
    loss_u, loss_b, loss_r = (_loss(metric, side.value) for side in (u, b, r))
    many_u, many_b, many_r = (losses(metric, side.values) for side in (u, b, r))
    low, high = interval(many_b - many_r, level)
    if not low > 0.0:
        return _Ratio(
            reason=f"the {r.name} ({r.value:.4g}) is not better than the baseline {b.name} "
            f"({b.value:.4g}) beyond noise: gain [{low:.4g}, {high:.4g}]; there is no room "
            "in which to place a model"
        )
    gain = many_b - many_r
    ratios = np.full(len(gain), np.nan)
    np.divide(many_b - many_u, gain, out=ratios, where=gain != 0)
    lower, upper = interval(ratios, level)
    finite = ratios[np.isfinite(ratios)]
    sd = float(np.std(finite, ddof=1)) if len(finite) > 1 else NAN
    return _Ratio((loss_b - loss_u) / (loss_b - loss_r), lower, upper, sd, values=ratios)


def _loss(metric: Metric, value: float) -> float:
    return float(losses(metric, np.array([value]))[0])


def losses(metric: Metric, values: Floats) -> Floats:
    """The values turned so that less is better; the distance from the ideal of a target."""
    definition = metric.definition
    if definition.direction == "target":
        return np.asarray(np.abs(values - definition.ideal), np.float64)
    return -values if definition.direction == "higher" else values


def _ideal(metric: Metric, weights: Floats) -> _Side:
    ideal = metric.definition.ideal
    return _Side("ideal value", None, ideal, np.full(len(weights), ideal))


# -- rows on which nothing can be told --------------------------------------------------------
def _n_unresolvable(
    metric: Metric,
    predicted: Comparison,
    b: _Side,
    r: _Side,
    mask: Mask,
    weights: Floats,
    level: float,
) -> int:
    """How many rows have r - b within noise.

    A row of several units is judged by the bootstrap interval of its own r - b, a row of one
    unit by the sign of r - b. Rows whose groups do not give the metric a value do not count.
    """
    if b.terms is None or not mask.any():
        return 0
    codes, n_rows = _rows(b.terms, predicted)
    pairs = np.unique(np.column_stack([codes, predicted.unit])[mask], axis=0)
    is_several = np.bincount(pairs[:, 0], minlength=n_rows) > 1
    single = _row_gain(metric, b.terms, r.terms, codes, n_rows, mask & ~is_several[codes])
    n_poor = int(np.sum(single <= 0.0))
    number = np.cumsum(is_several) - 1
    kept = mask & is_several[codes]
    lost_by = [
        (
            losses(metric, block)
            for block in resampled_blocks(
                metric,
                part.values,
                number[codes],
                int(is_several.sum()),
                predicted.unit,
                kept,
                weights,
            )
        )
        for part in (b.terms, r.terms)
        if part is not None
    ]
    for lost in zip(*lost_by, strict=True):
        gain = lost[0] - lost[1] if r.terms is not None else lost[0] - _losses_of_ideal(metric)
        has_any = np.isfinite(gain).any(axis=1)
        n_poor += sum(not interval(row, level)[0] > 0.0 for row in gain[has_any])
    return n_poor


def _row_gain(
    metric: Metric,
    b: Terms,
    r: Terms | None,
    codes: NDArray[np.int64],
    n_rows: int,
    mask: Mask,
) -> Floats:
    """How much better the ceiling is than the baseline in every row; NaN without a value."""
    lost = [
        losses(metric, stratum_values(metric, part.values, codes, n_rows, mask))
        for part in (b, r)
        if part is not None
    ]
    return lost[0] - (lost[1] if len(lost) > 1 else _losses_of_ideal(metric))


def _losses_of_ideal(metric: Metric) -> float:
    return _loss(metric, metric.definition.ideal)


def _rows(terms: Terms, predicted: Comparison) -> tuple[NDArray[np.int64], int]:
    if len(terms.stratum) and terms.stratum.max() > 0:
        return terms.stratum, int(terms.stratum.max()) + 1
    codes, frame = row_codes(predicted)
    return codes, len(frame)


# -- what the comparisons have in common ------------------------------------------------------
def _check_same(predicted: Comparison, other: Comparison, name: str) -> None:
    is_same = (
        len(predicted.groups) == len(other.groups)
        and predicted.units == other.units
        and predicted.readouts == other.readouts
        and np.array_equal(predicted.unit, other.unit)
        and np.array_equal(predicted.observed, other.observed)
    )
    if not is_same:
        raise DataError(
            f"{name!r} was compared with other observed groups than the model "
            f"({len(other.groups)} and {len(predicted.groups)}); compare all with the same "
            "observed dataset (the first half where the replicate is the second)"
        )


def _why_none(
    terms: Terms,
    baselines: Mapping[str, Comparison],
    base_terms: Mapping[str, Terms],
    top: Terms | None,
) -> str:
    """Why no group has a value on all sides."""
    if len(terms.reasons) == 0:
        return "there is no group to score"
    for name, part in [("model", terms), ("replicate", top)]:
        if part is not None and not has_value(part).any():
            return f"the {name} has no value on any group: {part.reasons[0]}"
    if not base_terms:
        return f"none of the baselines ({', '.join(baselines) or 'none given'}) has a value"
    return "no group has a value for the model, the baselines and the ceiling alike"
