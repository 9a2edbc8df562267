"""The metric kit passes correct toys and catches every fault planted in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, final

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.testing import MetricConformance, NotConformant

DEFINITION = MetricDefinition(
    name="toy_mse",
    version=1,
    equation="sum (x - y)^2 / n",
    layer="population",
    space="readouts",
    genes="all",
    control="none",
    aggregation="mean over groups and readouts",
    direction="lower",
    ideal=0.0,
    references=("szekely2013",),
    is_per_group=True,
)


def squared_error(comparison: Comparison, fault: str) -> Terms:
    error = comparison.predicted - comparison.observed
    if fault == "signed":
        error = np.maximum(error, 0)
    n = np.full(len(error), float(error.shape[1]))
    total = (error**2).sum(axis=1)
    if fault == "global":
        total = total / len(error)
    if fault == "first_cell" and comparison.predicted_cells is not None:
        total = total + [comparison.predicted_cells.of(row)[0, 0] for row in range(len(total))]
    if fault == "first_group":
        total = total + comparison.predicted[0, 0]
    if fault == "moves":
        comparison.predicted[0, 0] += 1.0
    if fault == "clock":
        total = total + np.random.default_rng().normal(size=len(total))
    if fault == "needs_reference":
        total = total + 0 * comparison.reference.sum(axis=1)  # type: ignore[union-attr]
    values = np.column_stack([n, total])
    is_bad = ~np.isfinite(values).all(axis=1)
    if fault == "fills":
        values[is_bad], is_bad[:] = 0.0, False
    if fault == "drops_all" and is_bad.any():
        is_bad[:] = True
    values[is_bad] = np.nan
    return Terms(
        values,
        np.where(is_bad, "the prediction is not a number", ""),
        np.zeros(len(values), np.int64),
    )


def toy(fault: str = "", **changed: Any) -> type:
    @final
    class Toy:
        definition: ClassVar[MetricDefinition] = replace(DEFINITION, **changed)

        def terms(self, comparison: Comparison) -> Terms:
            return squared_error(comparison, fault)

        def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
            if fault == "total":
                return sums[..., 1] + np.where(sums[..., 0] == 0, np.nan, 0.0)
            if fault == "flat":
                return np.atleast_1d(sums[0])
            if fault == "offset":
                return toy().finish(None, sums) + 1.0
            if fault == "near":
                return toy().finish(None, sums) + 0.1
            if fault == "zero":
                return sums[..., 1] / np.maximum(sums[..., 0], 1)
            with np.errstate(invalid="ignore"):
                return sums[..., 1] / sums[..., 0]

    return Toy


def test_a_correct_metric_passes() -> None:
    MetricConformance(toy()).check()


def test_a_metric_over_all_groups_is_excused_from_parts() -> None:
    MetricConformance(toy("global", is_per_group=False)).check_additive()
    with pytest.raises(NotConformant, match="some groups have exactly"):
        MetricConformance(toy("global")).check_additive()


def test_an_estimate_from_cells_must_come_near_the_ideal() -> None:
    MetricConformance(toy("near", needs_cells=True)).check_ideal()
    with pytest.raises(NotConformant, match="ideal value"):
        MetricConformance(toy("near")).check_ideal()
    with pytest.raises(NotConformant, match="ideal value"):
        MetricConformance(toy("offset", needs_cells=True, ideal=-20.0)).check_ideal()


@pytest.mark.requirement("E14")
@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("moves", "left as it was"),
        ("clock", "the same terms"),
        ("offset", "ideal value"),
        ("global", "some groups have exactly"),
        ("first_group", "ideal value"),
        ("first_cell", "ideal value"),
        ("total", "relative to one another"),
        ("flat", "is one value"),
        ("zero", "without any group"),
        ("fills", "NaN terms"),
        ("drops_all", "other groups keep"),
        ("needs_reference", "missing part is a reason"),
    ],
)
def test_a_planted_fault_is_caught(fault: str, rule: str) -> None:
    with pytest.raises(NotConformant, match=rule):
        MetricConformance(toy(fault)).check()


@pytest.mark.parametrize(("fault", "what"), [("first_cell", "cells"), ("first_group", "groups")])
def test_a_dependence_on_order_is_caught(fault: str, what: str) -> None:
    with pytest.raises(NotConformant, match=f"order of the {what}"):
        MetricConformance(toy(fault)).check_order()


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"equation": " "}, "equation is told"),
        ({"genes": ""}, "genes is told"),
        ({"version": 0}, "version counts from 1"),
        ({"ideal": float("nan")}, "ideal is a number"),
        ({"direction": "sideways"}, "direction"),
        ({"references": ("a b",)}, "bibliography"),
    ],
)
def test_an_incomplete_definition_is_caught(changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(NotConformant, match=rule):
        MetricConformance(toy(**changed)).check_declaration()


def test_a_wrong_direction_is_caught() -> None:
    with pytest.raises(NotConformant, match="more error is worse"):
        MetricConformance(toy(direction="higher")).check()
