"""The model kit passes a correct toy and catches every fault planted in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import pytest

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Fitted, Options, State
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.testing import ModelConformance, NotConformant
from cellula.testing.examples import single_cells

CELLS = 6


class ToyOptions(Options):
    fault: str = ""


class LooseOptions(Options):
    model_config = {"extra": "ignore", "frozen": True}
    fault: str = ""


@final
class FittedToy:
    """The mean of every perturbation; cells are controls moved to it."""

    def __init__(self, means: pd.DataFrame, value_type: ValueType, fault: str) -> None:
        self.means, self.value_type, self.fault = means, value_type, fault

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        if control is None and self.value_type is ValueType.LOG1P and self.fault != "no_control":
            raise DataError("log1p needs control cells; hand them over")
        if self.fault == "swapped":
            queries = queries.take(np.arange(len(queries))[::-1])
        if self.fault == "short":
            queries = queries.take(slice(0, len(queries) - 1))
        if self.fault == "moves_control" and control is not None:
            control.data.X = np.asarray(control.data.X) + 1
        for batch in queries.batches(50):
            yield self.answer(batch, control)

    def answer(self, batch: QueryTable, control: Dataset | None) -> Prediction:
        where = self.means.index.get_indexer(pd.Index(batch.perturbation.astype(str)))
        if (where < 0).any() and self.fault == "mute_refusal":
            raise DataError("no")
        mean = self.means.to_numpy()[where]
        mean[where < 0] = self.means.to_numpy().mean(axis=0)
        if self.fault == "batch":
            mean = mean + 1e-6 * mean.mean()
        known = where >= 0 if self.fault != "all_known" else np.ones(len(where), bool)
        readouts = tuple(self.means.columns)
        return Prediction(
            batch, readouts, self.value_type, mean, known, cells=self.cells(mean, control)
        )

    def cells(self, mean: Any, control: Dataset | None) -> Population | None:
        if control is None or self.fault == "no_cells":
            return None
        base = control.dense()[:CELLS]
        spread = 0 if self.fault == "point_mass" else base - base.mean(axis=0)
        values = (mean[:, None, :] + spread + np.zeros((1, CELLS, 1))).reshape(-1, mean.shape[1])
        return Population(values, np.repeat(np.arange(len(mean)), CELLS))

    def state(self) -> State:
        meta: dict[str, Any] = {
            "perturbations": list(self.means.index),
            "readouts": list(self.means.columns),
            "value_type": self.value_type.value,
        }
        if self.fault == "nan_meta":
            meta["loss"] = float("nan")
        values = self.means.to_numpy()
        return State(
            {"means": values.astype(object) if self.fault == "object_state" else values}, meta
        )


@final
class Toy:
    name: ClassVar[str] = "toy"
    options_type: ClassVar[type[Options]] = ToyOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset({ClaimKind.UNSEEN_PAIR}), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("ahlmanneltze2025",)

    def __init__(self, options: ToyOptions) -> None:
        self.options = options

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> Fitted:
        fault = self.options.fault
        if fault == "moves_data":
            train.data.obs["seen"] = 1
        if fault == "moves_layer" and "counts" in train.data.layers:
            train.data.layers["counts"] = train.data.layers["counts"] + 1
        frame = pd.DataFrame(train.dense(), columns=list(train.readouts))
        means = frame.groupby(np.asarray(train.labels("perturbation")).astype(str)).mean()
        if fault == "global_seed":
            means += np.random.normal(size=means.shape)  # noqa: NPY002 -- the planted fault
        if fault == "clock":
            means += np.random.default_rng().normal(size=means.shape)
        if fault == "threads":
            means += 1e-9 * run.threads
        if fault == "fragile":
            raise KeyError("gene7")
        if fault == "refuses_all":
            raise DataError("not for me")
        return FittedToy(means, train.value_type, fault)

    def restore(self, state: State) -> Fitted:
        means = pd.DataFrame(
            state.arrays["means"], state.meta["perturbations"], state.meta["readouts"]
        )
        if self.options.fault == "restore":
            means = means.round(3)
        return FittedToy(means, ValueType(state.meta["value_type"]), self.options.fault)


def test_a_correct_model_passes(run: RunContext) -> None:
    ModelConformance(Toy).check(run)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("moves_data", "train is left as it was"),
        ("moves_layer", "train is left as it was"),
        ("moves_control", "control is left as it was"),
        ("global_seed", "no global random state"),
        ("clock", "the same seed"),
        ("threads", "threads do not change"),
        ("swapped", "answers the queries in their order"),
        ("short", "every query is answered"),
        ("batch", "does not depend on the other queries"),
        ("all_known", "out of domain"),
        ("mute_refusal", "names the label"),
        ("object_state", "holds numbers"),
        ("nan_meta", "plain JSON"),
        ("restore", "restored model gives equal means"),
        ("no_control", "without any control it raises DataError"),
        ("no_cells", "it predicts cells"),
        ("point_mass", "no point mass"),
        ("refuses_all", "accepts one of the shapes"),
    ],
)
def test_a_planted_fault_is_caught(fault: str, rule: str, run: RunContext) -> None:
    kit = ModelConformance(Toy, {"fault": fault}, {"single_cells": single_cells()})
    with pytest.raises(NotConformant, match=rule):
        kit.check(run)


def test_an_error_that_is_no_refusal_comes_through(run: RunContext) -> None:
    with pytest.raises(KeyError, match="gene7"):
        ModelConformance(Toy, {"fault": "fragile"}).check(run)


@pytest.mark.parametrize(
    ("member", "value", "rule"),
    [
        ("options_type", LooseOptions, "refuse an unknown name"),
        ("references", ("two words",), "bibliography keys"),
        ("capabilities", Capabilities(frozenset()), "one kind of claim"),
        ("__final__", False, "@final"),
    ],
)
def test_a_wrong_declaration_is_caught(member: str, value: object, rule: str) -> None:
    wrong = type("Wrong", (), {**dict(vars(Toy)), member: value})
    with pytest.raises(NotConformant, match=rule):
        ModelConformance(wrong).check_declaration()


@pytest.mark.parametrize(
    "need", ["needs_structures", "needs_perturbation_features", "needs_features"]
)
def test_a_need_that_is_declared_and_not_asked_for_is_caught(need: str, run: RunContext) -> None:
    needs = Capabilities(frozenset({ClaimKind.UNSEEN_PAIR}), predicts_cells=True, **{need: True})
    needy = type("Toy", (), {**dict(vars(Toy)), "capabilities": needs})
    kit = ModelConformance(needy, {}, {"single_cells": single_cells()})
    with pytest.raises(NotConformant, match=r"missing .* are a DataError"):
        kit.check(run)


def test_a_missing_member_is_caught() -> None:
    members = {key: value for key, value in vars(Toy).items() if key != "restore"}
    with pytest.raises(NotConformant, match="every member of Model"):
        ModelConformance(type("Wrong", (), members)).check_declaration()
