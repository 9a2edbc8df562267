"""Drugs by their molecular graphs in cells by their profiles: sensitivity, and synergy of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.perturbation import components
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.checkpoint import data_fingerprint, fingerprint
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.trainer import Positions, TrainOptions, fit_network
from cellula.models.learned.blocks.training_cells import require_enough
from cellula.models.learned.blocks.weights import load_weights, weights_of
from cellula.models.learned.drug_conditions import DrugBatch, DrugConditions
from cellula.models.learned.drug_network import DrugNetwork
from cellula.models.learned.single_drugs import SingleDrugs

__all__ = ["DrugGraph", "DrugGraphOptions", "FittedDrugGraph"]

Floats = NDArray[np.float64]
#: Questions, and molecules, that go through the network together.
BLOCK, MOLECULES = 256, 256


class DrugGraphOptions(Options):
    """Options of :class:`DrugGraph`."""

    graph: bool = True
    """False: molecular graphs are not looked at, as the control experiment of the model."""
    features: bool = True
    """Whether perturbation features (targets, fingerprints) enter beside the graph."""
    synergy: bool = True
    """False: a combination is what its parts make it, and nothing beyond."""
    width: int = Field(default=32, ge=1)
    """Numbers that describe an atom, a drug and a cell."""
    layers: int = Field(default=3, ge=1)
    """Steps along the bonds."""
    dimensions: int = Field(default=20, ge=1)
    """Principal components in which the controls of a context are a point."""
    hidden: float = Field(default=0.5, ge=0, le=1)
    """Share of questions of a training step whose drugs, and whose contexts, count as new."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    train: TrainOptions = TrainOptions(epochs=100, batch=64, learning_rate=3e-3)
    """How the network is trained; a batch is of pseudobulks."""


@final
@dataclass(frozen=True, slots=True)
class DrugGraph:
    """Assumes that molecules of like structure act alike on like cells, and that two drugs do what
    the sum of both does but for what their structures and the cell say of the pair.

    y = base + sum_i f(d_i, cell, dose, time) + sum_{i<j} g({d_i, d_j}, cell, dose, time). A drug d
    is a vector of its molecular graph (message passing along bonds [gilmer2017]_), of its
    perturbation features, and of its name where training had it; a cell its context features and
    the controls of its context in principal components. The base is the mean response of other
    drugs in the context, or where a drug was measured what it did in other contexts; of a
    combination the sum of its parts alone. So g is the synergy beyond additivity (of log viability:
    beyond the independence of Bliss [bliss1939]_), equal for both orders [preuer2018]_. Of values
    without a control, which do not add up, the mean of the parts counts. In training a share of the
    drugs counts as never seen, so that the structure learns to tell. On ``valid`` the number of
    epochs is chosen, and how much of f and of g is believed. In domain: every drug was seen or has
    a structure near those seen, dose and time lie within training's, the context is known.
    """

    options: DrugGraphOptions

    name: ClassVar[str] = "drug_graph"
    options_type: ClassVar[type[Options]] = DrugGraphOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_structures=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("gilmer2017", "preuer2018", "bliss1939")

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedDrugGraph:
        """Choose epochs and belief on ``valid`` where it is given, then fit on both.

        Raises DataError without structures of the drugs, or where no drug was given alone.
        """
        seen, held, both, reference = train_and_valid(train, valid)
        _require_structures(train, both)
        require_enough([train], self.name, moves_cells=False)
        answer = Answer.of(train, reference, self.options.cells)
        inputs = fingerprint(self.name, self.options, data_fingerprint(train, valid))
        fit = _Fit(self.options, train, answer, inputs, run)
        belief, stop = (1.0, 1.0), None
        if held is not None:
            with torch_scope(run, self.name, "choose") as scope:
                first, stop = fit.on(seen, held, None, scope)
                belief = _belief(first, held, run)
        with torch_scope(run, self.name) as scope:
            last, _ = fit.on(both, None, stop, scope)
        return replace(last, belief=belief)

    def restore(self, state: State) -> FittedDrugGraph:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        conditions = DrugConditions.restore(arrays, meta)
        answer = Answer.restore(arrays, meta)
        network = _network(self.options, conditions, len(answer.readouts))
        load_weights(network, arrays)
        network.double().eval()
        alone, together = meta["drug_belief"]
        return FittedDrugGraph(
            network,
            conditions,
            SingleDrugs.restore(arrays, meta),
            float(meta["drug_scale"]),
            (float(alone), float(together)),
            answer,
        )


@final
@dataclass(frozen=True, slots=True)
class FittedDrugGraph:
    """The network and the base that it departs from.

    scale: of the departures, in units of the values; belief: shares of f and of g that count.
    """

    network: DrugNetwork
    conditions: DrugConditions
    singles: SingleDrugs
    scale: float
    belief: tuple[float, float]
    answer: Answer

    def parts(
        self, queries: QueryTable, reference: Reference | None, run: RunContext
    ) -> tuple[Floats, Floats, Floats]:
        """Base, what the drugs add by themselves, and their synergy: (queries, readouts) each."""
        _, first, inverse = np.unique(queries.keys(), return_index=True, return_inverse=True)
        asked = queries.take(first)
        expected = self.singles.expected(asked)
        batch = self.conditions.encode(asked, expected.is_measured, reference)
        with torch_scope(run, "drug_graph") as scope, torch.no_grad():
            self.network.to(scope.device)
            alone, together = self._departures(batch, scope.device)
        base = np.where(_is_known(expected.is_measured, batch), expected.known, expected.fresh)
        one, two = (share * self.scale for share in self.belief)
        return base[inverse], one * alone[inverse], two * together[inverse]

    def synergy(self, queries: QueryTable, control: Dataset | None, run: RunContext) -> Floats:
        """What combinations do beyond their parts: (queries, readouts), 0 for a single drug.

        In units of the values; below 0 a pair lowers a readout by more than the sum of both does.
        """
        return self.parts(queries, self.answer.reference_with(control), run)[2]

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        reference = self.answer.reference_with(control)

        def effect(batch: QueryTable) -> Effects:
            return Effects(
                sum(self.parts(batch, reference, run), np.zeros(())),
                self.conditions.in_domain(batch),
            )

        return self.answer.stream(queries, effect, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        meta = {"drug_scale": self.scale, "drug_belief": list(self.belief)}
        own = State(weights_of(self.network), meta)
        return joined(own, self.conditions.state(), self.singles.state(), self.answer.state())

    def _departures(self, batch: DrugBatch, device: torch.device) -> tuple[Floats, Floats]:
        """What the network tells of questions, block by block."""
        dtype = self.network.names.weight.dtype
        used, place = torch.unique(batch.graph, return_inverse=True)
        graphs = used[used > 0].numpy() - 1
        vectors = [self.network.molecules(self.conditions.graphs.take(graphs[:0]))]
        for start in range(0, len(graphs), MOLECULES):
            some = self.conditions.graphs.take(graphs[start : start + MOLECULES])
            vectors.append(self.network.molecules(some)[1:])
        molecules = torch.cat(vectors)
        asked = replace(batch, graph=place if bool((used == 0).any()) else place + 1)
        told = []
        for start in range(0, len(place), BLOCK):
            part = asked.take(slice(start, start + BLOCK)).to(device, dtype)
            told.append(self.network(part, molecules, self.singles.adds))
        alone, together = (torch.cat(parts).cpu().numpy() for parts in zip(*told, strict=True))
        return np.asarray(alone, np.float64), np.asarray(together, np.float64)


@dataclass(frozen=True, slots=True)
class _Fit:
    """What both fits of one call share."""

    options: DrugGraphOptions
    train: Dataset
    answer: Answer
    inputs: str
    run: RunContext

    def on(
        self, bulk: Pseudobulk, held: Pseudobulk | None, stop: int | None, scope: TorchScope
    ) -> tuple[FittedDrugGraph, int]:
        """Fitted on responses, and after how many epochs it was best on those held out.

        stop: end after so many epochs, None: after all.
        """
        own, run, reference = self.options, self.run, self.answer.reference
        conditions = DrugConditions.of(
            self.train, bulk, reference, own.dimensions, run, has_features=own.features
        )
        singles = SingleDrugs.of(bulk, adds=reference is not None)
        expected = singles.expected(bulk.queries())
        scale = float(np.sqrt(np.mean((bulk.values - expected.fresh) ** 2))) or 1.0
        network = _network(own, conditions, bulk.values.shape[1]).to(scope.device)
        fitted = FittedDrugGraph(network, conditions, singles, scale, (1.0, 1.0), self.answer)
        whole = conditions.encode(bulk.queries(), expected.is_measured, reference)
        is_known = torch.from_numpy(_is_known(expected.is_measured, whole))
        batch = whole.to(scope.device)
        wanted = _tensor(bulk.values / scale, scope)
        bases = _tensor(expected.fresh / scale, scope), _tensor(expected.known / scale, scope)

        def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
            is_hidden, is_strange = torch.rand(2, len(rows), generator=generator) < own.hidden
            fresh = (is_hidden | ~is_known[rows].reshape(-1)).unsqueeze(1).to(scope.device)
            base = torch.where(fresh, bases[0][rows], bases[1][rows])
            asked = batch.take(rows).hidden(is_hidden.to(scope.device), is_strange.to(scope.device))
            used, place = torch.unique(asked.graph, return_inverse=True)
            graphs = conditions.graphs.take(used[used > 0].cpu().numpy() - 1)
            asked = replace(asked, graph=place if bool((used == 0).any()) else place + 1)
            single, pair = network(asked, network.molecules(graphs), singles.adds)
            found: Tensor = ((base + single + pair - wanted[rows]) ** 2).mean()
            return found

        error = None if held is None else lambda: _error(fitted, held, run)
        history = fit_network(
            network,
            loss,
            Positions(len(wanted), own.train.batch, scope.generator.initial_seed() % 2**62),
            own.train,
            scope,
            run,
            error=error,
            inputs=fingerprint(self.inputs, held is not None),
            stop=stop,
        )
        network.double()
        return fitted, history.best + 1


def _network(options: DrugGraphOptions, conditions: DrugConditions, readouts: int) -> DrugNetwork:
    return DrugNetwork(
        conditions,
        readouts,
        options.width,
        options.layers,
        has_graph=options.graph,
        has_synergy=options.synergy,
    )


def _is_known(is_measured: NDArray[np.bool_], batch: DrugBatch) -> NDArray[np.bool_]:
    """Of which questions a drug was measured alone, so that the base is not fresh: (queries, 1)."""
    return np.asarray((is_measured & batch.is_there.numpy()).any(axis=1, keepdims=True))


def _error(fitted: FittedDrugGraph, held: Pseudobulk, run: RunContext) -> float:
    """The mean squared error on validation responses as the network is when it is called."""
    told = sum(fitted.parts(held.queries(), fitted.answer.reference, run), np.zeros(()))
    return float(np.mean((told - held.values) ** 2))


def _belief(fitted: FittedDrugGraph, held: Pseudobulk, run: RunContext) -> tuple[float, float]:
    """Least-squares shares, in [0, 1], of f and then of g that validation bears out."""
    base, alone, together = fitted.parts(held.queries(), fitted.answer.reference, run)
    left = held.values - base
    one = _share(alone, left - together)
    return one, _share(together, left - one * alone)


def _share(told: Floats, wanted: Floats) -> float:
    square = float((told**2).sum())
    return min(max(float((told * wanted).sum()) / square, 0.0), 1.0) if square > 0 else 0.0


def _tensor(values: Floats, scope: TorchScope) -> Tensor:
    return torch.from_numpy(values).float().to(scope.device)


def _require_structures(train: Dataset, bulk: Pseudobulk) -> None:
    labels = bulk.treatments.perturbations
    parts = {part for label in labels for part in components(label)}
    if not parts & set(train.structures):
        raise DataError(
            f"the model 'drug_graph' needs structures and none of the {len(parts)} perturbations "
            f"({', '.join(sorted(parts)[:3])} ...) has one; add a table of them to the study: "
            "[[data]] format = 'smiles', role = 'perturbation_features'"
        )
