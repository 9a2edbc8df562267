"""How far a score depends on the draw: of folds and halves, and of the seed of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cellula.core import registry
from cellula.core.metric import Metric
from cellula.core.run import RunContext, each
from cellula.evaluation.contest import Contest, Resamples, ScoredMetric, score_contest
from cellula.evaluation.scorer import scorers
from cellula.evaluation.summary import summary_table

__all__ = ["draw_summary", "spread_table"]

COLUMNS = ("over", "model", "metric", "quantity", "value", "mean", "sd", "min", "max", "n")
#: What is compared over repeats; a value does not depend on the draw.
OF_REPEATS = {"baseline": "b", "ceiling": "r", "anchored": "anchored"}
#: What is compared over predictions.
OF_PREDICTIONS = {"value": "value", "anchored": "anchored"}


def draw_summary(
    contest: Contest, metrics: Sequence[str], unit: str, run: RunContext
) -> pd.DataFrame:
    """The summary of one more draw of folds and halves; resamples as in the first."""
    weights = Resamples(run.child("bootstrap"))
    weights.draw(contest)
    loaded: dict[str, Metric] = {name: registry.load("metric", name)() for name in metrics}
    known = scorers(loaded, contest.comparisons, run)

    def by_metric(name: str) -> list[ScoredMetric]:
        return score_contest(known[name], contest, weights, unit)

    parts = list(each(by_metric, tuple(metrics), run, "metrics, another draw"))
    return summary_table([one for part in parts for one in part])


def spread_table(draws: Sequence[pd.DataFrame], models: Sequence[str]) -> pd.DataFrame:
    """One row a metric and quantity, over the draws of a prediction and over the predictions.

    draws: the summary of every draw, the first that of the panel. Columns: over (``repeats`` or
    ``predictions``), model ("" over predictions), metric, quantity (baseline, ceiling, anchored
    or value), value (of the first), mean, sd, min, max over those that have a number, and n.
    No rows where there is one draw, or one prediction.
    """
    rows = []
    if len(draws) > 1:
        for model in models:
            tables = [table[table["model"] == model] for table in draws]
            rows += _rows("repeats", model, tables, OF_REPEATS)
    if len(models) > 1:
        tables = [draws[0][draws[0]["model"] == model] for model in models]
        rows += _rows("predictions", "", tables, OF_PREDICTIONS)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    over: str, model: str, tables: Sequence[pd.DataFrame], quantities: dict[str, str]
) -> list[dict[str, object]]:
    indexed = [table.set_index("metric") for table in tables]
    return [
        {"over": over, "model": model, "metric": metric, "quantity": name}
        | _statistics(np.array([table.at[metric, column] for table in indexed], np.float64))
        for metric in indexed[0].index
        for name, column in quantities.items()
    ]


def _statistics(values: np.ndarray) -> dict[str, object]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {"value": values[0], "mean": np.nan, "sd": np.nan, "min": np.nan, "max": np.nan} | {
            "n": 0
        }
    return {
        "value": values[0],
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else np.nan,
        "min": float(known.min()),
        "max": float(known.max()),
        "n": len(known),
    }
