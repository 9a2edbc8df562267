"""How the states of cells move under treatments: what latent arithmetic adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.models.baselines.answer import joined
from cellula.models.baselines.encoding import Treatments, unique_labels
from cellula.models.baselines.pseudobulk import Pseudobulk, mean_rows
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.count_cells import CountCells
from cellula.models.learned.blocks.count_vae import CountVae

__all__ = ["LatentMoves"]

#: Cells that are encoded together.
BLOCK = 2048


@dataclass(frozen=True, slots=True)
class LatentMoves:
    """Mean states of treated cells less those of their context's controls [lotfollahi2019]_.

    treatments: of training; moves: (treatments.n_rows, latent), averaged over contexts with equal
    weight; the last rows are those of a perturbation at an unseen dose or time, and of all.
    """

    treatments: Treatments
    moves: NDArray[np.float64]

    @classmethod
    def of(
        cls, network: CountVae, cells: CountCells, bulk: Pseudobulk, reference: Reference
    ) -> LatentMoves:
        """From all training cells; in evaluation mode and without gradients."""
        device = network.log_dispersion.device
        states = []
        with torch.no_grad():
            for start in range(0, len(cells), BLOCK):
                rows = torch.arange(start, min(start + BLOCK, len(cells)))
                states.append(network.posterior(cells.take(rows).to(device))[0].cpu())
        question = cells.question.numpy()
        return cls.of_states(torch.cat(states).double().numpy(), question, bulk, reference)

    @classmethod
    def of_states(
        cls,
        states: NDArray[np.float64],
        question: NDArray[np.int64],
        bulk: Pseudobulk,
        reference: Reference,
    ) -> LatentMoves:
        """From the states of training cells (cells, latent).

        question: (cells,) rows of :func:`cellula.models.learned.blocks.count_cells.all_questions`.
        """
        n = len(bulk.values)
        mean = mean_rows(states, question, n + len(reference.contexts))
        place = {name: i for i, name in enumerate(reference.contexts)}
        base = mean[n:][[place[bulk.contexts[code]] for code in bulk.context]]
        moves = mean_rows(mean[:n] - base, bulk.treatment, len(bulk.treatments))
        return cls(bulk.treatments, bulk.treatments.with_fallbacks(moves))

    def at(self, queries: QueryTable) -> NDArray[np.float64]:
        """The move of every question (questions, latent).

        A combination that was not seen moves as its components do together; what was not seen at
        all as treatments do on average.
        """
        labels, place = unique_labels(queries.perturbation)
        found = self.moves[self.treatments.positions(queries)]
        for code, label in enumerate(labels):
            parts = components(label)
            if len(parts) < 2 or "+".join(parts) in self.treatments.perturbations:
                continue
            rows = np.flatnonzero(place == code)
            asked = queries.take(rows)
            found[rows] = sum(self.moves[self.treatments.positions(_of(asked, p))] for p in parts)
        return np.asarray(found)

    def is_known(self, queries: QueryTable) -> NDArray[np.bool_]:
        """Whether the treatment was seen, or is a combination of perturbations seen: (queries,)."""
        labels, place = unique_labels(queries.perturbation)
        known = set(self.treatments.perturbations)
        joins = [len(p) > 1 and set(p) <= known for p in map(components, labels)]
        found = self.treatments.is_seen[self.treatments.positions(queries)]
        for code in np.flatnonzero(joins):
            rows = np.flatnonzero(place == code)
            parts = [_of(queries.take(rows), part) for part in components(labels[code])]
            seen = [self.treatments.is_seen[self.treatments.positions(part)] for part in parts]
            found[rows] |= np.all(seen, axis=0)
        return np.asarray(found)

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        return joined(State({"latent_moves": self.moves}), self.treatments.state())

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> LatentMoves | None:
        """The moves of a state, None where it has none."""
        if "latent_moves" not in arrays:
            return None
        return cls(Treatments.restore(arrays, meta), arrays["latent_moves"])


def _of(queries: QueryTable, perturbation: str) -> QueryTable:
    """The same questions of one perturbation."""
    return QueryTable.of(
        [perturbation] * len(queries),
        queries.context,
        dose_molar=queries.dose_molar,
        time_s=queries.time_s,
    )
