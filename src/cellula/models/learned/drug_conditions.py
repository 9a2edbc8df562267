"""Questions about drugs as tensors: which molecules, what is known of them, in which cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.data.feature_options import Fingerprint
from cellula.data.molecules.fingerprints import fingerprints
from cellula.data.molecules.graphs import MolecularGraphs
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import joined
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.encoding import label_positions, unique_labels
from cellula.models.baselines.features import SideFeatures
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.dose_time import DoseTime, scale_of
from cellula.models.learned.blocks.latent import LatentSpace

__all__ = ["DrugBatch", "DrugConditions"]

Floats = NDArray[np.float64]
#: By what two molecules are near one another: counts of substructures.
NEARNESS = Fingerprint(radius=2, bits=256, counts=True)


@dataclass(frozen=True, slots=True)
class DrugBatch:
    """Questions, one row each; a component that is not there has the number 0 everywhere.

    graph: (questions, components) place of the molecule + 1; name: (questions, components) place
    among the drugs of training + 1; vector: (questions, components, features); is_there,
    is_measured: (questions, components); number: (questions, 4) dose and time; cell: (questions,
    coordinates) of the context; context: (questions,) place among those of training + 1.
    """

    graph: Tensor
    name: Tensor
    vector: Tensor
    is_there: Tensor
    is_measured: Tensor
    number: Tensor
    cell: Tensor
    context: Tensor

    def _parts(self) -> tuple[Tensor, ...]:
        return (
            self.graph,
            self.name,
            self.vector,
            self.is_there,
            self.is_measured,
            self.number,
            self.cell,
            self.context,
        )

    def take(self, rows: Tensor | slice) -> DrugBatch:
        """Some questions."""
        return DrugBatch(*(part[rows] for part in self._parts()))

    def to(self, device: torch.device, dtype: torch.dtype = torch.float32) -> DrugBatch:
        """The same on a device, its fractions as numbers of ``dtype``."""
        return DrugBatch(
            *(
                part.to(device, dtype) if part.is_floating_point() else part.to(device)
                for part in self._parts()
            )
        )

    def hidden(self, rows: Tensor, contexts: Tensor) -> DrugBatch:
        """The same, where ``rows`` (questions,) is true as if its drugs had never been seen, and
        where ``contexts`` is as if its context had not.
        """
        shown = (~rows).unsqueeze(1)
        return DrugBatch(
            self.graph,
            self.name * shown,
            self.vector,
            self.is_there,
            self.is_measured & shown,
            self.number,
            self.cell,
            self.context * ~contexts,
        )


@dataclass(frozen=True, slots=True)
class DrugConditions:
    """How questions become tensors, fitted on a training set.

    graphs: all molecules whose structure is known; prints: their counts of substructures, and
    near: whether such a molecule is like those of training; drugs, contexts: labels of training;
    features: what is known of drugs beside their structure (targets); cells: features of contexts;
    space: components of profiles in which the controls of a context are a point, None without
    controls; centre, spread: by which that point is standardised; near_cells: of ``cells``.
    """

    graphs: MolecularGraphs
    prints: Floats
    near: FeatureDomain
    drugs: tuple[str, ...]
    contexts: tuple[str, ...]
    features: PerturbationEmbedding
    cells: SideFeatures
    near_cells: FeatureDomain
    space: LatentSpace | None
    centre: Floats
    spread: Floats
    numbers: DoseTime

    @classmethod
    def of(
        cls,
        train: Dataset,
        bulk: Pseudobulk,
        reference: Reference | None,
        dimensions: int,
        run: RunContext,
        *,
        has_features: bool,
    ) -> DrugConditions:
        """From the structures, features and controls of training."""
        labels = bulk.treatments.perturbations
        drugs = tuple(sorted({part for label in labels for part in components(label)}))
        graphs = MolecularGraphs.of(train.structures)
        prints = fingerprints(train.structures, NEARNESS).to_numpy(np.float64)
        is_seen = np.isin(graphs.labels, drugs)
        table = train.perturbation_features if has_features else None
        side = SideFeatures.of(table, drugs)
        cells = SideFeatures.of(train.context_features, bulk.contexts)
        places = cells.places(bulk.contexts)
        space, centre, spread = None, np.zeros(0), np.ones(0)
        if reference is not None:
            with one_blas_thread():
                space = LatentSpace.of(train, dimensions, run.child("space").rng)
            centre, spread = scale_of(space.encode(reference.means).T)
        t = bulk.treatments
        return cls(
            graphs,
            prints,
            FeatureDomain.of(prints[is_seen]),
            drugs,
            bulk.contexts,
            PerturbationEmbedding(side.labels, side.values),
            cells,
            FeatureDomain.of(cells.values[places[places >= 0]]),
            space,
            centre,
            spread,
            DoseTime.of(t.dose_molar, t.time_s),
        )

    @property
    def n_features(self) -> int:
        """How many numbers describe a drug beside its structure."""
        return int(self.features.vectors.shape[1])

    @property
    def n_cell(self) -> int:
        """How many numbers describe a context."""
        return int(self.cells.values.shape[1]) + len(self.centre)

    def encode(
        self, queries: QueryTable, is_measured: NDArray[np.bool_], reference: Reference | None
    ) -> DrugBatch:
        """The questions as tensors on the CPU, in their order, in double precision.

        is_measured: (queries, components) of which drugs the response alone is known.
        """
        labels, place = unique_labels(queries.perturbation)
        parts = [components(label) or (label,) for label in labels]
        most = is_measured.shape[1]
        graph, name = np.zeros((len(labels), most), np.int64), np.zeros((len(labels), most), int)
        vector = np.zeros((len(labels), most, self.n_features))
        is_there = np.zeros((len(labels), most), bool)
        at_graph, at_name = _places(self.graphs.labels), _places(self.drugs)
        for row, part in enumerate(parts):
            graph[row, : len(part)] = [at_graph.get(one, 0) for one in part]
            name[row, : len(part)] = [at_name.get(one, 0) for one in part]
            is_there[row, : len(part)] = True
            if self.n_features:
                vector[row, : len(part)] = self.features.of_labels(part)[0]
        return DrugBatch(
            torch.from_numpy(graph[place]),
            torch.from_numpy(name[place].astype(np.int64)),
            torch.from_numpy(vector[place]),
            torch.from_numpy(is_there[place]),
            torch.from_numpy(is_measured),
            torch.from_numpy(self.numbers.encode(queries)),
            torch.from_numpy(self._cells(queries, reference)),
            torch.from_numpy(label_positions(queries.context, self.contexts) + 1),
        )

    def in_domain(self, queries: QueryTable) -> NDArray[np.bool_]:
        """Whether a question lies inside what training has shown: (queries,).

        Every drug was seen or its structure is near those seen, dose and time lie within
        training's, and the context was seen, has features near those seen, or is told by controls.
        """
        labels, place = unique_labels(queries.perturbation)
        is_near = dict(zip(self.graphs.labels, self.near.contains(self.prints), strict=True))
        seen = set(self.drugs)
        inside = np.array(
            [
                all(part in seen or is_near.get(part, False) for part in components(label))
                for label in labels
            ]
        )
        contexts, where = unique_labels(queries.context)
        rows = self.cells.places(contexts)
        by_features = np.zeros(len(contexts), bool)
        by_features[rows >= 0] = self.near_cells.contains(self.cells.values[rows[rows >= 0]])
        told = by_features | np.isin(contexts, self.contexts)
        if self.space is not None and not self.cells.labels:
            told |= True  # whether there are controls is asked by the answer
        return np.asarray(inside[place] & told[where] & self.numbers.in_reach(queries))

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        own = State(
            {"prints": self.prints, "cell_centre": self.centre, "cell_spread": self.spread},
            {"drugs": list(self.drugs), "drug_contexts": list(self.contexts)},
        )
        parts = [own, self.graphs.state(), self.features.state(), self.cells.state()]
        parts += [self.numbers.state(), _under("drug.", self.near.state())]
        parts.append(_under("cell.", self.near_cells.state()))
        if self.space is not None:
            parts.append(self.space.state())
        return joined(*parts)

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> DrugConditions:
        """The conditions of a state."""
        return cls(
            MolecularGraphs.restore(arrays, meta),
            arrays["prints"],
            FeatureDomain.restore(_of("drug.", arrays), _of("drug.", meta)),
            tuple(meta["drugs"]),
            tuple(meta["drug_contexts"]),
            PerturbationEmbedding.restore(arrays, meta),
            SideFeatures.restore(arrays, meta),
            FeatureDomain.restore(_of("cell.", arrays), _of("cell.", meta)),
            LatentSpace.restore(arrays, meta) if "latent_mean" in arrays else None,
            arrays["cell_centre"],
            arrays["cell_spread"],
            DoseTime.restore(arrays),
        )

    def _cells(self, queries: QueryTable, reference: Reference | None) -> Floats:
        """Features of contexts beside their controls: (queries, coordinates)."""
        labels, where = unique_labels(queries.context)
        parts = [self.cells.at(labels)]
        if self.space is not None and reference is not None:
            means, _ = reference.at(pd.Categorical(labels))
            parts.append((self.space.encode(means) - self.centre) / self.spread)
        return np.asarray(np.concatenate(parts, axis=1)[where], np.float64)


def _places(labels: tuple[str, ...]) -> dict[str, int]:
    return {label: i + 1 for i, label in enumerate(labels)}


def _under(prefix: str, state: State) -> State:
    """The same state, every name behind a prefix."""
    return State(
        {prefix + name: array for name, array in state.arrays.items()},
        {prefix + name: value for name, value in state.meta.items()},
    )


def _of(prefix: str, named: Mapping[str, Any]) -> dict[str, Any]:
    return {n.removeprefix(prefix): value for n, value in named.items() if n.startswith(prefix)}
