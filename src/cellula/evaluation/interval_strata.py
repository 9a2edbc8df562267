"""How often intervals hold the observation, stratum by stratum, with an interval over units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.evaluation.bootstrap import interval, unit_weights
from cellula.evaluation.thirds import thirds_of

__all__ = ["MOST_LABELS", "Held", "interval_strata", "strata_labels"]

#: Resamples of units of replication behind an interval, and its level.
RESAMPLES = 1000
LEVEL = 0.95
#: A readout that is 0 in more than this share of the groups is mostly 0.
MOSTLY = 0.5
#: Numbers of more different values than this are told by thirds.
MOST_VALUES = 6
#: Labels of more than this are no strata.
MOST_LABELS = 50

Floats = NDArray[np.float64]
Labels = NDArray[np.str_]
Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Held:
    """One stratum: how many of its values the intervals hold.

    by: what tells the strata apart, ``all`` for all groups, ``readouts`` where they are parts of
    the readouts, those that are 0 in most groups and the others: an interval that holds 0 wherever
    0 was measured cannot hold it less often. coverage: mean over groups of the share of readouts
    inside, as the metric ``coverage`` has it, with ``lower`` and ``upper`` over units;
    joint: share of groups that are inside with every readout; width: mean over groups and readouts.
    """

    by: str
    stratum: str
    n_groups: int
    n_units: int
    coverage: float
    lower: float
    upper: float
    joint: float
    width: float


def strata_labels(comparison: Comparison) -> dict[str, Labels]:
    """What tells the groups of a comparison apart -> the stratum of every group, (groups,).

    dose, time: each value, or thirds of many; components: how many perturbations are combined;
    context: where there are several and at most 50; predicted response, observed response: thirds
    of the root mean square change from control, without controls from the baseline or from the mean
    prediction. A stratum of the OBSERVED response is no question that can be asked: no method
    knows it, and the large ones are those that were missed.
    """
    groups = comparison.groups
    found: dict[str, Labels] = {}
    for name, unit, size in (("dose_molar", "mol/l", 1.0), ("time_s", "h", 3600.0)):
        if name in groups:
            values = groups[name].to_numpy(np.float64) / size
            found[name.partition("_")[0]] = _of_numbers(values, unit)
    names = groups["perturbation"].astype(str)
    found["components"] = (names.str.count(r"\+") + 1).astype(str).to_numpy(str)
    found["context"] = groups["context"].astype(str).to_numpy(str)
    base = _base(comparison)
    found["predicted response"] = _of_sizes(comparison.predicted - base)
    found["observed response"] = _of_sizes(comparison.observed - base)
    return {by: labels for by, labels in found.items() if _is_several(labels)}


def interval_strata(
    comparison: Comparison, strata: Mapping[str, Labels], rng: np.random.Generator
) -> tuple[Held, ...]:
    """Coverage of all groups and of every stratum; () where the comparison has no intervals.

    strata: of :func:`strata_labels`, and others of the same form. Units are resampled
    [efron1979]_, the same for every stratum.
    """
    lower, upper = comparison.lower, comparison.upper
    if lower is None or upper is None:
        return ()
    known = np.asarray(np.isfinite(lower + upper).all(axis=1), np.bool_)
    inside: Rows = np.logical_and(lower <= comparison.observed, comparison.observed <= upper)
    codes = np.unique(comparison.unit, return_inverse=True)[1]
    drawn = unit_weights(int(codes.max()) + 1, RESAMPLES, rng)

    def held(by: str, name: str, rows: Rows, columns: Rows | slice = slice(None)) -> Held:
        share = np.asarray(inside[rows][:, columns].mean(axis=1), np.float64)
        joint = float(inside[rows][:, columns].all(axis=1).mean())
        width = float((upper - lower)[rows][:, columns].mean())
        sums = np.zeros((drawn.shape[1], 2))
        np.add.at(sums, codes[rows], np.stack([share, np.ones(len(share))], axis=1))
        total = drawn @ sums
        with np.errstate(invalid="ignore", divide="ignore"):
            bounds = interval(total[:, 0] / total[:, 1], LEVEL)
        n_units = len(np.unique(codes[rows]))
        return Held(by, name, len(share), n_units, float(share.mean()), *bounds, joint, width)

    found = [held("all", "", known)] if known.any() else []
    is_zero: Rows = np.mean(comparison.observed == 0.0, axis=0) > MOSTLY
    if known.any() and is_zero.any() and not is_zero.all():
        found.append(held("readouts", "mostly 0", known, is_zero))
        found.append(held("readouts", "others", known, ~is_zero))
    for by, labels in strata.items():
        for name in _ordered(labels):
            rows = np.asarray(known & (labels == name), np.bool_)
            if rows.any():
                found.append(held(by, name, rows))
    return tuple(found)


def _base(comparison: Comparison) -> Floats:
    """What a response is counted from."""
    for found in (comparison.reference, comparison.baseline):
        if found is not None:
            return found
    return np.asarray(comparison.predicted.mean(axis=0, keepdims=True), np.float64)


def _of_sizes(change: Floats) -> Labels:
    return thirds_of(np.sqrt(np.mean(change**2, axis=1)))


def _of_numbers(values: Floats, unit: str) -> Labels:
    """Each value where they are few, else thirds, equal values together."""
    distinct = np.unique(values)
    if len(distinct) <= MOST_VALUES:
        return np.array([f"{value:.3g} {unit}" for value in values], str)
    limits = np.quantile(values, [1 / 3, 2 / 3])
    names = np.array(["low", "middle", "high"])
    return np.asarray(names[np.searchsorted(limits, values, side="left")], np.str_)


def _is_several(labels: Labels) -> bool:
    return 1 < len(np.unique(labels)) <= MOST_LABELS


def _ordered(labels: Labels) -> tuple[str, ...]:
    """The strata in an order that a reader expects: by number, by size, by name."""
    known = {"small": 0, "low": 0, "medium": 1, "middle": 1, "large": 2, "high": 2}

    def rank(name: Any) -> tuple[float, str]:
        try:
            return float(str(name).split(" ")[0]), str(name)
        except ValueError:
            return float(known.get(str(name), 0)), str(name)

    return tuple(map(str, sorted(pd.unique(labels), key=rank)))
