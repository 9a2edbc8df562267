"""A pass takes from every question alike."""

from __future__ import annotations

import numpy as np
import torch

from cellula.models.learned.blocks.question_batches import QuestionBatches, drawn_rows


def batches(seed: int = 0) -> QuestionBatches:
    question = torch.from_numpy(np.repeat([0, 1, 2, 3], [200, 5, 40, 55]))
    return QuestionBatches.of(question, np.array([0, 1, 3]), 20, 40, seed)


def test_every_question_is_drawn_alike_and_those_not_asked_never() -> None:
    drawn = torch.cat([batch.question for batch in batches().epoch(0)]).numpy()
    counts = np.bincount(drawn, minlength=4)
    assert counts[2] == 0
    assert counts[[0, 1, 3]].max() - counts[[0, 1, 3]].min() <= 1
    assert 20 * len(drawn) >= 260


def test_rows_belong_to_their_question_and_repeat_only_where_there_are_few() -> None:
    bounds = {0: (0, 200), 1: (200, 205), 3: (245, 300)}
    for batch in batches().epoch(1):
        for question, rows in zip(batch.question.tolist(), batch.rows.numpy(), strict=True):
            first, stop = bounds[question]
            assert ((rows >= first) & (rows < stop)).all()
            assert question == 1 or len(set(rows)) == len(rows)


def test_a_pass_is_the_same_for_its_number_and_another_for_another() -> None:
    one, again, other = (
        torch.cat([batch.rows.ravel() for batch in batches().epoch(number)]) for number in (2, 2, 3)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_few_rows_are_drawn_with_replacement() -> None:
    rows = drawn_rows(torch.tensor([7, 9]), 10, torch.Generator().manual_seed(0))
    assert set(rows.tolist()) == {7, 9}
