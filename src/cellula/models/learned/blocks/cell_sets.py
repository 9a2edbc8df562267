"""Sets of cells for training: control cells of a question's context beside its observed cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.models.baselines.population import MIN_CELLS
from cellula.models.baselines.reference import control_rows
from cellula.models.learned.blocks.training_cells import TrainingCells

__all__ = ["CellSets", "SetBatch", "contexts_of_few"]


@dataclass(frozen=True, slots=True)
class SetBatch:
    """Pairs of sets, padded to one size.

    question: (sets,) rows of the training questions; control: (sets, n, dimensions) and observed:
    (sets, m, dimensions); has_control, has_observed: (sets, n), (sets, m) which rows are cells.
    """

    question: Tensor
    control: Tensor
    has_control: Tensor
    observed: Tensor
    has_observed: Tensor

    def to(self, device: torch.device) -> SetBatch:
        """The same on a device."""
        parts = self.question, self.control, self.has_control, self.observed, self.has_observed
        return SetBatch(*(part.to(device) for part in parts))


@dataclass(frozen=True, slots=True)
class CellSets:
    """Where sets come from.

    cells: all that training has; treated: for every question the positions of its observed cells;
    size: the most cells of a set.
    """

    cells: TrainingCells
    treated: tuple[Tensor, ...]
    size: int

    @classmethod
    def of(cls, cells: TrainingCells, size: int, model: str) -> CellSets:
        """Sets of training cells; ``model`` is named in errors.

        Raises DataError where no context has ten control cells.
        """
        n_controls = cells.of_context[:, 1] - cells.of_context[:, 0]
        if int(n_controls.max()) < MIN_CELLS:
            raise DataError(
                f"the model {model!r} moves whole sets of control cells and no context has more "
                f"than {int(n_controls.max())}; expected {MIN_CELLS} or more in one context at "
                "least: give single cells, or take a model of means such as 'mean_response'"
            )
        order = torch.argsort(cells.question, stable=True)
        counts = torch.bincount(cells.question, minlength=len(cells.of_context))
        return cls(cells, tuple(torch.split(order, counts.tolist())), size)

    def questions(self, *, is_valid: bool | None = None) -> Tensor:
        """The questions with observed cells and a set of controls: (questions,), ascending.

        is_valid: only those that the validation part has cells of, or only the others; None: both.
        """
        bounds = self.cells.of_context
        kept = (bounds[:, 1] - bounds[:, 0] >= MIN_CELLS) & torch.tensor(
            [len(rows) > 0 for rows in self.treated]
        )
        if is_valid is not None:
            part = torch.zeros(len(self.treated), dtype=torch.bool)
            part[self.cells.question[self.cells.is_valid]] = True
            kept &= part if is_valid else ~part
        return torch.nonzero(kept).reshape(-1)

    def noise(self) -> float:
        """The expected squared distance of the mean controls of two samples of one context.

        2 sum(variance) / n, the mean over contexts, in squared units of the latent space.
        """
        found: list[float] = []
        bounds: list[list[int]] = torch.unique(self.cells.of_context, dim=0).tolist()
        for first, stop in bounds:
            if stop - first > 1:
                variance = self.cells.control[first:stop].double().var(dim=0)
                found.append(2.0 * float(variance.sum()) / (stop - first))
        return sum(found) / len(found)

    def repeated(self, questions: Tensor, least: int) -> Tensor:
        """Every question as often as its cells fill a set, once at least: (sets of a pass,).

        All of them again and again until there are ``least`` sets.
        """
        times = torch.tensor([-(-len(self.treated[q]) // self.size) for q in questions.tolist()])
        again = max(1, -(-least // int(times.sum())))
        return torch.repeat_interleave(questions, times * again)

    def draw(
        self, questions: Tensor, generator: torch.Generator, size: int | None = None
    ) -> SetBatch:
        """A pair of sets for every question, each without repetition from what there is.

        size: the most cells of a set where it is not that of training.
        """
        most = self.size if size is None else size
        control, observed = [], []
        for question in questions.tolist():
            first, stop = self.cells.of_context[question].tolist()
            control.append(first + _drawn(stop - first, most, generator))
            rows = self.treated[question]
            observed.append(rows[_drawn(len(rows), most, generator)])
        return SetBatch(
            questions, *_padded(self.cells.control, control), *_padded(self.cells.treated, observed)
        )


def contexts_of_few(control: Dataset) -> tuple[str, ...]:
    """Contexts with fewer than ten control cells: a set of them is no population."""
    labels = control_rows(control).queries().context
    n_cells = np.bincount(np.asarray(labels.codes), minlength=len(labels.categories))
    return tuple(
        str(name) for name, n in zip(labels.categories, n_cells, strict=True) if n < MIN_CELLS
    )


def _drawn(n: int, most: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(n, generator=generator)[:most]


def _padded(cells: Tensor, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Sets of cells of one size, and which rows of each are cells."""
    place = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-1)
    is_there = place >= 0
    return cells[place.clamp_min(0)] * is_there.unsqueeze(2), is_there
