"""Scores within parts of the questions, so that easy cases do not hide the hard ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Metric, MetricDefinition, Terms
from cellula.evaluation.contest import LEVEL, Contest, Resamples, anchored_in
from cellula.evaluation.resolvability import RESOLVABILITY
from cellula.evaluation.score import score
from cellula.evaluation.scorer import Scorer
from cellula.evaluation.thirds import THIRDS

__all__ = ["MOST_CONTEXTS", "Stratum", "StratumMasks", "strata_of", "stratum_scores"]

#: With more contexts there is a row of scores for each, but no stratum.
MOST_CONTEXTS = 50


@dataclass(frozen=True, slots=True)
class Stratum:
    """Some rows of perturbation x context.

    by: response, resolvability or context; name: which third, class or context. rows: the pairs.
    """

    by: str
    name: str
    rows: frozenset[tuple[str, str]]

    def mask(self, comparison: Comparison) -> NDArray[np.bool_]:
        """Which groups belong to it: (groups,)."""
        groups = comparison.groups
        pairs = zip(groups["perturbation"].astype(str), groups["context"].astype(str), strict=True)
        return np.fromiter((pair in self.rows for pair in pairs), bool, len(groups))


def strata_of(responses: pd.DataFrame) -> tuple[Stratum, ...]:
    """All strata of a table of responses, the empty ones too; contexts where there are several.

    responses: from :func:`~cellula.evaluation.resolvability.responses`.
    """
    contexts = tuple(sorted(responses["context"].unique()))
    names: dict[str, tuple[str, ...]] = {"response": THIRDS, "resolvability": RESOLVABILITY}
    if 1 < len(contexts) <= MOST_CONTEXTS:
        names["context"] = contexts
    return tuple(
        Stratum(by, name, _pairs(responses[responses[by] == name]))
        for by, kinds in names.items()
        for name in kinds
    )


def _pairs(rows: pd.DataFrame) -> frozenset[tuple[str, str]]:
    return frozenset(zip(rows["perturbation"], rows["context"], strict=True))


@final
class _Within:
    """A metric of the groups of a stratum alone: the terms are those of the whole."""

    def __init__(self, metric: Metric, masks: Mapping[int, NDArray[np.bool_]], why: str) -> None:
        self.definition: MetricDefinition = metric.definition
        self._metric = metric
        self._masks = masks
        self._why = why

    def terms(self, comparison: Comparison) -> Terms:
        """The terms of the whole; a group outside has a reason, and so does not count."""
        terms = self._metric.terms(comparison)
        is_outside = ~self._masks[id(comparison)] & (terms.reasons == "")
        reasons = np.where(is_outside, self._why, terms.reasons)
        return Terms(terms.values, reasons, terms.stratum)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :meth:`cellula.core.metric.Metric.finish`."""
        return self._metric.finish(sums)


@final
class StratumMasks:
    """Which groups of every comparison of a contest belong to every stratum; made once."""

    def __init__(self, strata: tuple[Stratum, ...], contest: Contest) -> None:
        self.strata = strata
        one = [next(iter(part.values())) for part in (contest.full, contest.halved) if part]
        masks = [[stratum.mask(part) for stratum in strata] for part in one]
        halves = [*contest.halved.values(), *([contest.replicate] if contest.replicate else [])]
        self._of = [
            {id(part): masks[0][place] for part in contest.full.values()}
            | {id(part): masks[-1][place] for part in halves}
            for place in range(len(strata))
        ]

    def __iter__(self) -> Iterator[tuple[Stratum, Mapping[int, NDArray[np.bool_]]]]:
        return iter(zip(self.strata, self._of, strict=True))


def stratum_scores(
    scorer: Scorer,
    contest: Contest,
    models: tuple[str, ...],
    masks: StratumMasks,
    weights: Resamples,
    unit: str,
) -> list[dict[str, Any]]:
    """One row a stratum and model by one metric, with baseline, ceiling and anchored score.

    An empty stratum has a row with a reason. The resamples are those of the whole.
    """
    found = []
    for stratum, inside in masks:
        why = f"outside {stratum.by} {stratum.name}"
        within = Scorer.of(cast("Metric", _Within(scorer.metric, inside, why)))
        for model in models:
            found.append(_row(within, contest, model, stratum, weights, unit))
    return found


def _row(
    scorer: Scorer,
    contest: Contest,
    model: str,
    stratum: Stratum,
    weights: Resamples,
    unit: str,
) -> dict[str, Any]:
    metric, part = scorer.metric, contest.full[model]
    row: dict[str, Any] = {"by": stratum.by, "stratum": stratum.name, "model": model}
    row |= {"metric": metric.definition.id}
    if not stratum.rows:
        nothing = dict.fromkeys(_NUMBERS, np.nan)
        why = f"no response is {stratum.name}"
        return (
            row
            | nothing
            | {"n_groups": 0, "n_units": 0, "baseline": "", "ceiling": ""}
            | {
                "reason": why,
                "anchored_reason": why,
            }
        )
    value = score(
        metric,
        part,
        weights=weights.of(part),
        level=LEVEL,
        unit=unit,
        aggregates=scorer.sums,
    )
    anchored = anchored_in(scorer, contest, model, weights, unit)
    return row | {
        "value": value.value,
        "lower": value.lower,
        "upper": value.upper,
        "n_groups": value.n_groups,
        "n_units": value.n_units,
        "reason": value.reason,
        "baseline": anchored.baseline,
        "b": anchored.b,
        "ceiling": anchored.ceiling,
        "r": anchored.r,
        "anchored": anchored.value,
        "anchored_lower": anchored.lower,
        "anchored_upper": anchored.upper,
        "anchored_reason": anchored.reason,
    }


_NUMBERS = (
    "value",
    "lower",
    "upper",
    "b",
    "r",
    "anchored",
    "anchored_lower",
    "anchored_upper",
)
