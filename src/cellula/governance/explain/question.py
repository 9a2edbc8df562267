"""What a carrying model reads to answer one question, as one row of named numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.reference import Reference, control_rows
from cellula.models.learned.blocks.conditions import ConditionBatch
from cellula.models.learned.blocks.mover import LatentMover

__all__ = ["Question", "question_of", "together"]

#: Control cells that are carried for an explanation.
MOST_CELLS = 32
#: What a question has beside genes and components.
NUMBERS = ("log10 dose", "log10 time")


@final
@dataclass(frozen=True, slots=True)
class Question:
    """One question to a fitted model, and what a neutral one would be.

    names: (features,) genes of the controls' mean profile; then of every component its presence
    and its features; dose and time. value: (features,); background: (contexts, features), nothing
    done to the mean control profile of every context of training; cells: (cells, dimensions)
    coordinates of control cells about their mean; begin: (1, dimensions) by how much a simple
    answer moves them first; condition: the question as tensors.
    """

    fitted: LatentMover
    names: tuple[str, ...]
    value: Tensor
    background: Tensor
    cells: Tensor
    begin: Tensor
    condition: ConditionBatch

    def change(self, rows: Tensor, readouts: Tensor) -> Tensor:
        """The predicted mean change of some readouts: (rows, readouts), differentiable.

        rows: (rows, features), each in place of ``value``: the control cells are shifted by as
        much as their mean profile is, and so is what the network is told of the context.
        """
        space, found = self.fitted.space, []
        begin = self.begin.to(rows)
        back = torch.from_numpy(space.components[:, readouts.numpy()]).to(rows) * space.scale
        for row in rows:
            genes, rest = row[: len(space.mean)], row[len(space.mean) :]
            start = self._coordinates(genes) + self.cells + begin
            moved = self.fitted.carry(start, self._condition(genes, rest)) - start
            found.append(moved.mean(dim=0) @ back)
        return torch.stack(found)

    def _coordinates(self, genes: Tensor) -> Tensor:
        space = self.fitted.space
        mean = torch.from_numpy(space.mean).to(genes)
        turned: Tensor = (genes - mean) @ torch.from_numpy(space.components.T).to(genes)
        return turned / space.scale

    def _condition(self, genes: Tensor, rest: Tensor) -> ConditionBatch:
        known, old = self.fitted.conditions, self.condition
        n_components, n_features = old.vectors.shape[1:]
        of_components = rest[: n_components * (1 + n_features)].view(1, n_components, -1)
        numbers = old.numbers.clone()
        numbers[0, [0, 2]] = rest[-2:]
        centre = torch.from_numpy(known.context_centre).to(genes)
        spread = torch.from_numpy(known.context_spread).to(genes)
        context = (self._coordinates(genes) - centre) / spread
        return replace(
            old,
            vectors=of_components[:, :, 1:],
            is_there=of_components[:, :, 0],
            numbers=numbers,
            context=context[None],
        )


def question_of(
    fitted: LatentMover, query: QueryTable, control: Dataset, rng: np.random.Generator
) -> Question:
    """One question (a table of one row) to a fitted model, with the controls of its context.

    At most 32 of them are carried, drawn by ``rng``. Raises DataError on another number of rows
    and where the context has no controls.
    """
    if len(query) != 1:
        raise DataError(f"{len(query)} questions; an explanation is of one")
    given = control_rows(control)
    labels = given.queries().context
    place = label_positions(query.context, [str(name) for name in labels.categories])[0]
    rows = np.flatnonzero(np.asarray(labels.codes) == place)
    reference = Reference.of([given])
    if place < 0 or not len(rows) or reference is None:
        raise DataError(
            f"no control profile of the context {query.context[0]!r} was given (there are "
            f"{', '.join(map(str, labels.categories[:5]))}); hand them over"
        )
    space, conditions = fitted.space, fitted.conditions
    condition = conditions.encode(query, reference, space)
    chosen = np.sort(rng.permutation(rows)[:MOST_CELLS])
    mean = reference.means[label_positions(query.context, reference.contexts)[0]]
    cells = space.encode(given.dense(chosen))
    of_components = torch.cat([condition.is_there[0, :, None].float(), condition.vectors[0]], 1)
    numbers = condition.numbers[0, [0, 2]]
    profiles = torch.from_numpy((fitted.answer.answer.reference or reference).means).float()
    nothing = torch.zeros(len(profiles), of_components.numel() + len(NUMBERS))
    return Question(
        fitted,
        (*fitted.answer.answer.readouts, *_names(query, conditions.features, of_components)),
        torch.cat([torch.from_numpy(mean).float(), of_components.flatten(), numbers]),
        torch.cat([profiles, nothing], dim=1),
        torch.from_numpy(cells - space.encode(mean[None])).float(),
        torch.from_numpy(fitted.begin(query, reference)).float(),
        condition,
    )


def _names(query: QueryTable, features: tuple[str, ...], of_components: Tensor) -> tuple[str, ...]:
    parts = components(str(query.perturbation[0]))
    n_features = of_components.shape[1] - 1
    told = features if len(features) == n_features else tuple(map(str, range(n_features)))
    return (
        *(
            name
            for part in parts
            for name in (part, *(f"{part}: {told[i]}" for i in range(n_features)))
        ),
        *NUMBERS,
    )


def together(one: Question, other: Question) -> tuple[Question, Question]:
    """Two questions to one model made of the same features, for a contrast.

    As they are where the same is done in both. Else the components of both are there in both,
    those of the other question with presence and features 0. The control cells of the first
    question are carried in both.
    """
    parts = [question.condition for question in (one, other)]
    if torch.equal(parts[0].ids, parts[1].ids) and one.names == other.names:
        return one, replace(other, cells=one.cells)
    sizes = [(1 + part.vectors.shape[2]) * part.vectors.shape[1] for part in parts]
    n_genes = len(one.fitted.space.mean)
    condition = replace(
        parts[0],
        vectors=torch.cat([part.vectors for part in parts], dim=1),
        ids=torch.cat([part.ids for part in parts], dim=1),
        is_there=torch.cat([part.is_there for part in parts], dim=1),
        numbers=torch.maximum(parts[0].numbers, parts[1].numbers),
    )

    def padded(rows: Tensor, own: int) -> Tensor:
        end = n_genes + sizes[own]
        genes, of_components, numbers = rows[..., :n_genes], rows[..., n_genes:end], rows[..., end:]
        nothing = torch.zeros((*rows.shape[:-1], sizes[1 - own]))
        both = (of_components, nothing) if own == 0 else (nothing, of_components)
        return torch.cat([genes, *both, numbers], dim=-1)

    names = (
        *one.names[: n_genes + sizes[0]],
        *other.names[n_genes : n_genes + sizes[1]],
        *NUMBERS,
    )
    first, second = (
        replace(
            one,
            names=names,
            value=padded(question.value, own),
            background=padded(question.background, own),
            condition=condition,
        )
        for own, question in enumerate((one, other))
    )
    return first, second
