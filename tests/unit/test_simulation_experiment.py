"""Experiments carried out: courses, steps, steady states, scans and what is handed on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.experiment import (
    DataGenerator,
    Experiment,
    RepeatedTask,
    SubTask,
    Target,
    TaskRange,
    Variable,
)
from cellula.core.expression import Symbol, apply
from cellula.core.network import Event, Network, Species
from cellula.core.run import RunContext
from cellula.models.mechanistic.experiment import experiment_values
from cellula.testing.simulator import decay
from experiment_example import A, K, decay_experiment


def values(
    experiment: Experiment, run: RunContext, network: Network | None = None
) -> dict[str, Any]:
    simulator = registry.create("simulator", "ode", {"rtol": 1e-8, "atol": 1e-10})
    simulators = {one.id: simulator for one in experiment.simulations}
    networks = {one.id: network or decay() for one in experiment.models}
    return experiment_values(experiment, networks, simulators, run)


@pytest.mark.requirement("K9", "S3")
def test_every_kind_of_task(run: RunContext) -> None:
    found = values(decay_experiment(), run)
    times = np.linspace(0, 4, 9)
    assert np.array_equal(found["time"], times[None])
    assert np.allclose(found["A"], 2 * np.exp(-0.7 * times), rtol=1e-6)
    late = 6 * np.exp(-0.35 * np.array([2.0, 3.0, 4.0]))
    assert np.allclose(found["A_changed"], late, rtol=1e-6)
    assert np.allclose(found["A_step"], 2 * np.exp(-0.35), rtol=1e-6)
    assert abs(found["A_settled"].item()) < 1e-6
    rates = np.array([0.1, 0.3, 0.7])[:, None]
    assert np.allclose(found["A_scan"], 2 * np.exp(-rates * times), rtol=1e-6)
    assert np.allclose(found["lost"], 1 - found["A"] / 0.7)


def test_a_model_that_is_not_reset_goes_on(run: RunContext) -> None:
    found = values(decay_experiment(), run)
    level, expected = 2.0, []
    for _ in range(3):
        level = (level + 1) * np.exp(-0.35)
        expected.append(level)
    assert np.allclose(found["A_doses"][:, 0], expected, rtol=1e-6)
    assert np.allclose(found["dose_time"][:, 0], [0.5, 1.0, 1.5])


def test_amounts_and_concentrations_are_those_of_the_file(run: RunContext) -> None:
    network = decay()
    big = replace(
        network,
        compartments=(replace(network.compartments[0], size=4.0),),
        species=tuple(replace(one, is_amount=True) for one in network.species),
    )
    found = values(decay_experiment(), run, big)
    assert np.allclose(found["A_changed"][0, 0], 4 * 6 * np.exp(-0.35 * 2 / 1), rtol=0.05)


def repeated(experiment: Experiment, **changed: Any) -> Experiment:
    tasks = tuple(replace(one, **changed) if one.id == "doses" else one for one in experiment.tasks)
    return replace(experiment, tasks=tasks)


def test_what_cannot_be_handed_on_is_refused(run: RunContext) -> None:
    rising = Event("e", apply("gt", Symbol("B"), 1), {"k": Symbol("k")})
    network = decay()
    free = tuple(replace(one, is_constant=False) for one in network.parameters)
    with pytest.raises(DataError, match="'doses': network 'decay' has events, whose past"):
        values(decay_experiment(), run, replace(network, parameters=free, events=(rising,)))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tasks": (SubTask("one"), SubTask("changed"))}, "repeats tasks of 2 models"),
        ({"tasks": (SubTask("changed"),)}, "of another model than it solves"),
    ],
)
def test_what_cannot_be_repeated_is_refused(
    changed: dict[str, Any], words: str, run: RunContext
) -> None:
    with pytest.raises(DataError, match=words):
        values(repeated(decay_experiment(), **changed), run)


def test_unknown_ids_are_named(run: RunContext) -> None:
    experiment = decay_experiment()
    odd = DataGenerator("z", Symbol("v"), {"v": Variable(Target("Z"), "one")})
    with pytest.raises(DataError, match="asks task 'one' for 'Z'"):
        values(replace(experiment, generators=(odd,), reports=(), plots=()), run)
    two = {"v": Variable(A, "one"), "w": Variable(A, "changed")}
    both = DataGenerator("z", apply("plus", Symbol("v"), Symbol("w")), two)
    with pytest.raises(DataError, match="joins tasks of"):
        values(replace(experiment, generators=(both,), reports=(), plots=()), run)
    wrong = replace(experiment.models[1].changes[0], target=Target("Z", "species"))
    models = (experiment.models[0], replace(experiment.models[1], changes=(wrong,)))
    with pytest.raises(DataError, match="sets 'Z', which network 'decay' lacks"):
        values(replace(experiment, models=models), run)
    kind = replace(wrong, target=Target("A", "species", "boundaryCondition"))
    models = (experiment.models[0], replace(experiment.models[1], changes=(kind,)))
    with pytest.raises(DataError, match="it sets 'boundaryCondition'"):
        values(replace(experiment, models=models), run)


def test_sub_tasks_follow_one_another(run: RunContext) -> None:
    twice = RepeatedTask(
        "doses",
        "i",
        (TaskRange("i", (0.0, 1.0)),),
        (),
        (SubTask("stepped", 1), SubTask("stepped", 2)),
        True,
    )
    experiment = decay_experiment()
    tasks = (*experiment.tasks[:-1], twice)
    found = values(replace(experiment, tasks=tasks), run)["A_doses"]
    assert found.shape == (2, 2)
    assert np.allclose(found, 2 * np.exp(-0.7 * np.array([0.5, 1.0])), rtol=1e-6)
    assert isinstance(decay().species[0], Species)
    assert K.id == "k"
