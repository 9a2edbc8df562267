"""The panel of every task: registered metrics, several layers, and an error that helps."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.metric import MetricDefinition
from cellula.evaluation.panels import FULL, PANELS, layers_of, metrics_of

LAYERS = set(get_args(get_type_hints(MetricDefinition)["layer"]))


@pytest.mark.requirement("E14", "E15")
@pytest.mark.parametrize("task", PANELS)
def test_a_panel_is_of_registered_metrics_and_of_three_layers(task: str) -> None:
    names = metrics_of(task)
    assert set(names) <= set(registry.names("metric"))
    assert len(set(names)) == len(names)
    layers = layers_of(task)
    assert len(layers) >= 3
    assert set(layers) <= LAYERS
    assert sorted(name for part in layers.values() for name in part) == sorted(names)


@pytest.mark.requirement("E15")
def test_the_full_panel_is_everything() -> None:
    assert metrics_of(FULL) == tuple(registry.names("metric"))
    assert FULL not in PANELS
    assert {"cell", "population", "gene", "phenotype", "calibration"} <= set(layers_of(FULL))


@pytest.mark.requirement("E2")
@pytest.mark.parametrize("task", ["perturbation", "drug_response", "time_course", "integration"])
def test_a_panel_tells_of_reconstruction(task: str) -> None:
    assert {"rmse", "r2"} <= set(metrics_of(task))


def test_an_unknown_task_is_an_error_that_names_the_tasks() -> None:
    for ask in (metrics_of, layers_of):
        with pytest.raises(DataError, match="no panel 'dose'; the tasks are perturbation, drug_"):
            ask("dose")


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PANELS["perturbation"] = ()  # type: ignore[index]
