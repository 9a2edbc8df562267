"""Flow matching: what optimal transport pairs, a base, a share and a cell's own state are for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.kernels.energy import energy_distance
from cellula.models.baselines.reference import Reference
from cellula.testing.examples import ic50_table

FAST = {"epochs": 40, "batch": 128}


def dataset(
    values: NDArray[np.float64], perturbation: list[str], context: list[str] | None = None
) -> Dataset:
    """Cells of real-valued readouts; those called control are controls."""
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(perturbation),
            "context": pd.Categorical(context or ["one"] * len(values)),
            "is_control": np.array(perturbation) == "control",
        },
        index=[f"cell{i}" for i in range(len(values))],
    )
    names = pd.DataFrame(index=[f"gene{i}" for i in range(values.shape[1])])
    return Dataset(AnnData(values, obs=obs, var=names), ValueType.LOG2)


def two_modes(n: int, seed: int) -> tuple[Dataset, NDArray[np.float64], NDArray[np.float64]]:
    """Cells left and right; a drug moves those left up and those right down.

    Returns the data, the controls (n, 2) and how each would move (n, 2).
    """
    rng = np.random.default_rng(seed)
    side = rng.choice([-1.0, 1.0], (2, n))
    cells = np.stack([3.0 * side, np.zeros((2, n))], axis=2) + 0.3 * rng.normal(size=(2, n, 2))
    cells[1, :, 1] -= 2.0 * side[1]
    truth = np.stack([np.zeros(n), -2.0 * side[0]], axis=1)
    labels = ["control"] * n + ["drug"] * n
    return dataset(cells.reshape(2 * n, 2), labels), cells[0], truth


def moved(
    data: Dataset, cells: NDArray[np.float64], run: RunContext, **options: Any
) -> NDArray[np.float64]:
    """How a flow fitted on the data moves cells under the first perturbation."""
    fitted = create("model", "flow_matching", options).fit(data, None, run)
    reference = Reference.of([data])
    query = data.treated.queries().take(slice(0, 1))
    return np.asarray(
        fitted.move(query, reference, cells, np.random.default_rng(0), run), np.float64
    )


@pytest.mark.requirement("K12")
@pytest.mark.parametrize("steps", [1, 10])
def test_only_transport_pairs_tell_which_cell_went_where(run: RunContext, steps: int) -> None:
    data, cells, truth = two_modes(300, 0)
    error = {}
    for pairing in ("ot", "random"):
        change = moved(
            data, cells, run, base="none", pairing=pairing, steps=steps, width=32, train=FAST
        )
        error[pairing] = float(np.sqrt(((change - truth) ** 2).sum(axis=1).mean()))
    assert error["ot"] < 0.7
    assert error["random"] > 2.5  # cells cross to the other side, or meet in the middle


@pytest.mark.requirement("K12")
def test_the_flow_recovers_what_a_base_cannot_say_of_single_cells(run: RunContext) -> None:
    """Of four contexts, half the cells of each respond; a base moves all by half."""
    rng = np.random.default_rng(3)
    parts, perturbation, context = [], [], []
    for number in range(5):
        state = rng.choice([0.0, 1.0], (2, 80))
        cells = rng.normal(size=(2, 80, 4)) * 0.3
        cells[..., 0] += 2.0 * state
        cells[..., 1] += 0.2 * number
        cells[1, :, 2] += 3.0 * state[1]
        parts.append(cells.reshape(160, 4))
        perturbation += ["control"] * 80 + ["drug"] * 80
        context += [f"type{number}"] * 160
    data = dataset(np.concatenate(parts), perturbation, context)
    is_new = np.asarray(data.labels("context")) == "type4"
    known, new = data.take(~is_new), data.take(is_new)
    fitted = create("model", "flow_matching", {"width": 32, "train": FAST}).fit(known, None, run)
    cells, observed = new.controls.dense(), new.treated.dense()  # type: ignore[union-attr]
    query, reference = new.treated.queries().take(slice(0, 1)), Reference.of([new])
    assert reference is not None
    distance = {}
    for share in (0.0, 1.0):
        one = replace(fitted, share=share)
        change = one.move(query, reference, cells, np.random.default_rng(0), run)
        distance[share] = energy_distance(cells + change, observed)
    assert distance[1.0] < 0.3 * distance[0.0]


def test_the_share_is_tuned_to_nothing_where_nothing_is_left(run: RunContext) -> None:
    """Every context responds by the same shift, so the base says all; noise is not learned."""
    rng = np.random.default_rng(4)
    parts, perturbation, context = [], [], []
    for number in range(4):
        cells = rng.normal(size=(2, 40, 6)) + number
        cells[1, :, :3] += 1.0
        parts.append(cells.reshape(80, 6))
        perturbation += ["control"] * 40 + ["drug"] * 40
        context += [f"type{number}"] * 80
    data = dataset(np.concatenate(parts), perturbation, context)
    is_valid = np.asarray(data.labels("context")) == "type3"
    options = {"width": 32, "train": FAST}
    model = create("model", "flow_matching", options)
    fitted = model.fit(data.take(~is_valid), data.take(is_valid), run)
    assert fitted.share <= 0.25


def test_without_controls_it_names_itself(run: RunContext) -> None:
    with pytest.raises(DataError, match="flow_matching"):
        create("model", "flow_matching").fit(ic50_table(), None, run)
