"""Batches of whole questions: some cells of each of a few questions, every question alike often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["QuestionBatch", "QuestionBatches", "drawn_rows"]


@dataclass(frozen=True, slots=True)
class QuestionBatch:
    """question: (questions,) distinct within a pass; rows: (questions, cells) of each."""

    question: Tensor
    rows: Tensor


@dataclass(frozen=True, slots=True)
class QuestionBatches:
    """A pass takes as many cells as there are, from every question equally many.

    A question of many cells does not drown another: a model must answer questions, not cells.
    questions: their numbers; rows: of each its cells; cells: how many are drawn of a question at a
    time, with replacement where it has fewer; size: cells of a batch; seed: of all draws.
    """

    questions: NDArray[np.int64]
    rows: tuple[Tensor, ...]
    cells: int
    size: int
    seed: int

    @classmethod
    def of(
        cls, question: Tensor, asked: NDArray[np.int64], cells: int, size: int, seed: int
    ) -> QuestionBatches:
        """question: (cells,) the question of every cell; asked: which questions take part."""
        order = torch.argsort(question, stable=True)
        bounds = torch.searchsorted(question[order], torch.from_numpy(asked))
        ends = torch.searchsorted(question[order], torch.from_numpy(asked), right=True)
        rows = [order[a:b] for a, b in zip(bounds.tolist(), ends.tolist(), strict=True)]
        kept = [i for i, own in enumerate(rows) if len(own)]
        return cls(asked[kept], tuple(rows[i] for i in kept), cells, size, seed)

    def epoch(self, number: int) -> Iterator[QuestionBatch]:
        """The batches of one pass, the same for the same number."""
        generator = torch.Generator().manual_seed((self.seed + 1_000_003 * number) % 2**63)
        at_once = max(1, min(len(self.rows), self.size // self.cells))
        left = sum(map(len, self.rows))
        while left > 0:
            order = torch.randperm(len(self.rows), generator=generator)
            for chosen in torch.split(order, at_once):
                if left <= 0:
                    return
                picked = [drawn_rows(self.rows[i], self.cells, generator) for i in chosen.tolist()]
                numbers = torch.from_numpy(self.questions)[chosen]
                yield QuestionBatch(numbers, torch.stack(picked))
                left -= len(chosen) * self.cells


def drawn_rows(rows: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """So many of some rows (n,): distinct where there are as many, else with replacement."""
    if len(rows) >= n:
        return rows[torch.randperm(len(rows), generator=generator)[:n]]
    return rows[torch.randint(len(rows), (n,), generator=generator)]
