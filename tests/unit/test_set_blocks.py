"""Sets of cells, the base that a network adds to, and how far it is believed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from composition_example import CELLS, composition, parts

from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.base_effect import BaseEffect
from cellula.models.learned.blocks.cell_sets import CellSets, contexts_of_few
from cellula.models.learned.blocks.context_reach import ContextReach
from cellula.models.learned.blocks.set_training import LOSSES, SetTraining
from cellula.models.learned.blocks.trainer import TrainOptions
from cellula.models.learned.blocks.training_cells import TrainingCells
from cellula.testing.examples import single_cells


def sets(run: RunContext, size: int = 16) -> CellSets:
    train, valid, _ = parts(composition(10))
    return CellSets.of(TrainingCells.of(train, valid, 3, "test", run), size, "test")


def test_a_set_holds_each_cell_once_and_only_of_its_question(run: RunContext) -> None:
    own = sets(run)
    questions = own.questions()
    assert questions.tolist() == list(range(8))
    batch = own.draw(questions, torch.Generator().manual_seed(0))
    assert batch.control.shape == batch.observed.shape == (8, 16, 3)
    assert bool(batch.has_control.all())
    for question in questions.tolist():
        first, stop = own.cells.of_context[question].tolist()
        assert stop - first == CELLS
        pool = {tuple(row) for row in own.cells.control[first:stop].tolist()}
        seen = {tuple(row) for row in batch.control[question].tolist()}
        assert len(seen) == 16
        assert seen <= pool
        treated = own.cells.treated[own.cells.question == question]
        pool = {tuple(row) for row in treated.tolist()}
        assert {tuple(row) for row in batch.observed[question].tolist()} <= pool


def test_a_small_population_is_padded_and_the_padding_is_marked(run: RunContext) -> None:
    own = sets(run)
    batch = own.draw(own.questions(), torch.Generator().manual_seed(0), 100)
    assert batch.control.shape[1] == CELLS
    short = CellSets(own.cells, (own.treated[0][:5], *own.treated[1:]), 16)
    batch = short.draw(own.questions(), torch.Generator().manual_seed(0))
    assert batch.has_observed.sum(dim=1).tolist() == [5, *[16] * 7]
    assert float(batch.observed[0, 5:].abs().max()) == 0.0


def test_the_same_stream_draws_the_same_sets(run: RunContext) -> None:
    own = sets(run)
    one, two, other = (
        own.draw(own.questions(), torch.Generator().manual_seed(seed)).control for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_validation_questions_are_apart(run: RunContext) -> None:
    own = sets(run)
    known, held = own.questions(is_valid=False), own.questions(is_valid=True)
    assert sorted([*known.tolist(), *held.tolist()]) == list(range(8))
    assert held.tolist() == [3, 7]
    assert torch.bincount(own.repeated(known, 1)).tolist() == [4, 4, 4, 0, 4, 4, 4]
    assert len(own.repeated(known, 50)) == 72


def test_a_shortened_schedule_learns_as_much(run: RunContext) -> None:
    options = TrainOptions(epochs=40)
    training = SetTraining(sets(run), torch.zeros(8, 3), LOSSES["energy"], 1, options)
    assert training.as_long(39) == 40
    assert training.as_long(0) == 2
    rates = 0.5 * (1 + np.cos(np.pi * np.arange(40) / 40))
    assert training.as_long(9) / 2 == pytest.approx(rates[:10].sum(), abs=0.5)


def test_noise_is_how_far_samples_of_one_context_are_apart(run: RunContext) -> None:
    """In the units of the latent space; 60 cells of variances 2.1, 1 and 1."""
    own = sets(run)
    wanted = 2 * (2.1 + 1.0 + 1.0) / CELLS / own.cells.space.scale**2
    assert own.noise() == pytest.approx(wanted, rel=0.1)


def test_contexts_of_few_controls_are_named() -> None:
    data = single_cells()
    codes = np.asarray(data.labels("context").codes)
    assert contexts_of_few(data) == ()
    some = data.take(data.is_control & ((codes == 1) | (np.cumsum(codes == 0) <= 9)))
    assert contexts_of_few(some) == ("type0",)


def test_the_base_tells_of_no_group_by_itself() -> None:
    """Two contexts: the mean of both. One: that of all perturbations, and so for a new one."""
    data = single_cells()
    _, _, bulk, _ = train_and_valid(data, None)
    effects, asked = bulk.effects(), QueryTable.of(["G0", "new"], ["type0", "type0"])
    both = BaseEffect.of(bulk).effects(asked)
    np.testing.assert_allclose(both, [effects[0], effects.mean(axis=0)])
    codes = np.asarray(data.labels("context").codes)
    is_g0 = np.asarray(data.labels("perturbation").astype(str)) == "G0"
    _, _, lone, _ = train_and_valid(data.take(~is_g0 | (codes == 0)), None)
    alone = BaseEffect.of(lone).effects(asked)
    np.testing.assert_allclose(alone[0], alone[1])
    np.testing.assert_allclose(alone[1], lone.effects().mean(axis=0))
    assert not BaseEffect.of(bulk, is_used=False).effects(asked).any()


def test_the_mean_over_doses_stands_for_a_dose_in_one_context(run: RunContext) -> None:
    from cellula.testing.examples import action_potentials

    _, _, bulk, _ = train_and_valid(action_potentials(), None)
    asked = QueryTable.of(["verapamil"], ["ventricular"], dose_molar=[1e-7])
    own = bulk.treatments.perturbation == bulk.treatments.perturbations.index("verapamil")
    wanted = bulk.effects()[own].mean(axis=0)
    np.testing.assert_allclose(BaseEffect.of(bulk).effects(asked)[0], wanted)


def test_reach_is_the_largest_gap_between_contexts() -> None:
    reach = ContextReach.of(np.array([[0.0, 0.0], [0.0, 1.0], [3.0, 1.0]]), 0.0)
    assert reach.limit == 3.0
    asked = np.array([[0.0, 0.5], [6.0, 1.0], [9.0, 1.0], [15.0, 1.0]])
    np.testing.assert_allclose(reach.share(asked), [1.0, 1.0, 0.5, 0.25])
    assert reach.contains(asked).tolist() == [True, True, False, False]
    assert ContextReach.of(reach.means, 16.0).limit == 5.0
    lone = ContextReach.of(np.zeros((1, 2)), 0.0)
    assert lone.share(asked).tolist() == [1.0] * 4
    assert ContextReach.restore(*_parts(reach)).share(asked)[2] == 0.5


def _parts(reach: ContextReach):  # type: ignore[no-untyped-def]
    state = reach.state()
    return state.arrays, state.meta


def test_no_population_is_an_error(run: RunContext) -> None:
    data = composition(4).take(np.arange(4 * 2 * CELLS) % 12 == 0)
    with pytest.raises(DataError, match="'test' moves whole sets of control cells"):
        CellSets.of(TrainingCells.of(data, None, 3, "test", run), 16, "test")
