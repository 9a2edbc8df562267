"""Is a prediction better than another answer? A paired test over the units of replication.

The interval is that of the same resamples as every other interval. The p-value is not read from
it: with few units a percentile bootstrap rejects a true null too often. It exchanges the two
answers instead, unit by unit, and asks how often an exchanged difference is as large as the
observed one: exact for any metric where both answers are equally good and exchangeable within a
unit, whatever the distribution [pitman1937]_.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Metric, Terms
from cellula.core.numerals import plural
from cellula.evaluation.anchored import losses
from cellula.evaluation.bootstrap import interval
from cellula.evaluation.score import Aggregates, has_value, resampled
from cellula.kernels.counters import coin_flips
from cellula.kernels.false_discovery import benjamini_hochberg

__all__ = ["FEWEST_UNITS", "PairedTest", "adjusted", "paired_test"]

#: With fewer units no exchange is rare enough to be called improbable.
FEWEST_UNITS = 5
#: Up to so many units all exchanges are tried: 2^11 of them, for an exchange and its opposite
#: have the same difference but for the sign.
MOST_EXACT = 12
#: Random exchanges beyond that: many of a metric of few terms, fewer of one of many or of many
#: units.
EXCHANGES, FEWER_EXCHANGES, FEW_TERMS = 9999, 999, 8
#: Exchanges times units that are held at once, unless the exchanges are few: 32 MiB.
LARGEST = 2**22
#: Differences that differ by less than this share of the losses are equal.
TIE = 1e-12

Floats = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class PairedTest:
    """How much better a prediction is than another answer, by one metric.

    metric: ``name@version``. against: the other answer. difference: its loss minus that of the
    prediction (the distance from the ideal where the metric has a target), so that positive is
    better whatever the metric's direction; lower, upper: its interval over resampled units. p:
    two-sided, of no difference; adjusted: for all metrics tested, NaN until it is known. reason:
    why there is no p.
    """

    metric: str
    against: str = ""
    difference: float = NAN
    lower: float = NAN
    upper: float = NAN
    p: float = NAN
    adjusted: float = NAN
    n_units: int = 0
    reason: str = ""


def paired_test(
    metric: Metric,
    predicted: Comparison,
    others: Mapping[str, Comparison],
    weights: Floats,
    key: int,
    *,
    level: float = 0.95,
    aggregates: Aggregates | None = None,
) -> PairedTest:
    """The prediction against the best of the others, all of the same observed groups.

    weights: (resamples, units), as for every other interval; key: of the random signs. All is
    computed on the groups that have a value on every side; another answer without any value does
    not take part. There is no p, and a reason, below 5 units and without a value.
    """
    terms = metric.terms(predicted)
    if not has_value(terms).any():
        return PairedTest(metric.definition.id, reason="the prediction has no value on any group")
    known = {name: metric.terms(other) for name, other in others.items()}
    known = {name: part for name, part in known.items() if has_value(part).any()}
    mask = np.logical_and.reduce([has_value(part) for part in (terms, *known.values())])
    sums = Aggregates(metric) if aggregates is None else aggregates
    loss = {
        name: float(losses(metric, np.array(sums.value(part, predicted.unit, mask))))
        for name, part in known.items()
    }
    finite = {name: value for name, value in loss.items() if np.isfinite(value)}
    found = PairedTest(metric.definition.id, n_units=len(np.unique(predicted.unit[mask])))
    if not finite:
        return replace(found, reason="no other answer has a value to be compared with")
    best = min(finite, key=lambda name: finite[name])
    value, values = sums.of(terms, predicted.unit, mask, weights)
    found = replace(found, against=best)
    if not np.isfinite(value):
        return replace(found, reason="the prediction has no value on the groups of the others")
    _, others_values = sums.of(known[best], predicted.unit, mask, weights)
    lower, upper = interval(losses(metric, others_values) - losses(metric, values), level)
    found = replace(
        found,
        difference=finite[best] - float(losses(metric, np.array(value))),
        lower=lower,
        upper=upper,
    )
    if found.n_units < FEWEST_UNITS:
        why = f"{plural(found.n_units, 'unit')} of replication; a test needs {FEWEST_UNITS}"
        return replace(found, lower=NAN, upper=NAN, reason=why)
    if known[best].values.shape[1] != terms.values.shape[1]:
        why = "the two answers have terms of their own, such as clusters: none can be exchanged"
        return replace(found, reason=why)
    p = _exchange_probability(metric, (known[best], terms), predicted.unit, mask, key)
    return replace(found, p=p)


def adjusted(tests: Sequence[PairedTest]) -> tuple[PairedTest, ...]:
    """The same tests with p adjusted for their number [benjamini1995]_; those without p stay."""
    values = benjamini_hochberg(np.array([test.p for test in tests]))
    return tuple(
        replace(test, adjusted=float(value)) for test, value in zip(tests, values, strict=True)
    )


def _exchange_probability(
    metric: Metric,
    pair: tuple[Terms, Terms],
    unit: NDArray[np.int64],
    mask: NDArray[np.bool_],
    key: int,
) -> float:
    """Share of the exchanges of two answers with at least the observed difference; two-sided.

    Of all exchanges, or of random ones and the observed. An exchange that leaves a metric
    without a value counts as one with a large difference.
    """
    present, own = np.unique(unit[mask], return_inverse=True)
    n, n_terms = len(present), pair[0].values.shape[1]
    both = Terms(
        np.concatenate([part.values[mask] for part in pair]),
        np.concatenate([part.reasons[mask] for part in pair]),
        np.concatenate([part.stratum[mask] for part in pair]),
    )
    units, all_rows = np.concatenate([own, own + n]), np.ones(2 * len(own), bool)
    if n <= MOST_EXACT:
        swaps = ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1).astype(np.float64)
    else:
        most = EXCHANGES if n_terms <= FEW_TERMS else FEWER_EXCHANGES
        number = min(most, max(FEWER_EXCHANGES, LARGEST // n))
        swaps = np.concatenate([np.zeros((1, n)), coin_flips(key, 0, number, n)])
    kept = 1.0 - swaps
    lost = [
        losses(metric, resampled(metric, both, units, all_rows, np.hstack(weights)))
        for weights in ((kept, swaps), (swaps, kept))
    ]
    differences = np.abs(lost[0] - lost[1])
    tie = TIE * (abs(lost[0][0]) + abs(lost[1][0]))
    return float(np.mean(~(differences < differences[0] - tie)))
