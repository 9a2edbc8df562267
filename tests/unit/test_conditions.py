"""Questions as vectors: order and number of components, dose, time, context, what is new."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.io.state import read_state, state_bytes
from cellula.models.learned.blocks.condition_encoder import ConditionEncoder
from cellula.models.learned.blocks.conditions import Conditions
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.training_cells import TrainingCells
from cellula.testing.examples import action_potentials, single_cells


def fitted(data: Dataset, run: RunContext) -> TrainingCells:
    return TrainingCells.of(data, None, 3, "toy", run)


def encoder_of(
    cells: TrainingCells, run: RunContext, *, uses_context: bool = True
) -> ConditionEncoder:
    with torch_scope(run, "encoder"):
        return ConditionEncoder(cells.conditions, 6, uses_context=uses_context).eval()


def vectors(
    encoder: ConditionEncoder, cells: TrainingCells, *labels: str, context: str = "type0"
) -> NDArray[np.float64]:
    queries = QueryTable.of(list(labels), [context] * len(labels))
    with torch.no_grad():
        batch = cells.conditions.encode(queries, cells.reference, cells.space)
        return np.asarray(encoder(batch).numpy(), np.float64)


def test_components_are_a_set_with_a_size(run: RunContext) -> None:
    cells = fitted(single_cells(), run)
    encoder = encoder_of(cells, run)
    ab, ba, a, aa = vectors(encoder, cells, "G0+G1", "G1+G0", "G0", "G0+G0")
    np.testing.assert_allclose(ab, ba, atol=1e-6)
    assert np.abs(ab - a).max() > 1e-3
    assert np.isfinite(aa).all()


def test_an_answer_does_not_depend_on_the_longest_combination_beside_it(run: RunContext) -> None:
    cells = fitted(single_cells(), run)
    encoder = encoder_of(cells, run)
    alone = vectors(encoder, cells, "G0")
    beside = vectors(encoder, cells, "G0", "G0+G1", "G0+G1+G2")
    np.testing.assert_allclose(alone[0], beside[0], atol=1e-6)


def test_a_control_has_no_components_and_a_finite_gradient(run: RunContext) -> None:
    cells = fitted(single_cells(), run)
    encoder = encoder_of(cells, run)
    queries = QueryTable.of(["control", "G0"], ["type0", "type1"])
    batch = cells.conditions.encode(queries, cells.reference, cells.space)
    assert batch.is_there.tolist() == [[False], [True]]
    torch.autograd.backward(encoder(batch).square().sum())
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_a_new_component_is_known_by_its_features_alone(run: RunContext) -> None:
    data = single_cells()
    is_held = np.asarray(data.labels("perturbation") == "G4")
    cells = fitted(data.take(~is_held), run)
    queries = QueryTable.of(["G4", "G3", "never"], ["type0"] * 3)
    batch = cells.conditions.encode(queries, cells.reference, cells.space)
    assert batch.ids[:, 0].tolist()[0] == 0
    assert batch.ids[1, 0] > 0
    assert batch.vectors[0].abs().max() > 0
    assert batch.vectors[2].abs().max() == 0
    inside = cells.conditions.in_domain(queries, cells.reference)
    assert inside[1]
    assert not inside[2]


def test_context_is_used_or_not(run: RunContext) -> None:
    cells = fitted(single_cells(), run)
    for uses_context in (True, False):
        encoder = encoder_of(cells, run, uses_context=uses_context)
        one, two = (vectors(encoder, cells, "G0", context=name) for name in ("type0", "type1"))
        assert np.array_equal(one, two) is not uses_context


def ask(dose: float | None, time_s: float | None = None) -> QueryTable:
    return QueryTable.of(
        ["verapamil"],
        ["ventricular"],
        dose_molar=None if dose is None else [dose],
        time_s=None if time_s is None else [time_s],
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ask(1e-7), True),
        (ask(3e-8), True),  # between two doses of training
        (ask(1e-6), True),
        (ask(1e-4), False),  # a hundred times the greatest
        (ask(1e-12), False),
        (ask(None), False),  # training had doses
        (ask(1e-7, 3600.0), False),  # training had no times
    ],
)
def test_a_dose_beyond_those_of_training_is_out_of_domain(
    run: RunContext, asked: QueryTable, expected: bool
) -> None:
    cells = fitted(action_potentials(), run)
    assert cells.conditions.in_domain(asked, cells.reference).tolist() == [expected]
    batch = cells.conditions.encode(asked, cells.reference, cells.space)
    assert torch.isfinite(batch.numbers).all()
    assert bool(batch.numbers[0, 1]) is (asked.dose_molar is not None)


def test_a_state_gives_the_same_tensors(run: RunContext) -> None:
    for data in (single_cells(), action_potentials()):
        cells = fitted(data, run)
        state = read_state(state_bytes(cells.conditions.state()))
        restored = Conditions.restore(state.arrays, state.meta)
        queries = data.queries()
        one, two = (
            made.encode(queries, cells.reference, cells.space)
            for made in (cells.conditions, restored)
        )
        for name in ("vectors", "ids", "is_there", "numbers", "context"):
            assert torch.equal(getattr(one, name), getattr(two, name))
        np.testing.assert_array_equal(
            restored.in_domain(queries, cells.reference),
            cells.conditions.in_domain(queries, cells.reference),
        )
