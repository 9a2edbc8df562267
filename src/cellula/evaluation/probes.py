"""What an answer that knows no perturbation gains by a metric: a caution beside its number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.evaluation.anchored import AnchoredScore
from cellula.evaluation.bootstrap import interval
from cellula.evaluation.contest import LEVEL, Contest, Resamples, anchored_draws
from cellula.evaluation.scorer import Scorer

__all__ = ["MOST_GAINED", "Probe", "cautions", "gains", "probe"]

#: The most that the upper bound of an answer that knows nothing may reach.
MOST_GAINED = 0.05
#: What the probes are, in words.
WORDS = {
    "constant": "the mean of all responses, the tested one among them, in identical cells",
    "targets": "the same with the targets of all other perturbations raised",
    "all_cells": "a draw of the cells of all perturbations, the tested one among them,",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe by one metric; draws: (resamples,)."""

    name: str
    anchored: AnchoredScore
    draws: NDArray[np.float64]


def probe(scorer: Scorer, contest: Contest, weights: Resamples, unit: str) -> list[Probe]:
    """Every probe of a contest by one metric."""
    return [
        Probe(name, *anchored_draws(scorer, contest, name, weights, unit))
        for name in contest.probes
    ]


def cautions(probed: Sequence[Probe], overall: str) -> Mapping[str, str]:
    """Metric -> what probes may gain by it, and ``overall`` -> by the mean over metrics.

    A metric is told where the upper bound of the anchored score of a probe is above 0.05.
    """
    found: dict[str, list[str]] = {}
    for name, metric, value, _, upper in _places(probed, overall):
        if upper > MOST_GAINED:
            text = f"{WORDS.get(name, name)} scores {value:.2f} (at most {upper:.2f})"
            found.setdefault(metric, []).append(text)
    return {metric: "; ".join(texts) for metric, texts in found.items()}


def gains(probed: Sequence[Probe], overall: str) -> Mapping[str, float]:
    """Metric -> the largest lower bound of the anchored score of a probe: above 0 a gain is no
    noise; and of the mean over metrics, by the name of ``overall``.
    """
    found: dict[str, float] = {}
    for _, metric, _, lower, _ in _places(probed, overall):
        if np.isfinite(lower):
            found[metric] = max(lower, found.get(metric, -np.inf))
    return found


def _places(
    probed: Sequence[Probe], overall: str
) -> Iterator[tuple[str, str, float, float, float]]:
    """Probe, metric, anchored score, lower and upper bound; the means over metrics come last."""
    for one in probed:
        anchored = one.anchored
        yield one.name, anchored.metric, anchored.value, anchored.lower, anchored.upper
    for name in dict.fromkeys(one.name for one in probed):
        known = [one for one in probed if one.name == name and np.isfinite(one.anchored.value)]
        if known:
            bounds = interval(np.mean([one.draws for one in known], axis=0), LEVEL)
            yield name, overall, float(np.mean([one.anchored.value for one in known])), *bounds
