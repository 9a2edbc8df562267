"""The transform kit passes a correct toy and catches every fault planted in it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np
import pandas as pd
import pytest

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Options, State
from cellula.core.run import RunContext
from cellula.core.transform import FittedTransform
from cellula.core.value_type import ValueType
from cellula.testing import NotConformant, TransformConformance


class ToyOptions(Options):
    fault: str = ""


@final
class FittedToy:
    """Takes the mean of every batch away."""

    def __init__(self, means: pd.DataFrame, fault: str) -> None:
        self.means, self.fault = means, fault

    def apply(self, data: Dataset) -> Dataset:
        batch = data.labels("batch").astype(str)
        strange = sorted(set(batch) - set(self.means.index))
        if strange and self.fault == "mute":
            raise DataError("a batch is unknown")
        if strange and self.fault != "fragile":
            raise DataError(f"batch {strange[0]!r} was not in the training")
        copy = data.data if self.fault == "in_place" else data.data.copy()
        copy.X = data.dense() - self.means.loc[list(batch)].to_numpy()
        if self.fault == "reversed":
            copy = copy[::-1].copy()
        return replace(data, data=copy, value_type=ValueType.QUANTITY)

    def state(self) -> State:
        meta = {"batches": list(self.means.index)}
        values = self.means.to_numpy()
        return State({"means": values.round(3) if self.fault == "state" else values}, meta)


@final
class Toy:
    name: ClassVar[str] = "toy"
    options_type: ClassVar[type[Options]] = ToyOptions
    references: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: ToyOptions) -> None:
        self.options = options

    def fit(self, data: Dataset, run: RunContext) -> FittedTransform:
        if self.options.fault == "refuses_all":
            raise DataError("not for me")
        means = pd.DataFrame(data.dense()).groupby(np.asarray(data.role("batch"), str)).mean()
        if self.options.fault == "clock":
            means += np.random.default_rng().normal()
        if self.options.fault == "moves_data":
            data.obs["seen"] = 1
        return FittedToy(means, self.options.fault)

    def restore(self, state: State) -> FittedTransform:
        means = pd.DataFrame(state.arrays["means"], state.meta["batches"])
        return FittedToy(means, self.options.fault)


@pytest.mark.requirement("D3")
def test_a_correct_transform_passes(run: RunContext) -> None:
    TransformConformance(Toy).check(run)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("refuses_all", "accepts one of the shapes"),
        ("moves_data", "data is left as it was"),
        ("in_place", "data is left as it was"),
        ("reversed", "same profiles in the same order"),
        ("clock", "same seed"),
        ("state", "restored"),
        ("fragile", "strange batch gave KeyError"),
        ("mute", "names the batch"),
    ],
)
def test_a_planted_fault_is_caught(fault: str, rule: str, run: RunContext) -> None:
    with pytest.raises(NotConformant, match=rule):
        TransformConformance(Toy, {"fault": fault}).check(run)
