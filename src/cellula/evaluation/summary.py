"""The summary of a panel: a row a contestant and metric, and the mean over the metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cellula.core.numerals import plural
from cellula.evaluation.bootstrap import interval
from cellula.evaluation.contest import LEVEL, REPLICATE, ScoredMetric
from cellula.evaluation.probes import Probe, cautions, gains

__all__ = ["OVERALL", "summary_table"]

#: The metric of the row that is the mean of the anchored scores.
OVERALL = "overall"


def summary_table(scored: Sequence[ScoredMetric], probed: Sequence[Probe] = ()) -> pd.DataFrame:
    """One row a contestant and metric, in the order given; then one ``overall`` a contestant.

    Columns: model, metric, value with lower and upper, n_groups, n_units, reason, baseline (the
    better trivial answer), b and r (the metric of the baseline and of the ceiling on the halves),
    ceiling, anchored with its interval, anchored_reason, caution: what a probe may gain by the
    metric, "" where none may, and gain: the largest lower bound of the anchored score of a probe,
    above 0 where a gain is no noise. ``overall`` is the mean of the anchored scores of the metrics
    that have one, its interval that of the mean in every resample.
    """
    models = [one for one in dict.fromkeys(one.model for one in scored) if one != REPLICATE]
    overall = [_overall([one for one in scored if one.model == model]) for model in models]
    table = pd.DataFrame([*(_row(one) for one in scored), *overall])
    return table.assign(
        caution=table["metric"].map(cautions(probed, OVERALL)).fillna(""),
        gain=table["metric"].map(gains(probed, OVERALL)).astype(np.float64),
    )


def _row(one: ScoredMetric) -> dict[str, object]:
    score, anchored = one.score, one.anchored
    return {
        "model": one.model,
        "metric": score.metric,
        "value": score.value,
        "lower": score.lower,
        "upper": score.upper,
        "n_groups": score.n_groups,
        "n_units": score.n_units,
        "reason": score.reason,
        "baseline": "" if anchored is None else anchored.baseline,
        "b": np.nan if anchored is None else anchored.b,
        "r": np.nan if anchored is None else anchored.r,
        "ceiling": "" if anchored is None else anchored.ceiling,
        "anchored": np.nan if anchored is None else anchored.value,
        "anchored_lower": np.nan if anchored is None else anchored.lower,
        "anchored_upper": np.nan if anchored is None else anchored.upper,
        "anchored_reason": "" if anchored is None else anchored.reason,
    }


def _overall(found: Sequence[ScoredMetric]) -> dict[str, object]:
    """The mean of the anchored scores of one contestant."""
    known = [
        (one.anchored.value, one.draws)
        for one in found
        if one.anchored is not None and one.draws is not None and np.isfinite(one.anchored.value)
    ]
    row: dict[str, object] = {"model": found[0].model, "metric": OVERALL, "value": np.nan}
    row |= {"lower": np.nan, "upper": np.nan, "b": np.nan, "r": np.nan}
    row |= {"n_groups": max(one.score.n_groups for one in found), "baseline": "", "ceiling": ""}
    row |= {"n_units": max(one.score.n_units for one in found)}
    row["reason"] = f"the mean of anchored scores: {len(known)} of {plural(len(found), 'metric')}"
    if not known:
        nothing = dict.fromkeys(("anchored", "anchored_lower", "anchored_upper"), np.nan)
        return row | nothing | {"anchored_reason": "no metric has an anchored score"}
    lower, upper = interval(np.mean([draws for _, draws in known], axis=0), LEVEL)
    return row | {
        "anchored": float(np.mean([value for value, _ in known])),
        "anchored_lower": lower,
        "anchored_upper": upper,
        "anchored_reason": "",
    }
