"""All contestants beside the same observed groups: models, baselines, a replicate experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Metric, Score
from cellula.core.run import RunContext
from cellula.evaluation.anchored import AnchoredScore, anchored_resamples
from cellula.evaluation.bootstrap import unit_weights
from cellula.evaluation.score import score, score_rows
from cellula.evaluation.scorer import Scorer

__all__ = [
    "LEVEL",
    "N_RESAMPLES",
    "REPLICATE",
    "Contest",
    "Resamples",
    "ScoredMetric",
    "anchored_draws",
    "anchored_in",
    "score_contest",
    "score_table",
]

N_RESAMPLES = 1000
LEVEL = 0.95
#: With more pairs of perturbation and context than this, strata are one or the other.
MOST_PAIRS = 5000
#: The name of the row that is no model: half of the real profiles as if predicted.
REPLICATE = "replicate"


@dataclass(frozen=True, slots=True)
class Contest:
    """Contestants beside the observed profiles, in one space.

    full: name -> comparison with all profiles. halved: the same on half of the profiles of
    every group, where ``replicate`` (the other half, as if predicted) is the ceiling; empty
    where the data hold no replicate. baselines: kind -> name of those that anchor the scores.
    probes: what nobody should gain by, beside the profiles that anchored scores are taken on.
    """

    full: Mapping[str, Comparison]
    halved: Mapping[str, Comparison]
    replicate: Comparison | None
    baselines: Mapping[str, str]
    probes: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All that terms are made of; a comparison under two names is there twice."""
        last = () if self.replicate is None else (self.replicate,)
        return *self.full.values(), *self.halved.values(), *self.probes.values(), *last

    @property
    def anchoring(self) -> Mapping[str, Comparison]:
        """Where anchored scores are taken: the halves where there is a replicate."""
        return self.halved if self.replicate is not None else self.full


@final
class Resamples:
    """The same resamples of the units for every model, baseline and replicate."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._drawn: dict[int, NDArray[np.float64]] = {}

    def of(self, comparison: Comparison) -> NDArray[np.float64]:
        """Weights (resamples, units); equal for comparisons with equally many units."""
        n_units = len(comparison.units)
        if n_units not in self._drawn:
            self._drawn[n_units] = unit_weights(n_units, N_RESAMPLES, self._run.child(n_units).rng)
        return self._drawn[n_units]

    def key(self) -> int:
        """Of the random exchanges of answers; another stream than that of the weights."""
        return int(self._run.child("exchange").rng.integers(2**64, dtype=np.uint64))

    def draw(self, contest: Contest) -> None:
        """Draw all that a contest needs: threads may then read, none needs to write."""
        for comparison in (*contest.full.values(), *contest.halved.values()):
            self.of(comparison)


@dataclass(frozen=True, slots=True)
class ScoredMetric:
    """One contestant by one metric: the score, and its place between baseline and ceiling.

    draws: the anchored score in every resample, (resamples,).
    """

    model: str
    score: Score
    anchored: AnchoredScore | None
    draws: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)


def score_contest(
    scorer: Scorer, contest: Contest, weights: Resamples, unit: str
) -> list[ScoredMetric]:
    """Every contestant by one metric, the replicate last; anchored where there is a better way.

    unit: the name of the unit of replication. A contestant that is another one under a second
    name is scored once.
    """
    metric, sums = scorer.metric, scorer.sums
    found: list[ScoredMetric] = []
    for name, comparison in contest.full.items():
        same = next((one for one in found if contest.full[one.model] is comparison), None)
        if same is not None:
            found.append(replace(same, model=name))
            continue
        drawn = weights.of(comparison)
        value = score(metric, comparison, weights=drawn, level=LEVEL, unit=unit, aggregates=sums)
        anchored = drawn_scores = None
        if np.isfinite(value.value):
            anchored, drawn_scores = anchored_draws(scorer, contest, name, weights, unit)
        found.append(ScoredMetric(name, value, anchored, drawn_scores))
    if contest.replicate is not None:
        drawn = weights.of(contest.replicate)
        value = score(metric, contest.replicate, weights=drawn, level=LEVEL, unit=unit)
        found.append(ScoredMetric(REPLICATE, value, None))
    return found


def anchored_in(
    scorer: Scorer,
    contest: Contest,
    name: str,
    weights: Resamples,
    unit: str,
    level: float = LEVEL,
) -> AnchoredScore:
    """The anchored score of one contestant; on the halved profiles where there is a replicate."""
    return anchored_draws(scorer, contest, name, weights, unit, level)[0]


def anchored_draws(
    scorer: Scorer,
    contest: Contest,
    name: str,
    weights: Resamples,
    unit: str,
    level: float = LEVEL,
) -> tuple[AnchoredScore, NDArray[np.float64]]:
    """:func:`anchored_in`, and the score in every resample: (resamples,)."""
    parts = contest.anchoring
    predicted = contest.probes[name] if name in contest.probes else parts[name]
    anchors = {kind: parts[one] for kind, one in contest.baselines.items() if one in parts}
    return anchored_resamples(
        scorer.metric,
        predicted,
        anchors,
        contest.replicate,
        weights=weights.of(predicted),
        level=level,
        unit=unit,
        aggregates=scorer.sums,
    )


def score_table(metric: Metric, contest: Contest) -> list[dict[str, Any]]:
    """One row a contestant and stratum: perturbation, context, or both where there are several."""
    return [
        {
            "model": name,
            "metric": row.metric,
            "perturbation": row.perturbation,
            "context": row.context,
            "value": row.value,
            "reason": row.reason,
            "n_groups": row.n_groups,
        }
        for name, comparison in contest.full.items()
        if "#" not in name
        for by in _strata(comparison)
        for row in score_rows(metric, comparison, by)
    ]


def _strata(comparison: Comparison) -> tuple[tuple[str, ...], ...]:
    """By perturbation, by context, and by both where there are several of each but not many."""
    single = (("perturbation",), ("context",))
    n_pairs = len(comparison.groups[["perturbation", "context"]].drop_duplicates())
    n_contexts = comparison.groups["context"].nunique()
    is_more = n_contexts > 1 and n_pairs > comparison.groups["perturbation"].nunique()
    return (*single, ("perturbation", "context")) if is_more and n_pairs <= MOST_PAIRS else single
