"""Interpolation between doses: each pair's own curve, and what stands in where there is none."""

from __future__ import annotations

import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.dose_interpolation import DoseInterpolation, DoseInterpolationOptions

ROWS = [
    ("a", "x", 1e-8, 0.0),
    ("a", "x", 1e-6, 4.0),
    ("a", "y", 1e-8, 2.0),
    ("a", "y", 1e-6, 2.0),
    ("b", "x", 1e-8, 10.0),
]


def table(**more: list[float]) -> Dataset:
    names = ["perturbation", "context", "dose_molar", "value"]
    obs = pd.DataFrame(ROWS, columns=names, index=[f"p{i}" for i in range(len(ROWS))])
    values = obs.pop("value").to_numpy()[:, None]
    for name in ("perturbation", "context"):
        obs[name] = pd.Categorical(obs[name])
    return Dataset(
        AnnData(values, obs.assign(**more), pd.DataFrame(index=["growth"])), ValueType.QUANTITY
    )


def ask(run: RunContext, drug: str, line: str, dose: float) -> tuple[float, bool]:
    fitted = DoseInterpolation(DoseInterpolationOptions()).fit(table(), None, run)
    (told,) = fitted.predict(QueryTable.of([drug], [line], dose_molar=[dose]), None, run)
    return float(told.mean[0, 0]), bool(told.in_domain[0])


@pytest.mark.requirement("K9", "the simple answer that a dose-response model has to beat")
@pytest.mark.parametrize(
    ("drug", "line", "dose", "value", "is_inside"),
    [
        ("a", "x", 1e-7, 2.0, True),
        ("a", "x", 10**-6.5, 3.0, True),
        ("a", "x", 1e-8, 0.0, True),
        ("a", "x", 1e-5, 4.0, False),
        ("a", "y", 1e-7, 2.0, True),
        ("a", "z", 1e-7, 2.0, False),
        ("a", "z", 1e-6, 3.0, False),
        ("b", "y", 1e-8, 10.0, False),
        ("c", "x", 1e-6, 3.0, False),
    ],
)
def test_a_response_lies_between_its_neighbours(
    drug: str, line: str, dose: float, value: float, is_inside: bool, run: RunContext
) -> None:
    told, in_domain = ask(run, drug, line, dose)
    assert told == pytest.approx(value)
    assert in_domain is is_inside


def test_every_time_has_its_own_curve(run: RunContext) -> None:
    data = table(time_s=[0.0, 0.0, 0.0, 3600.0, 0.0])
    fitted = DoseInterpolation(DoseInterpolationOptions()).fit(data, None, run)
    asked = QueryTable.of(
        ["a", "a", "a"], ["y", "y", "y"], dose_molar=[1e-6, 1e-6, 1e-6], time_s=[0, 3600, 7200]
    )
    (told,) = fitted.predict(asked, None, run)
    assert told.mean[:, 0].tolist() == [2.0, 2.0, 3.0]
    assert told.in_domain.tolist() == [False, True, False]


def test_without_doses_it_is_the_mean_of_the_pair(run: RunContext) -> None:
    bare = table().data.copy()
    del bare.obs["dose_molar"]
    data = Dataset(bare, ValueType.QUANTITY)
    fitted = DoseInterpolation(DoseInterpolationOptions()).fit(data, None, run)
    (told,) = fitted.predict(QueryTable.of(["a"], ["x"]), None, run)
    assert told.mean.tolist() == [[2.0]]
