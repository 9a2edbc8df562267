"""What an answer that knows no perturbation gains by a metric: a caution beside its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.evaluation.anchored import AnchoredScore
from cellula.evaluation.bootstrap import interval
from cellula.evaluation.contest import LEVEL, Contest, Resamples, anchored_draws
from cellula.evaluation.scorer import Scorer

__all__ = ["MOST_GAINED", "Probe", "cautions", "probe"]

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
    """Metric -> what probes gain by it, and ``overall`` -> by the mean over metrics.

    A metric is told where the upper bound of the anchored score of a probe is above 0.05.
    """
    found: dict[str, list[str]] = {}
    for one in probed:
        if one.anchored.upper > MOST_GAINED:
            text = _gain(one.name, one.anchored.value, one.anchored.upper)
            found.setdefault(one.anchored.metric, []).append(text)
    for name in dict.fromkeys(one.name for one in probed):
        known = [one for one in probed if one.name == name and np.isfinite(one.anchored.value)]
        if known:
            _, upper = interval(np.mean([one.draws for one in known], axis=0), LEVEL)
            if upper > MOST_GAINED:
                value = float(np.mean([one.anchored.value for one in known]))
                found.setdefault(overall, []).append(_gain(name, value, upper))
    return {metric: "; ".join(texts) for metric, texts in found.items()}


def _gain(name: str, value: float, upper: float) -> str:
    return f"{WORDS.get(name, name)} scores {value:.2f} (at most {upper:.2f})"
