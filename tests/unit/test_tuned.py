"""Tuning inside training: a better setting is found, nothing held out is seen, same seed same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, NotConverged, StudyError
from cellula.core.model import Capabilities, Model, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, run_context
from cellula.io.state import read_state, state_bytes
from cellula.models.baselines.tuned import Range, Tuned, TunedOptions
from cellula.testing.examples import single_cells

SPACE = {"ridge": {"low": 1e-4, "high": 1e4, "log": True}}


def halves(data: Dataset) -> tuple[Dataset, Dataset]:
    is_valid = np.isin(np.asarray(data.labels("perturbation")), ("G3", "G0+G1"))
    return data.take(~is_valid | data.is_control), data.take(is_valid)


def tuned(**options: Any) -> Tuned:
    found: Tuned = registry.create("model", "tuned", options)
    return found


class ToyOptions(Options):
    """Options of :class:`Toy`."""

    level: float = 9.0
    """What it answers everywhere."""


@dataclass(frozen=True, slots=True)
class Toy:
    """Answers one number; below 0 it does not converge. Remembers what it was fitted on."""

    options: ToyOptions
    name: ClassVar[str] = "toy"
    options_type: ClassVar[type[Options]] = ToyOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind))
    references: ClassVar[tuple[str, ...]] = ()
    seen: ClassVar[list[tuple[float, int, int | None]]] = []

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> Toy:
        if self.options.level < 0:
            raise NotConverged("below 0")
        n_valid = None if valid is None else valid.n_profiles
        self.seen.append((self.options.level, train.n_profiles, n_valid))
        return self

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        data = single_cells()
        mean = np.full((len(queries), len(data.readouts)), self.options.level)
        inside = np.ones(len(queries), bool)
        yield Prediction(queries, data.readouts, data.value_type, mean, inside)

    def state(self) -> State:
        return State({})

    def restore(self, state: State) -> Toy:
        return self


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> type[Toy]:
    """A model of one option in the place of the baseline that is tuned by default."""
    load = registry.load

    def loads(kind: str, name: str) -> Any:
        return Toy if name == "bilinear_ridge" else load(kind, name)

    monkeypatch.setattr(registry, "load", loads)
    monkeypatch.setattr(Toy, "seen", [])
    return Toy


def test_the_planted_setting_is_found(run: RunContext, toy: type[Toy]) -> None:
    train, valid = halves(single_cells())
    truth = float(valid.dense().mean())
    found = tuned(space={"level": {"low": 0.0, "high": 10.0}}, trials=40).fit(train, valid, run)
    assert found.chosen["level"] == pytest.approx(truth, abs=0.5)
    assert len(toy.seen) == 41
    assert {one[1:] for one in toy.seen[:-1]} == {(train.n_profiles, None)}
    assert toy.seen[-1] == (found.chosen["level"], train.n_profiles, valid.n_profiles)


@pytest.mark.usefixtures("toy")
def test_the_options_as_they_stand_are_tried_first(run: RunContext) -> None:
    train, valid = halves(single_cells())
    best = float(np.round(valid.dense().mean(), 3))
    model = tuned(options={"level": best}, space={"level": (best + 5.0, best + 9.0)}, trials=3)
    assert model.fit(train, valid, run).chosen == {}
    assert model.fit(train, None, run).chosen == {}


@pytest.mark.usefixtures("toy")
def test_a_setting_that_does_not_converge_loses(run: RunContext) -> None:
    train, valid = halves(single_cells())
    model = tuned(options={"level": -1.0}, space={"level": (-2.0, 3.0)}, trials=8)
    assert model.fit(train, valid, run).chosen == {"level": 3.0}
    with pytest.raises(NotConverged, match="none of 2 settings of 'bilinear_ridge' converged"):
        tuned(options={"level": -1.0}, space={"level": (-2.0,)}, trials=4).fit(train, valid, run)


def test_a_setting_is_tried_once(run: RunContext, toy: type[Toy]) -> None:
    train, valid = halves(single_cells())
    tuned(space={"level": (1.0, 2.0)}, trials=20).fit(train, valid, run)
    assert sorted({one[0] for one in toy.seen}) == [1.0, 2.0, 9.0]
    assert len(toy.seen) == 4


@pytest.mark.requirement("E5")
def test_the_same_seed_searches_alike_and_the_state_answers_alike(run: RunContext) -> None:
    data = single_cells()
    train, valid = halves(data)
    model = tuned(space=SPACE, trials=6)
    one, two = (model.fit(train, valid, run_context(3, run.scratch)) for _ in range(2))
    assert one.chosen == two.chosen
    assert state_bytes(one.state()) == state_bytes(two.state())
    restored = model.restore(read_state(state_bytes(one.state())))
    queries = QueryTable.of(["G3", "G0"], ["type0", "type1"])
    for left, right in zip(
        one.predict(queries, data.controls, run),
        restored.predict(queries, data.controls, run),
        strict=True,
    ):
        np.testing.assert_array_equal(left.mean, right.mean)


def test_a_dot_leads_inside(run: RunContext) -> None:
    train, valid = halves(single_cells())
    model = tuned(
        model="flow_matching",
        options={"width": 8, "train": {"epochs": 1, "batch": 64}},
        space={"train.learning_rate": (1e-3, 1e-2)},
        trials=2,
    )
    found = model.fit(train, valid, run)
    assert set(found.chosen) <= {"train.learning_rate"}
    own: Model = model._model({"train.learning_rate": 1e-2})
    assert own.options.train.learning_rate == 1e-2
    assert own.options.train.batch == 64


def test_wrong_options_are_told() -> None:
    with pytest.raises(StudyError, match="holds nothing; give low < high"):
        tuned(space={"ridge": {"low": 0.0, "high": 1.0, "log": True}})
    with pytest.raises(StudyError, match="'tuned' cannot be tuned"):
        tuned(model="tuned")
    with pytest.raises(StudyError, match="no value to choose from"):
        tuned(space={"rank": []})
    assert isinstance(TunedOptions(space=SPACE).space["ridge"], Range)


def test_an_unknown_option_is_told(run: RunContext) -> None:
    train, valid = halves(single_cells())
    with pytest.raises((StudyError, DataError), match="bilinear_ridge"):
        tuned(space={"no_such": (1, 2)}, trials=2).fit(train, valid, run)
