"""Answers by moved control cells: the same for the same question, flagged where cells are few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks import moved
from cellula.models.learned.blocks.moved import MovedCells
from cellula.testing.examples import action_potentials, single_cells

N_CELLS = 20


def answers_of(data: Dataset, n_cells: int = N_CELLS) -> MovedCells:
    return MovedCells(Answer.of(data, Reference.of([data]), n_cells))


def half_up(
    query: QueryTable,
    reference: Reference,
    cells: NDArray[np.float64],
    rng: np.random.Generator,
    run: RunContext,
) -> NDArray[np.float64]:
    """Every cell rises by .5, and a little by chance."""
    return 0.5 + 0.01 * rng.normal(size=cells.shape)


def everywhere(queries: QueryTable, reference: Reference) -> NDArray[np.bool_]:
    return np.ones(len(queries), bool)


def answered(
    data: Dataset,
    control: Dataset | None,
    run: RunContext,
    *asked: tuple[str, str],
    move: Callable[..., Any] = half_up,
    n_cells: int = N_CELLS,
) -> list[Prediction]:
    queries = QueryTable.of([one for one, _ in asked], [context for _, context in asked])
    answers = answers_of(data, n_cells)
    return list(answers.stream(queries, move, everywhere, control, run))


def test_cells_move_by_their_change_and_a_control_stays(run: RunContext) -> None:
    data = single_cells(n_cells=40)
    reference = Reference.of([data])
    assert reference is not None
    treated, control = answered(data, data, run, ("G0", "type1"), ("control", "type1"))
    np.testing.assert_allclose(treated.mean[0], reference.means[1] + 0.5, atol=0.02)
    np.testing.assert_array_equal(control.mean[0], reference.means[1])
    assert treated.cells is not None
    cells = treated.cells.of(0)
    assert len(cells) == N_CELLS
    assert cells.std(axis=0).min() > 0
    assert abs(cells.mean() - treated.mean.mean()) < 0.25


def test_the_same_question_is_asked_once_and_answered_twice(run: RunContext) -> None:
    data = single_cells()
    asked: list[str] = []

    def counted(query: QueryTable, *rest: Any) -> Any:
        asked.append(str(query.perturbation[0]))
        return half_up(query, *rest)

    rows = [("G1", "type0"), ("G0", "type0"), ("G1", "type0")]
    found = answered(data, data, run, *rows, move=counted)
    assert sorted(asked) == ["G0", "G1"]
    assert [str(one.queries.perturbation[0]) for one in found] == ["G1", "G0", "G1"]
    np.testing.assert_array_equal(found[0].mean, found[2].mean)
    alone = answered(data, data, run, ("G1", "type0"))[0]
    np.testing.assert_array_equal(found[0].mean, alone.mean)


def test_questions_are_answered_in_parts_of_bounded_size(
    run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = single_cells()
    seen: list[str] = []

    def counted(query: QueryTable, *rest: Any) -> Any:
        seen.append(str(query.perturbation[0]))
        return half_up(query, *rest)

    monkeypatch.setattr(moved, "MAX_VALUES", 1)
    labels = QueryTable.of(["G0", "G1", "G2"], ["type0"] * 3)
    stream = answers_of(data).stream(labels, counted, everywhere, data, run)
    next(stream)
    assert seen == ["G0"]


def test_a_label_of_controls_and_of_treatments_is_a_treatment(run: RunContext) -> None:
    """At dose 0 a compound may be its own control; at another it is none."""
    data = action_potentials()
    obs = data.obs.assign(perturbation="dofetilide")
    data.data.obs = obs
    queries = QueryTable.of(["dofetilide"], ["ventricular"], dose_molar=[1e-6])
    answers = answers_of(data)
    (found,) = answers.stream(queries, half_up, everywhere, data.controls, run)
    reference = Reference.of([data])
    assert reference is not None
    assert found.mean[0, 0] - reference.means[0, 0] == pytest.approx(0.5, abs=0.1)


def test_a_context_with_few_or_no_controls_is_out_of_domain(run: RunContext) -> None:
    data = single_cells()
    context = np.asarray(data.labels("context").astype(str))
    of_zero = np.flatnonzero(data.is_control & (context == "type0"))
    rest = np.flatnonzero(data.is_control & (context == "type1"))
    few = data.take(np.concatenate([of_zero[:5], rest]))
    zero, one, never = answered(data, few, run, ("G0", "type0"), ("G0", "type1"), ("G0", "never"))
    assert not zero.in_domain[0]
    assert one.in_domain[0]
    assert not never.in_domain[0]
    assert zero.cells is not None
    assert len(zero.cells.of(0)) > 1


def test_controls_that_do_not_fit_are_refused(run: RunContext) -> None:
    data = single_cells()
    with pytest.raises(DataError, match="was given none; hand over the control profiles"):
        answered(data, None, run, ("G0", "type0"))
    with pytest.raises(DataError, match="5 readouts of log1p; the model was fitted on 8"):
        answered(data, single_cells(n_readouts=5), run, ("G0", "type0"))
    with pytest.raises(DataError, match="none is one"):
        answered(data, data.treated, run, ("G0", "type0"))
    with pytest.raises(DataError, match="3 readouts of quantity"):
        answered(data, action_potentials(), run, ("G0", "type0"))


def test_without_populations_the_mean_is_the_same_kind(run: RunContext) -> None:
    data = single_cells()
    (found,) = answered(data, data, run, ("G0", "type0"), n_cells=0)
    assert found.cells is None
    assert np.isfinite(found.mean).all()


def test_a_state_answers_alike(run: RunContext) -> None:
    data = single_cells()
    state = answers_of(data).state()
    restored = MovedCells.restore(state.arrays, state.meta)
    queries = QueryTable.of(["G0"], ["type0"])
    (one,) = answers_of(data).stream(queries, half_up, everywhere, data, run)
    (two,) = restored.stream(queries, half_up, everywhere, data, run)
    np.testing.assert_array_equal(one.mean, two.mean)
