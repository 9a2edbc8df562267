"""Members with seeds of their own: the same bits wherever they are fitted, a spread that knows."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import response_example as example

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, StudyError
from cellula.core.run import RunContext
from cellula.evaluation.risk_coverage import risk_coverage
from cellula.testing.examples import single_cells

QUICK = {"n_members": 3, "options": {"train": {"epochs": 3}}}


class Elsewhere:
    """A cluster whose items and results travel as bytes."""

    def __init__(self) -> None:
        self.n_items = 0

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.n_items += 1
            yield pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(item)))))


def answers(fitted: Any, data: Dataset, run: RunContext) -> Any:
    (batch,) = fitted.predict(data.treated.queries(), data.controls, run)
    return batch


@pytest.mark.requirement("E11")
def test_threads_and_a_cluster_change_no_bit(run: RunContext) -> None:
    data = example.responses(20, np.random.default_rng(0))
    model = registry.create("model", "deep_ensemble", QUICK)
    cluster = Elsewhere()
    found = [
        answers(model.fit(data, None, where), data, run)
        for where in (run, replace(run, threads=2), replace(run, cluster=cluster))
    ]
    assert cluster.n_items == 3
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].mean, other.mean)
        np.testing.assert_array_equal(found[0].upper, other.upper)


@pytest.mark.requirement("E11", "E10")
def test_members_disagree_where_they_are_wrong(run: RunContext) -> None:
    """Questions beyond training: the spread orders the errors, and the mean beats a member."""
    rng = np.random.default_rng(3)
    known, new = example.responses(50, rng), example.responses(50, rng, start=500, reach=2.0)
    both = example.joined(known, new)
    train, test = both.take(slice_of(both, 0, 500)), both.take(slice_of(both, 500, 999))
    options = {"width": 16, "dimensions": 4, "train": {"epochs": 60, "learning_rate": 0.005}}
    ensemble = registry.create("model", "deep_ensemble", {"n_members": 5, "options": options})
    fitted = ensemble.fit(train, None, run)
    batch = answers(fitted, test, run)
    truth = test.treated.dense()
    wrong = np.square(batch.mean - truth).mean(axis=1)
    alone = [np.square(answers(one, test, run).mean - truth).mean() for one in fitted.members]
    assert wrong.mean() < np.mean(alone)
    doubt = (batch.upper - batch.lower).mean(axis=1)
    assert risk_coverage(wrong, doubt, np.arange(len(doubt))).excess < 0.7


def slice_of(data: Dataset, first: int, stop: int) -> np.ndarray:
    """Perturbations numbered first to stop - 1, and the controls."""
    names = data.obs["perturbation"].astype(str)
    number = np.array([-1 if name == "vehicle" else int(name[1:]) for name in names])
    return data.is_control | ((number >= first) & (number < stop))


def test_cells_come_from_every_member_in_turn(run: RunContext) -> None:
    data = single_cells()
    model = registry.create("model", "deep_ensemble", QUICK)
    fitted = model.fit(data, None, run)
    batch = answers(fitted, data, run)
    members = [answers(one, data, run) for one in fitted.members]
    for query in range(len(batch.queries)):
        pooled = batch.cells.of(query)
        parts = [one.cells.of(query) for one in members]
        assert len(pooled) == len(parts[0])
        wanted = np.concatenate([part[i::3] for i, part in enumerate(parts)])
        np.testing.assert_array_equal(pooled, wanted)


def test_a_model_without_chance_needs_parts_of_training(run: RunContext) -> None:
    data = example.responses(20, np.random.default_rng(0))
    options = {"model": "mean_response", "n_members": 3}
    with pytest.raises(DataError, match=r"give share = 0\.7"):
        registry.create("model", "deep_ensemble", options).fit(data, None, run)
    fitted = registry.create("model", "deep_ensemble", {**options, "share": 0.7}).fit(
        data, None, run
    )
    batch = answers(fitted, data, run)
    assert (batch.upper >= batch.lower).all()
    assert (batch.upper > batch.lower).any()


def test_an_ensemble_of_ensembles_and_wrong_options_are_refused() -> None:
    with pytest.raises(StudyError, match="cannot be a member"):
        registry.create("model", "deep_ensemble", {"model": "deep_ensemble"})
    with pytest.raises(StudyError, match="passes"):
        registry.create("model", "deep_ensemble", {"options": {"passes": "many"}})
