"""Exchangeable units whose errors grow with dose, and a model that predicts 0 for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.claim import ClaimKind
from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Fitted, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import compare

READOUTS = tuple(f"g{i}" for i in range(6))
#: Spread of every readout: what a band must not average over.
SCALES = np.array([0.1, 0.3, 1.0, 1.0, 3.0, 10.0])


def errors_of(doses: Any) -> Any:
    """Spread of a question: tenfold from 1 uM, where training is, to 1 mM."""
    return 10.0 ** ((np.log10(doses) + 6.0) / 3.0)


@dataclass(frozen=True)
class Zero:
    """Predicts 0; its own interval has the right shape and half the width."""

    has_spread: bool = True

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        for batch in queries.batches(50):
            mean = np.zeros((len(batch), len(READOUTS)))
            half = 0.5 * errors_of(batch.dose_molar)[:, None] * SCALES if self.has_spread else None
            yield Prediction(
                batch,
                READOUTS,
                ValueType.LN_IC50,
                mean,
                np.ones(len(batch), bool),
                None if half is None else -half,
                half,
            )

    def state(self) -> State:
        return State({"spread": np.array([self.has_spread])}, {"kind": "zero"})


class ZeroModel:
    """Fits and restores :class:`Zero`."""

    name: ClassVar[str] = "zero"
    options_type: ClassVar[type[Options]] = Options
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind))
    references: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Any) -> None:
        self.options = options

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> Fitted:
        return Zero()

    def restore(self, state: State) -> Fitted:
        return Zero(bool(state.arrays["spread"][0]))


def units(
    n_units: int, rng: np.random.Generator, *, start: int = 0, farthest: float = 3.0
) -> Dataset:
    """Units of one to three questions; doses from 1e-6 to 10^farthest times that."""
    rows: list[dict[str, Any]] = []
    values = []
    for unit in range(start, start + n_units):
        effect = rng.normal(size=len(READOUTS))
        for _ in range(int(rng.integers(1, 4))):
            dose = 1e-6 * 10.0 ** rng.uniform(0.0, farthest)
            rows.append({"perturbation": f"d{unit}", "context": "x", "dose_molar": dose})
            noise = 0.9 * effect + 0.44 * rng.normal(size=len(READOUTS))
            values.append(errors_of(dose) * SCALES * noise)
    obs = pd.DataFrame(rows, index=[f"s{start}_{i}" for i in range(len(rows))])
    data = AnnData(np.array(values), obs, pd.DataFrame(index=list(READOUTS)))
    return Dataset(data, ValueType.LN_IC50)


def held_out(data: Dataset, run: RunContext, fitted: Fitted | None = None) -> Comparison:
    """The units beside what a fitted model, by default :class:`Zero`, says of them."""
    answers = (fitted or Zero()).predict(data.queries(), None, run)
    return compare(data, answers, controls=None, unit="perturbation")


def is_inside(found: Comparison) -> Any:
    """Which values the interval holds: (groups, readouts)."""
    assert found.lower is not None
    assert found.upper is not None
    return (found.lower <= found.observed) & (found.observed <= found.upper)
