"""The cells that a learned model is trained on, in a latent space, with their questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.latent import LatentSpace

__all__ = ["TrainingCells"]

#: Cells that are dense together.
BLOCK = 4096


@dataclass(frozen=True, slots=True)
class TrainingCells:
    """Treated and control cells of training and validation, in principal components.

    space, conditions, reference, bulk: fitted on both parts; batch: the distinct questions, one a
    group of ``bulk``; treated: (cells, dimensions); question: (cells,) row of ``batch``; is_valid:
    (cells,) which treated cells are of the validation part; control: (controls, dimensions);
    of_context: (questions, 2) where the controls of a question's context begin and end; seed: of
    the order of batches.
    """

    space: LatentSpace
    conditions: Conditions
    reference: Reference
    bulk: Pseudobulk
    batch: ConditionBatch
    treated: Tensor
    question: Tensor
    is_valid: Tensor
    control: Tensor
    of_context: Tensor
    seed: int

    @classmethod
    def of(
        cls, data: Dataset, valid: Dataset | None, dimensions: int, model: str, run: RunContext
    ) -> TrainingCells:
        """From the two parts of a training set; ``model`` is named in errors.

        Raises DataError, naming the model, without controls.
        """
        _, _, bulk, reference = train_and_valid(data, valid)
        if reference is None:
            raise DataError(
                f"the model {model!r} moves control cells and these data have no control; name "
                "the column that marks them in the role is_control"
            )
        rng = run.child("cells").rng
        space = LatentSpace.of(data, dimensions, rng, valid)
        conditions = Conditions.of(data, bulk, reference, space)
        parts = [data] if valid is None else [data, valid]
        treated = [_coordinates(part, ~part.is_control, space) for part in parts]
        queries = bulk.queries()
        place = [_places(part, bulk) for part in parts]
        control, bounds = _controls(parts, reference, space)
        context = label_positions(queries.context, reference.contexts)
        return cls(
            space,
            conditions,
            reference,
            bulk,
            conditions.encode(queries, reference, space),
            torch.cat(treated),
            torch.from_numpy(np.concatenate(place)),
            torch.from_numpy(np.repeat([False, True][: len(parts)], [len(p) for p in place])),
            control,
            torch.from_numpy(np.stack([bounds[context], bounds[context + 1]], axis=1)),
            int(rng.integers(2**62)),
        )

    def paired_controls(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """For every treated cell a control of its context at random: positions (rows,)."""
        bounds = self.of_context[self.question[rows]]
        share = torch.rand(len(rows), generator=generator, dtype=torch.float64)
        return bounds[:, 0] + (share * (bounds[:, 1] - bounds[:, 0])).long()


def _coordinates(part: Dataset, is_taken: NDArray[np.bool_], space: LatentSpace) -> Tensor:
    rows = np.flatnonzero(is_taken)
    blocks = [
        space.encode(part.dense(rows[start : start + BLOCK]))
        for start in range(0, len(rows), BLOCK)
    ]
    found = np.concatenate(blocks) if blocks else np.zeros((0, space.n_dimensions))
    return torch.from_numpy(found).float()


def _places(part: Dataset, bulk: Pseudobulk) -> NDArray[np.int64]:
    """The row of ``bulk`` of every treated profile of a part."""
    queries = part.queries().take(~part.is_control)
    treatment = bulk.treatments.positions(queries)
    context = label_positions(queries.context, bulk.contexts)
    row_of = np.full((len(bulk.treatments), len(bulk.contexts)), -1, np.int64)
    row_of[bulk.treatment, bulk.context] = np.arange(len(bulk.values))
    return np.asarray(row_of[treatment, context], np.int64)


def _controls(
    parts: Sequence[Dataset], reference: Reference, space: LatentSpace
) -> tuple[Tensor, NDArray[np.int64]]:
    """The controls, context after context as in ``reference``, and where each begins and ends.

    Of a context with controls in several parts those of the first are taken.
    """
    blocks: list[Tensor] = []
    bounds = np.zeros(len(reference.contexts) + 1, np.int64)
    places = [
        np.where(part.is_control, label_positions(part.queries().context, reference.contexts), -1)
        for part in parts
    ]
    for context in range(len(reference.contexts)):
        own = next(i for i, place in enumerate(places) if (place == context).any())
        blocks.append(_coordinates(parts[own], places[own] == context, space))
        bounds[context + 1] = bounds[context] + len(blocks[-1])
    return torch.cat(blocks), bounds
