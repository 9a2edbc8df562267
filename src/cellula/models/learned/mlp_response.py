"""The simplest learned model: a network from the question to the response of the pseudobulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.checkpoint import data_fingerprint, fingerprint
from cellula.models.learned.blocks.condition_encoder import ConditionEncoder
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.dropout import Dropout, spread_of_passes
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.scope import generator_of, torch_scope
from cellula.models.learned.blocks.trainer import Positions, TrainOptions, fit_network
from cellula.models.learned.blocks.training_cells import require_enough
from cellula.models.learned.blocks.weights import load_weights, weights_of

__all__ = ["FittedMlpResponse", "MlpResponse", "MlpResponseOptions"]

Floats = NDArray[np.float64]


class MlpResponseOptions(Options):
    """Options of :class:`MlpResponse`."""

    dimensions: int = Field(default=20, ge=1)
    """Components of the training responses of which a response is made."""
    width: int = Field(default=64, ge=1)
    """Units of a hidden layer."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of units that is hidden in training, and in every pass."""
    passes: int = Field(default=0, ge=0)
    """Thinned networks whose spread gives an interval, at least 2; 0: no interval."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    train: TrainOptions = TrainOptions(batch=32)
    """How the network is trained; a batch is of pseudobulks."""


@final
class _Regression(nn.Module):
    """Coefficients of components (questions, components) from questions; 0 when new."""

    def __init__(
        self, conditions: Conditions, components: int, options: MlpResponseOptions
    ) -> None:
        super().__init__()
        width = options.width
        self.condition = ConditionEncoder(conditions, width)
        self.thin = Dropout(options.dropout, width)
        self.head = mlp((width, width, components), dropout=options.dropout)
        for weights in self.head[-1].parameters():
            nn.init.zeros_(weights)

    def forward(self, batch: ConditionBatch) -> Tensor:
        found: Tensor = self.head(self.thin(self.condition(batch)))
        return found


@final
@dataclass(frozen=True, slots=True)
class MlpResponse:
    """Assumes that a smooth function of the question, its features and its context's controls
    tells how a response differs from the mean response of training.

    y = m + s C' f(question): m the mean response, C the leading components of the responses, f a
    network that begins at 0, so that training starts from the mean response. On ``valid`` the
    number of epochs is chosen, and s, from 0 to 1, by how much f is believed; then f is fitted to
    both. With passes, the variance is that over thinned networks [gal2016]_ plus what the
    network leaves unexplained.
    """

    options: MlpResponseOptions

    name: ClassVar[str] = "mlp_response"
    options_type: ClassVar[type[Options]] = MlpResponseOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("gal2016",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedMlpResponse:
        """Choose epochs and belief on ``valid``, then fit on both.

        Raises DataError without controls, or where there is one pass.
        """
        if self.options.passes == 1:
            raise DataError("one pass has no spread; give passes = 0, or at least 2")
        seen, held, both, reference = train_and_valid(train, valid)
        if reference is None:
            raise DataError(
                "the model 'mlp_response' predicts differences from a control and these data "
                "have no control; name the column that marks them in the role is_control"
            )
        require_enough([train], self.name, moves_cells=False)
        with one_blas_thread():
            space = LatentSpace.of(train, self.options.dimensions, run.child("space").rng)
        answer = Answer.of(train, reference, self.options.cells)
        inputs = fingerprint(self.name, self.options, data_fingerprint(train, valid))

        def fit(bulk: Pseudobulk) -> _Fit:
            conditions = Conditions.of(train, bulk, reference, space)
            return _Fit(self.options, conditions, space, answer, reference, inputs)

        if held is None:
            return fit(both).on(both, self.options.train, None, run)[0]
        tuned, best = fit(seen).on(seen, self.options.train, held, run)
        belief, noise = _belief(tuned, held, reference, run)
        options = self.options.train.model_copy(update={"epochs": best + 1})
        found = fit(both).on(both, options, None, run)[0]
        return replace(found, belief=belief, noise=np.maximum(noise, found.noise))

    def restore(self, state: State) -> FittedMlpResponse:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        conditions = Conditions.restore(arrays, meta)
        network = _Regression(conditions, len(arrays["components"]), self.options).double()
        load_weights(network, arrays)
        network.eval()
        return FittedMlpResponse(
            self.options,
            network,
            arrays["components"],
            arrays["mean_response"],
            float(meta["belief"]),
            arrays["noise"],
            LatentSpace.restore(arrays, meta),
            conditions,
            Answer.restore(arrays, meta),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedMlpResponse:
    """The network and what its coefficients are of.

    components: (components, readouts); mean: (readouts,) the mean response of training; belief: s;
    noise: (readouts,) variance that is left.
    """

    options: MlpResponseOptions
    network: _Regression
    components: Floats
    mean: Floats
    belief: float
    noise: Floats
    space: LatentSpace
    conditions: Conditions
    answer: Answer

    def effects(self, queries: QueryTable, reference: Reference, run: RunContext) -> Effects:
        """Responses of questions (queries, readouts), with their spread where there are passes."""
        batch = _double(self.conditions.encode(queries, reference, self.space))
        spread: Floats | None = None
        components = torch.from_numpy(self.components) * self.belief
        with torch_scope(run, "mlp_response"), torch.no_grad():

            def change() -> Tensor:
                found: Tensor = self.network(batch) @ components
                return found

            mean = self.mean + change().numpy()
            if self.options.passes:
                stream = generator_of(run, "passes")
                own = spread_of_passes(self.network, change, self.options.passes, stream).numpy()
                spread = np.sqrt(own**2 + self.noise)
        return Effects(mean, self.conditions.in_domain(queries, reference), spread)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        reference = self._reference(control)

        def effect(batch: QueryTable) -> Effects:
            return self.effects(batch, reference, run)

        return self.answer.stream(queries, effect, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        arrays = {
            **weights_of(self.network),
            "components": self.components,
            "mean_response": self.mean,
            "noise": self.noise,
        }
        own = State(arrays, {"belief": self.belief})
        return joined(own, self.space.state(), self.conditions.state(), self.answer.state())

    def _reference(self, control: Dataset | None) -> Reference:
        """The control means of training, replaced by those that come with the queries."""
        known = self.answer.reference_with(control)
        if known is None:
            raise DataError("a fitted 'mlp_response' has controls, and this state has none")
        return known


@dataclass(frozen=True, slots=True)
class _Fit:
    """What every fit of one call shares."""

    options: MlpResponseOptions
    conditions: Conditions
    space: LatentSpace
    answer: Answer
    reference: Reference
    inputs: str

    def on(
        self, bulk: Pseudobulk, options: TrainOptions, held: Pseudobulk | None, run: RunContext
    ) -> tuple[FittedMlpResponse, int]:
        """Fitted on responses, stopped on those held out where there are any; the best epoch."""
        mean = bulk.values.mean(axis=0)
        with one_blas_thread():
            components = _components(bulk.values - mean, self.options.dimensions)
            target = (bulk.values - mean) @ np.linalg.pinv(components)
        with torch_scope(run, "mlp_response") as scope:
            network = _Regression(self.conditions, len(components), self.options)
            network.to(scope.device)
            table = self._batch(bulk).to(scope.device)
            wanted = torch.from_numpy(target).float().to(scope.device)

            def loss(rows: Tensor, _: torch.Generator) -> Tensor:
                found: Tensor = ((network(table.take(rows)) - wanted[rows]) ** 2).mean()
                return found

            error = None if held is None else self._error(network, held, mean, components)
            batches = Positions(len(wanted), options.batch, scope.generator.initial_seed() % 2**62)
            inputs = fingerprint(self.inputs, held is not None)
            history = fit_network(
                network, loss, batches, options, scope, run, error=error, inputs=inputs
            )
            network.to("cpu").double().eval()
        none = np.zeros(len(mean))
        parts = (self.space, self.conditions, self.answer)
        fitted = FittedMlpResponse(self.options, network, components, mean, 1.0, none, *parts)
        left = bulk.values - _means(fitted, bulk, self.reference, run)
        return replace(fitted, noise=np.square(left).mean(axis=0)), history.best

    def _error(
        self, network: _Regression, held: Pseudobulk, mean: Floats, components: Floats
    ) -> Callable[[], float]:
        """The mean squared error on responses that were held out, as the network now stands."""
        device = next(network.parameters()).device
        batch = self._batch(held).to(device)
        wanted = torch.from_numpy(held.values - mean).float().to(device)
        basis = torch.from_numpy(components).float().to(device)
        return lambda: float(((network(batch) @ basis - wanted) ** 2).mean())

    def _batch(self, bulk: Pseudobulk) -> ConditionBatch:
        return self.conditions.encode(bulk.queries(), self.reference, self.space)


def _components(centred: Floats, dimensions: int) -> Floats:
    """Leading right singular vectors of responses (components, readouts), in one common unit.

    A coefficient of 1 is the root mean square coefficient of training; one component at least.
    """
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    n = max(1, min(dimensions, int((singular > 1e-10 * max(singular[0], 1e-300)).sum())))
    scale = float(np.sqrt(np.sum(singular[:n] ** 2) / (n * len(centred))))
    largest = right[np.arange(n), np.abs(right[:n]).argmax(axis=1)]
    signs = np.where(largest < 0, -1.0, 1.0)[:, None]
    return np.asarray(right[:n] * signs * (scale if scale > 0 else 1.0), np.float64)


def _means(
    fitted: FittedMlpResponse, bulk: Pseudobulk, reference: Reference, run: RunContext
) -> Floats:
    return (
        replace(fitted, options=fitted.options.model_copy(update={"passes": 0}))
        .effects(bulk.queries(), reference, run)
        .mean
    )


def _belief(
    fitted: FittedMlpResponse, held: Pseudobulk, reference: Reference, run: RunContext
) -> tuple[float, Floats]:
    """The factor from 0 to 1 of least squared error on held-out responses, and what is left."""
    change = _means(fitted, held, reference, run) - fitted.mean
    wanted = held.values - fitted.mean
    square = float(np.sum(change**2))
    belief = float(np.clip(np.sum(change * wanted) / square, 0.0, 1.0)) if square > 0 else 0.0
    return belief, np.square(wanted - belief * change).mean(axis=0)


def _double(batch: ConditionBatch) -> ConditionBatch:
    """In double precision: an answer then does not depend on its batch."""
    return ConditionBatch(
        batch.vectors.double(),
        batch.ids,
        batch.is_there,
        batch.numbers.double(),
        batch.context.double(),
    )
