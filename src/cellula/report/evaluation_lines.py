"""The rows of an evaluation's summary as typed lines, and what they come to in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from cellula.core.metric import MetricDefinition
from cellula.core.numerals import count, estimate, number
from cellula.report.words import capital, metric_words
from cellula.validation.evaluating import Evaluated

__all__ = ["OVERALL", "Line", "concerns", "lines_of", "verdict", "why_no_place"]

#: The row of a summary that is no metric but their mean.
OVERALL = "overall"
#: The layers in the order in which they are shown.
LAYERS = ("population", "gene", "cell", "pathway", "phenotype", "calibration", "")

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Line:
    """The prediction by one metric (in one context where rules are applied by context).

    b, r: of the best trivial answer, named in ``baseline``, and of the ceiling. anchored: the place
    between, with its interval. note: why a number is missing, and the cautions that name the
    metric; gain: what answers that know nothing may gain by it, is_gained: and do, beyond noise.
    definition: None for the row that is
    the mean of all. is_alone: whether there is no other context.
    """

    metric: str
    context: str
    value: tuple[float, float, float]
    baseline: str
    b: float
    r: float
    anchored: tuple[float, float, float]
    note: str
    gain: str
    is_gained: bool
    definition: MetricDefinition | None
    is_alone: bool

    @property
    def words(self) -> str:
        """The metric's name, with its context where there are several."""
        name = metric_words(self.metric)
        return name if self.is_alone else f"{name} · {self.context}"

    @property
    def layer(self) -> str:
        """The layer that the metric looks at."""
        return "" if self.definition is None else self.definition.layer

    @property
    def side(self) -> int:
        """1: better than the best trivial answer, -1: worse, 0: the interval holds 0 or is none."""
        _, lower, upper = self.anchored
        return 1 if lower > 0 else -1 if upper < 0 else 0


def lines_of(found: Evaluated) -> list[Line]:
    """All lines, layer by layer; the overall ones first."""
    lines = [_line(row, found) for row in found.of_the_model.to_dict("records")]
    return sorted(lines, key=lambda one: (one.metric != OVERALL, LAYERS.index(one.layer)))


def _line(row: Mapping[Any, Any], found: Evaluated) -> Line:
    metric = str(row["metric"])
    return Line(
        metric=metric,
        context=_text(row, "context"),
        value=_numbers(row, "value", "lower", "upper"),
        baseline=_text(row, "baseline"),
        b=_numbers(row, "b")[0],
        r=_numbers(row, "r")[0],
        anchored=_three(row),
        note=_note(row, metric, found),
        gain=_text(row, "caution"),
        is_gained=_numbers(row, "gain")[0] > 0,
        definition=found.definitions.get(metric),
        is_alone=found.scores["context"].nunique() < 2 or not _text(row, "context"),
    )


def _three(row: Mapping[Any, Any]) -> tuple[float, float, float]:
    value, lower, upper = _numbers(row, "anchored", "anchored_lower", "anchored_upper")
    return value, lower, upper


def _numbers(row: Mapping[Any, Any], *names: str) -> Any:
    return tuple(float(row[name]) if _is_number(row.get(name)) else NAN for name in names)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _text(row: Mapping[Any, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _note(row: Mapping[Any, Any], metric: str, found: Evaluated) -> str:
    """Why a number is missing, and every caution that concerns this one."""
    told = [_text(row, "reason"), why_no_place(row)]
    told += [
        f"{capital(_head(text))} (caution {count(number)})"
        for number, text in enumerate(found.cautions, 1)
        if concerns(text, metric, _text(row, "context"))
    ]
    return "; ".join(dict.fromkeys(text for text in told if text))


def why_no_place(row: Mapping[Any, Any]) -> str:
    """Why a row has no anchored score; in short where baseline and ceiling are known."""
    value, b, r = _numbers(row, "anchored", "b", "r")
    if math.isnan(value) and math.isfinite(b) and math.isfinite(r):
        return "the ceiling is not better than the baseline beyond noise"
    return _text(row, "anchored_reason")


def _head(caution: str) -> str:
    """What a caution has seen, without what to make of it."""
    first, _, rest = caution.partition(": ")
    return rest.partition(": ")[0] if len(first.split()) == 1 else first


def concerns(caution: str, metric: str, context: str) -> bool:
    """Whether a caution names this metric, ``direction_*`` included, and not another context."""
    name = metric.partition("@")[0]
    family = f"{name.partition('_')[0]}_*"
    words = caution.replace(",", " ").replace(":", " ").split()
    is_here = not context or caution.startswith(f"{context}:")
    return is_here and (name in words or family in words)


def verdict(lines: Sequence[Line]) -> str:
    """What the lines come to: the overall score, or how many metrics say what."""
    overall = [one for one in lines if one.metric == OVERALL and math.isfinite(one.anchored[0])]
    placed = [one for one in lines if one.metric != OVERALL and math.isfinite(one.anchored[0])]
    if not placed:
        return "No metric has a place between a trivial answer and a replicate experiment."
    if len(overall) == 1:
        words = {1: "Better than", -1: "Worse than", 0: "Not told apart from"}[overall[0].side]
        return (
            f"{words} the best trivial answer: overall {estimate(*overall[0].anchored)}, where 0 "
            "is that answer and 1 a replicate experiment."
        )
    if overall:
        told = ", ".join(f"{estimate(*one.anchored)} in {one.context}" for one in overall)
        return f"Overall {told}, where 0 is the best trivial answer and 1 a replicate experiment."
    better, worse = (sum(one.side == side for one in placed) for side in (1, -1))
    middle = number(median(one.anchored[0] for one in placed), 2)
    return (
        f"Better than the best trivial answer by {count(better)} of the {count(len(placed))} "
        f"metrics that can tell, worse by {count(worse)}; their median is {middle}, where 0 is "
        "that answer and 1 a replicate experiment."
    )
