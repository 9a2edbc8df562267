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
from cellula.models.learned.blocks.checkpoint import fingerprint
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.latent import LatentSpace

__all__ = ["TrainingCells", "question_rows", "require_enough"]

#: Fewer treated or control profiles than this teach a network nothing.
FEWEST = 10


@dataclass(frozen=True, slots=True)
class TrainingCells:
    """Treated and control cells of training and validation, in principal components.

    space, conditions: fitted on both parts, or on the first alone; reference: the controls of
    both; bulk: the responses of both; batch: the distinct questions, one a group of ``bulk``;
    treated: (cells, dimensions); question: (cells,) row of
    ``batch``; is_valid: (cells,) which treated cells are of the validation part; control:
    (controls, dimensions); of_context: (questions, 2) where the controls of a question's context
    begin and end; seed: of the order of batches.
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
        cls,
        data: Dataset,
        valid: Dataset | None,
        dimensions: int,
        model: str,
        run: RunContext,
        *,
        knows_valid: bool = True,
    ) -> TrainingCells:
        """From the two parts of a training set, in memory or on disk; ``model`` stands in errors.

        knows_valid: whether the space and the conditions are fitted on the validation part too.
        Where False, what is new in that part is as new to the conditions as a held-out question
        will be, which is what an error by which training stops must ask.

        Raises DataError, naming the model, without controls or with fewer than 10 profiles.
        """
        bulk, _, both, reference = train_and_valid(data, valid)
        if reference is None:
            raise DataError(
                f"the model {model!r} moves control cells and these data have no control; name "
                "the column that marks them in the role is_control"
            )
        parts = [data] if valid is None else [data, valid]
        require_enough(parts, model)
        rng = run.child("cells").rng
        also = valid if knows_valid else None
        space = LatentSpace.of(data, dimensions, rng, also=also)
        conditions = Conditions.of(data, both if knows_valid else bulk, reference, space)
        rows = [np.flatnonzero(~part.is_control) for part in parts]
        treated = [space.encode_rows(part, own) for part, own in zip(parts, rows, strict=True)]
        queries = both.queries()
        place = [question_rows(part, both) for part in parts]
        control, bounds = _controls(parts, reference, space)
        context = label_positions(queries.context, reference.contexts)
        return cls(
            space,
            conditions,
            reference,
            both,
            conditions.encode(queries, reference, space),
            torch.from_numpy(np.concatenate(treated)).float(),
            torch.from_numpy(np.concatenate(place)),
            torch.from_numpy(np.repeat([False, True][: len(parts)], [len(p) for p in place])),
            control,
            torch.from_numpy(np.stack([bounds[context], bounds[context + 1]], axis=1)),
            int(rng.integers(2**62)),
        )

    def digest(self) -> str:
        """SHA-256 of the tensors, for the ``inputs`` of a training."""
        own = self.treated, self.question, self.is_valid, self.control, self.of_context
        return fingerprint(*own, self.batch, self.seed)

    def paired_controls(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """For every treated cell a control of its context at random: positions (rows,)."""
        bounds = self.of_context[self.question[rows]]
        share = torch.rand(len(rows), generator=generator, dtype=torch.float64)
        return bounds[:, 0] + (share * (bounds[:, 1] - bounds[:, 0])).long()


def require_enough(parts: Sequence[Dataset], model: str, *, moves_cells: bool = True) -> None:
    """Raise DataError where there is hardly anything to learn from.

    moves_cells: control profiles are counted too; a model of means can do with few.
    """
    n_control = sum(int(part.is_control.sum()) for part in parts)
    n_treated = int((~parts[0].is_control).sum())
    counted = ((n_treated, "treated"), (n_control, "control"))
    for number, what in counted if moves_cells else counted[:1]:
        if number < FEWEST:
            raise DataError(
                f"the model {model!r} was given {number} {what} profiles to train on; it takes "
                f"{FEWEST} at least: give more, or use a model of means such as mean_response"
            )


def question_rows(part: Dataset, bulk: Pseudobulk) -> NDArray[np.int64]:
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
    """The controls, context after context as in ``reference``, and where each begins and ends."""
    coordinates, places = [], []
    for part in parts:
        rows = np.flatnonzero(part.is_control)
        labels = part.queries().context[rows]
        places.append(label_positions(labels, reference.contexts))
        coordinates.append(space.encode_rows(part, rows))
    place = np.concatenate(places)
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(reference.contexts) + 1))
    return torch.from_numpy(np.concatenate(coordinates)[order]).float(), bounds
