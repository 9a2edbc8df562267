"""Predicted beside observed, joined row by row from the tables of a bundle."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import EvidenceError
from cellula.report.words import SELECTED

__all__ = ["Agreement", "Choice", "agreement_of", "read_table", "selected_predictions"]

#: What tells one measured value from another; ``fold`` only where both tables have it.
KEYS = ("fold", "perturbation", "context", "dose_molar", "time_s", "individual", "unit", "readout")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model answers: one name, or one a fold where ``by_fold`` names them."""

    model: str
    by_fold: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Held-out values with two predictions of each, all of shape (values,).

    observed, predicted, baseline: in the value type of the data, less the control's reference
    where ``is_change``. baseline is empty where the bundle holds no prediction of
    ``baseline_name``. in_domain: as the model flagged its answer. lower, upper: its 90 %
    interval, NaN where it has none. labels: perturbation and context of every value.
    """

    model: str
    baseline_name: str
    is_change: bool
    observed: NDArray[np.float64]
    predicted: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    in_domain: NDArray[np.bool_]
    baseline: NDArray[np.float64]
    labels: Mapping[str, NDArray[Any]]


def read_table(files: Mapping[str, bytes], path: str) -> pd.DataFrame:
    """A Parquet file of the bundle; EvidenceError, naming the path, where it is damaged."""
    try:
        return pd.read_parquet(io.BytesIO(files[path]))
    except (ValueError, OSError) as error:
        raise EvidenceError(
            f"{path} cannot be read as a Parquet table ({error}); "
            "check the bundle with: cellula verify BUNDLE"
        ) from error


def selected_predictions(
    files: Mapping[str, bytes], claim: str, choice: Choice
) -> pd.DataFrame | None:
    """The predictions of the model selected in training; by fold where that differs.

    None where the bundle holds none.
    """
    whole = _predictions(files, claim, SELECTED)
    if whole is not None:
        return whole
    parts: list[pd.DataFrame] = []
    for model in dict.fromkeys(choice.by_fold.values()):
        table = _predictions(files, claim, model)
        if table is None or "fold" not in table:
            continue
        chosen = table["fold"].astype(str).map(choice.by_fold) == model
        parts.append(table[chosen])
    if parts:
        return pd.concat(parts, ignore_index=True)
    return _predictions(files, claim, choice.model)


def agreement_of(
    files: Mapping[str, bytes], claim: str, choice: Choice, baseline: str
) -> Agreement | None:
    """Observed, predicted and baseline of one claim; None where truth or answers are missing.

    Raises EvidenceError where the tables share no key or a key stands twice in the answers.
    """
    path = f"truth/{claim}.parquet"
    answers = selected_predictions(files, claim, choice)
    if path not in files or answers is None:
        return None
    truth = read_table(files, path)
    joined = _join(claim, truth, answers, "mean")
    other = _predictions(files, claim, baseline)
    simple = np.empty(0)
    if other is not None:
        simple = _numbers(_join(claim, truth, other, "mean"), "mean")
        if len(simple) != len(joined):
            simple = np.empty(0)
    is_change = "reference" in joined
    shift = _numbers(joined, "reference") if is_change else np.zeros(len(joined))
    inside = joined["in_domain"] if "in_domain" in joined else np.ones(len(joined))
    return Agreement(
        model=choice.model,
        baseline_name=baseline if len(simple) else "",
        is_change=is_change,
        observed=_numbers(joined, "observed") - shift,
        predicted=_numbers(joined, "mean") - shift,
        lower=_numbers(joined, "lower") - shift,
        upper=_numbers(joined, "upper") - shift,
        in_domain=np.asarray(inside, dtype=bool),
        baseline=simple - shift if len(simple) else simple,
        labels={
            name: joined[name].to_numpy() for name in ("perturbation", "context") if name in joined
        },
    )


def _predictions(files: Mapping[str, bytes], claim: str, model: str) -> pd.DataFrame | None:
    path = f"predictions/{claim}/{model}.parquet"
    return read_table(files, path) if path in files else None


def _join(claim: str, truth: pd.DataFrame, answers: pd.DataFrame, value: str) -> pd.DataFrame:
    keys = [key for key in KEYS if key in truth and key in answers]
    if not keys or value not in answers or "observed" not in truth:
        raise EvidenceError(
            f"truth/{claim}.parquet and its predictions cannot be joined; expected the columns "
            f"observed and {value} and at least one common key of {', '.join(KEYS)}"
        )
    if answers.duplicated(keys).any():
        raise EvidenceError(
            f"predictions/{claim} answer one question twice (keys {', '.join(keys)}); "
            "expected one row a question and readout"
        )
    if all(_is_same(truth[key], answers[key]) for key in keys):
        others = {name: answers[name].to_numpy() for name in answers if name not in keys}
        return truth.reset_index(drop=True).assign(**others)
    left, right = truth.copy(), answers.copy()
    for key in keys:
        left[key], right[key] = left[key].astype(str), right[key].astype(str)
    return left.merge(right, on=keys, how="inner", validate="many_to_one")


def _is_same(left: pd.Series[Any], right: pd.Series[Any]) -> bool:
    """Whether two key columns are equal row by row, as our own bundles have them."""
    if len(left) != len(right):
        return False
    both = (left.dtype, right.dtype)
    if all(isinstance(kind, pd.CategoricalDtype) for kind in both) and both[0] == both[1]:
        return bool(np.array_equal(left.cat.codes, right.cat.codes))
    return bool(np.array_equal(left.astype(str), right.astype(str)))


def _numbers(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in table:
        return np.full(len(table), np.nan)
    values: Any = table[column]
    return np.asarray(values, dtype=np.float64)
