"""Perturbations on a knowledge graph: an unseen gene acts as its neighbours do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import group_means
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.checkpoint import data_fingerprint, fingerprint
from cellula.models.learned.blocks.dropout import Passes, with_dropout
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.trainer import Positions, TrainOptions, fit_network
from cellula.models.learned.blocks.training_cells import require_enough
from cellula.models.learned.blocks.weights import load_weights, weights_of
from cellula.models.learned.perturbed_genes import (
    Knowledge,
    PerturbedGenes,
    PerturbedGenesNetwork,
    Questions,
)

__all__ = ["FittedPerturbationGraph", "PerturbationGraph", "PerturbationGraphOptions"]

#: Distinct questions that go through the network together.
BLOCK = 32


class PerturbationGraphOptions(Options):
    """Options of :class:`PerturbationGraph`."""

    width: int = Field(default=32, ge=1)
    """Numbers that describe a gene."""
    neighbours: int = Field(default=10, ge=1)
    """Edges that a gene begins in either graph."""
    hops: int = Field(default=2, ge=1)
    """Steps that knowledge goes along the graph of perturbations."""
    layer: Literal["convolution", "attention"] = "convolution"
    """Layer on the co-expression graph of readouts."""
    knowledge: Knowledge = "graph"
    """The graph of perturbations as it is, or one of the controls of the experiment: of the same
    degrees but random, or without edges."""
    hidden: float = Field(default=0.5, ge=0, lt=1)
    """Share of perturbations whose own vector is hidden in a step of training."""
    focus: float = Field(default=0.0, ge=0)
    """The error enters the loss to the power 2 + focus; 2 in [roohani2024]_, 0: squared error."""
    direction: float = Field(default=0.1, ge=0)
    """Weight of the penalty of a wrong sign."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of hidden units that are dropped in a step of training."""
    passes: int = Field(default=0, ge=0)
    """Passes with dropout left on, whose spread becomes the interval; 0: no interval."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    train: TrainOptions = TrainOptions(epochs=200, batch=32, learning_rate=3e-3)
    """How the network is trained; a batch is of pseudobulks."""


@final
@dataclass(frozen=True, slots=True)
class PerturbationGraph:
    """Assumes that a perturbed gene acts like the genes that it is joined to, and that genes that
    are co-expressed respond together; after GEARS [roohani2024]_.

    The graph of perturbations joins those whose perturbation_features are most alike (the terms
    that two genes share, or the cosine of an embedding). A trained perturbation has a learned
    vector, an unseen one what arrives along the edges (:class:`Smoothing`); in training own
    vectors are hidden in turn, so that neighbours learn to tell. A combination is a function of the
    sum of its vectors, added to the vectors of all readouts, which went along the graph of their
    co-expression among controls. A decoder of every readout, then one across readouts, gives the
    departure from the mean response. Loss: |e|^(2 + focus) + direction (tanh y - tanh f)^2, in
    units of the responses' spread. With validation data the number of epochs and the share of the
    departure that is believed are chosen there. In domain: every component is seen or within
    ``hops`` of one, and the context has controls. Dose and time do not enter.
    """

    options: PerturbationGraphOptions

    name: ClassVar[str] = "perturbation_graph"
    options_type: ClassVar[type[Options]] = PerturbationGraphOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind) - {ClaimKind.UNSEEN_DOSE, ClaimKind.UNSEEN_TIME},
        needs_control=True,
        needs_perturbation_features=True,
        predicts_cells=True,
    )
    references: ClassVar[tuple[str, ...]] = ("roohani2024", "kipf2017", "velickovic2018", "gal2016")

    def fit(
        self, train: Dataset, valid: Dataset | None, run: RunContext
    ) -> FittedPerturbationGraph:
        """Choose epochs and strength on valid where it is given, then fit on both.

        Raises DataError without controls or without perturbation features.
        """
        seen, held, both, reference = train_and_valid(train, valid)
        if reference is None or train.perturbation_features is None:
            missing = "control profiles" if reference is None else "perturbation features"
            raise DataError(
                f"the model 'perturbation_graph' needs {missing} and these data have none; name "
                "the role is_control, and a table with role = 'perturbation_features'"
            )
        require_enough([train], self.name, moves_cells=False)
        answer = Answer.of(train, reference, self.options.cells)
        own = self.options
        names = both.treatments.perturbations
        genes = PerturbedGenes.of(train, names, reference, own.neighbours, own.knowledge, run)
        epochs, strength = own.train.epochs, 1.0
        inputs = fingerprint(self.name, own, data_fingerprint(train, valid))
        if held is not None:
            with torch_scope(run, "perturbation_graph", "choose") as scope:
                first, epochs = self._fitted(genes, seen, held, answer, epochs, scope, run, inputs)
                strength = _strength(first, held)
        with torch_scope(run, "perturbation_graph") as scope:
            last, _ = self._fitted(genes, both, None, answer, epochs, scope, run, inputs)
        passes = Passes.of(last.network, own.passes)
        return replace(last, scale=strength * last.scale, passes=passes)

    def _fitted(
        self,
        genes: PerturbedGenes,
        bulk: Pseudobulk,
        held: Pseudobulk | None,
        answer: Answer,
        epochs: int,
        scope: TorchScope,
        run: RunContext,
        inputs: str,
    ) -> tuple[FittedPerturbationGraph, int]:
        """The network on the responses of ``bulk``, and its best number of epochs."""
        own = self.options
        genes = genes.trained_on(bulk.treatments.perturbations)
        network = self._network(genes)
        network.to(scope.device)
        labels = bulk.treatments.perturbation[bulk.treatment]
        center = group_means(bulk.values, labels, len(bulk.treatments.perturbations)).mean(axis=0)
        residual = bulk.values - center
        scale = float(np.sqrt(np.mean(residual**2))) or 1.0
        fitted = FittedPerturbationGraph(genes, network, center, scale, answer)
        questions = fitted.questions(bulk.queries()).to(scope.device)
        target = torch.from_numpy(residual / scale).float().to(scope.device)
        middle = torch.from_numpy(center / scale).float().to(scope.device)

        def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
            shown = torch.rand(len(genes.labels), generator=generator) >= own.hidden
            told = network(questions.take(rows), shown.to(scope.device))
            miss = (told - target[rows]).abs() ** (2 + own.focus)
            sign = torch.tanh(middle + target[rows]) - torch.tanh(middle + told)
            found: Tensor = miss.mean() + own.direction * (sign**2).mean()
            return found

        error = None if held is None else _error(fitted, held)
        positions = Positions(len(target), own.train.batch, scope.generator.initial_seed() % 2**62)
        history = fit_network(
            network,
            loss,
            positions,
            own.train.model_copy(update={"epochs": epochs}),
            scope,
            run,
            error=error,
            inputs=fingerprint(inputs, held is not None),
        )
        network.double()
        return fitted, history.best + 1

    def restore(self, state: State) -> FittedPerturbationGraph:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        genes = PerturbedGenes.restore(arrays, meta)
        network = self._network(genes)
        load_weights(network, arrays)
        network.double().eval()
        answer = Answer.restore(arrays, meta)
        passes = Passes.of(network, self.options.passes)
        return FittedPerturbationGraph(
            genes, network, arrays["center"], float(meta["graph_scale"]), answer, passes
        )

    def _network(self, genes: PerturbedGenes) -> PerturbedGenesNetwork:
        own = self.options
        network = PerturbedGenesNetwork(genes, own.width, own.hops, own.layer)
        return with_dropout(network, own.dropout)


@final
@dataclass(frozen=True, slots=True)
class FittedPerturbationGraph:
    """center: (readouts,) the mean response; scale: of the network's departures from it.

    passes: thinned networks whose spread [gal2016]_ becomes the interval, None for no interval.
    """

    genes: PerturbedGenes
    network: PerturbedGenesNetwork
    center: NDArray[np.float64]
    scale: float
    answer: Answer
    passes: Passes | None = None

    def questions(self, queries: QueryTable) -> Questions:
        """The questions as the network reads them, against the controls of training."""
        if self.answer.reference is None:
            raise DataError("a fitted graph of perturbations without controls; fit it again")
        return self.genes.encode(queries, self.answer.reference)

    def effects(self, queries: QueryTable) -> Effects:
        """The mean response and the network's departure: (queries, readouts).

        Dose and time are not known to the model: a question with one is out of domain.
        """
        _, first, inverse = np.unique(queries.keys(), return_index=True, return_inverse=True)
        departure = self.departures(self.questions(queries.take(first)))[inverse]
        tells_no_more = queries.dose_molar is None and queries.time_s is None
        return Effects(self.center + departure, self.genes.is_near(queries) & tells_no_more)

    def departures(self, questions: Questions) -> NDArray[np.float64]:
        """What the network adds to the mean response: (questions, readouts)."""
        weight = self.network.own
        told = []
        with torch.no_grad():
            for start in range(0, len(questions.place), BLOCK):
                part = questions.take(slice(start, start + BLOCK)).to(weight.device, weight.dtype)
                told.append(self.network(part).cpu().numpy().astype(np.float64))
        return np.asarray(self.scale * np.concatenate(told), np.float64)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""

        def effects(batch: QueryTable) -> Effects:
            with torch_scope(run, "perturbation_graph") as scope:
                self.network.to(scope.device)
                found = self.effects(batch)
                if self.passes is None:
                    return found
                spread = self.passes.spread(lambda: self.effects(batch).mean, run)
                return replace(found, spread=spread)

        return self.answer.stream(queries, effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(
            {**weights_of(self.network), "center": self.center}, {"graph_scale": self.scale}
        )
        return joined(own, self.genes.state(), self.answer.state())


def _error(fitted: FittedPerturbationGraph, held: Pseudobulk) -> Callable[[], float]:
    """The mean squared error on validation responses as the network is when it is called."""
    questions = fitted.questions(held.queries())
    residual = held.values - fitted.center
    return lambda: float(np.mean((fitted.departures(questions) - residual) ** 2))


def _strength(fitted: FittedPerturbationGraph, held: Pseudobulk) -> float:
    """The least-squares share, in [0, 1], of the departure that validation bears out."""
    departure = fitted.effects(held.queries()).mean - fitted.center
    square = float((departure**2).sum())
    slope = float((departure * (held.values - fitted.center)).sum())
    return min(max(slope / square, 0.0), 1.0) if square > 0 else 0.0
