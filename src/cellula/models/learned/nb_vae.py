"""A variational autoencoder of counts in which a condition is swapped: ``nb_vae``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import joined
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.checkpoint import data_fingerprint, fingerprint
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.count_cells import CountCells, Measure, all_questions
from cellula.models.learned.blocks.count_vae import (
    Composition,
    CountVae,
    Likelihood,
    VaeForm,
)
from cellula.models.learned.blocks.dropout import Passes, with_dropout
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.latent_moves import LatentMoves
from cellula.models.learned.blocks.moved import MovedCells
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.trainer import Positions, TrainOptions, fit_network
from cellula.models.learned.blocks.training_cells import require_enough
from cellula.models.learned.blocks.vae_training import ResponseError, Steps, VaeLoss
from cellula.models.learned.blocks.weights import load_weights, weights_of

__all__ = ["FittedNbVae", "NbVae", "NbVaeOptions"]

#: Components that describe the controls of a context.
CONTEXT_DIMENSIONS = 20
#: Profiles that are dense together.
BLOCK = 1024


class NbVaeOptions(Options):
    """Options of :class:`NbVae`."""

    likelihood: Likelihood = "nb"
    """Of counts: negative binomial (nb), zero-inflated (zinb), or gaussian on the values. Values
    that are no counts and do not give them back are gaussian whatever stands here."""
    composition: Composition = "response"
    """How a condition meets the state of a cell: as a response of few dimensions beside what the
    cell was (response), side by side in the decoder (joined), as a sum (added), or as the mean
    move of the states of training cells (arithmetic)."""
    adversary: float = Field(default=0.0, ge=0)
    """How strongly the state hides what was done to the cell; 0: no discriminator."""
    removes_context: bool = False
    """Whether the state hides the context too, which then enters with the condition: with an
    adversary, and joined or added."""
    is_centred: bool = True
    """Whether the mean response of its group is taken off a treated cell before it is encoded, so
    that its state is that of a control; with arithmetic, which needs the difference, it is not."""
    latent: int = Field(default=16, ge=1)
    """Coordinates of the state of a cell."""
    width: int = Field(default=128, ge=1)
    """Units of a hidden layer."""
    kl_weight: float = Field(default=1.0, ge=0)
    """Weight of the divergence of the states from the standard normal."""
    warm_up: float = Field(default=0.5, ge=0, le=1)
    """Share of the training in which that weight rises from 0."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of hidden units that are dropped in a step of training."""
    passes: int = Field(default=0, ge=0)
    """Passes with dropout left on, whose spread becomes the interval; 0: no interval."""
    train: TrainOptions = TrainOptions(epochs=40, batch=128, learning_rate=3e-3)
    """How the network is trained."""

    @model_validator(mode="after")
    def _can_remove(self) -> Self:
        if self.removes_context and (
            self.adversary <= 0 or self.composition not in {"joined", "added"}
        ):
            raise ValueError(
                f"removes_context with adversary {self.adversary:g} and composition "
                f"{self.composition!r}; it needs an adversary above 0 and 'joined' or 'added'"
            )
        return self


@final
@dataclass(frozen=True, slots=True)
class NbVae:
    """Assumes that a cell has a state, and that a condition acts on cells through their state.

    log p(x | z, condition) - w KL(q(z | x) | N(0, 1)) is made large, x the counts of a cell, whose
    depth is the exposure [lopez2018]_; w rises from 0. z is the state before: of a treated cell it
    is found from its profile less the mean response of its group. A control cell is answered for
    by its state decoded under the condition asked for, less the same decoded as a control. With
    ``arithmetic`` the state moves instead, by the mean move of the training cells
    [lotfollahi2019]_; with an ``adversary`` the states hide what was done to the cell
    [lotfollahi2023]_ by a reversed gradient [ganin2016]_.
    """

    options: NbVaeOptions

    name: ClassVar[str] = "nb_vae"
    options_type: ClassVar[type[Options]] = NbVaeOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = (
        "lopez2018",
        "lotfollahi2019",
        "lotfollahi2023",
        "ganin2016",
        "gal2016",
    )

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedNbVae:
        """Fit on train; with valid, for as many epochs as answer it best, then on both together.

        The error on valid is the mean square of what is missed of its mean responses. Raises
        DataError without controls.
        """
        own, held, both, reference = train_and_valid(train, valid)
        if reference is None:
            raise DataError(
                "the model 'nb_vae' moves control cells and these data have no control; name "
                "the column that marks them in the role is_control"
            )
        require_enough([train] if valid is None else [train, valid], self.name)
        measure = Measure.of(train, wants_counts=self.options.likelihood != "gaussian")
        space = LatentSpace.of(train, CONTEXT_DIMENSIONS, run.child("nb_vae space").rng)
        conditions = Conditions.of(train, both, reference, space)
        inputs = fingerprint(self.name, self.options, data_fingerprint(train, valid))
        basis = _Basis(measure, space, conditions, reference, inputs)
        epochs = self.options.train.epochs
        if valid is not None and held is not None:
            epochs = 1 + self._trained([train], own, basis, epochs, held, run)[1]
        parts = [train] if valid is None else [train, valid]
        network, _, moves = self._trained(parts, both, basis, epochs, None, run)
        passes = Passes.of(network, self.options.passes)
        answer = MovedCells.of(train, valid, reference, self.options.cells, passes)
        return FittedNbVae(self.options, network, space, conditions, moves, answer)

    def restore(self, state: State) -> FittedNbVae:
        """See :meth:`cellula.core.model.Model.restore`."""
        conditions = Conditions.restore(state.arrays, state.meta)
        measure = Measure.restore(state.arrays, state.meta)
        form = self._form(measure, *map(int, state.meta["vae_classes"]))
        network = with_dropout(CountVae(form, measure, conditions), self.options.dropout)
        load_weights(network, state.arrays)
        network.eval()
        return FittedNbVae(
            self.options,
            network,
            LatentSpace.restore(state.arrays, state.meta),
            conditions,
            LatentMoves.restore(state.arrays, state.meta),
            MovedCells.restore(state.arrays, state.meta, Passes.of(network, self.options.passes)),
        )

    @property
    def _is_centred(self) -> bool:
        return self.options.is_centred and self.options.composition != "arithmetic"

    def _form(self, measure: Measure, n_treatments: int, n_contexts: int) -> VaeForm:
        o = self.options
        return VaeForm(
            o.latent,
            o.width,
            o.likelihood if measure.has_counts else "gaussian",
            o.composition,
            o.removes_context,
            n_treatments,
            n_contexts,
        )

    def _trained(
        self,
        parts: list[Dataset],
        bulk: Pseudobulk,
        basis: _Basis,
        epochs: int,
        held: Pseudobulk | None,
        run: RunContext,
    ) -> tuple[CountVae, int, LatentMoves | None]:
        """The network, its best epoch (the last without ``held``), and the moves of states."""
        options, reference = self.options, basis.reference
        train = options.train.model_copy(update={"epochs": epochs})
        cells = CountCells.of(parts, basis.measure, bulk, reference)
        with torch_scope(run, "nb_vae") as scope:
            n_classes = (len(bulk.treatments) + 1, len(reference.contexts))
            form = self._form(basis.measure, *(n_classes if options.adversary > 0 else (0, 0)))
            network = CountVae(form, basis.measure, basis.conditions)
            network = with_dropout(network, self.options.dropout).to(scope.device)
            loss = self._loss(network, cells, bulk, basis, scope)
            order = Positions(len(cells), train.batch, scope.generator.initial_seed() % 2**62)
            steps = Steps(order, options.train.epochs)
            error = None
            if held is not None:
                table = basis.encode(held.queries()).to(scope.device)
                error = ResponseError(network, held, table, cells, bulk, reference)
            inputs = fingerprint(basis.inputs, held is not None)
            history = fit_network(
                network, loss, steps, train, scope, run, error=error, inputs=inputs
            )
            moves = None
            if options.composition == "arithmetic":
                moves = LatentMoves.of(network, cells, bulk, reference)
        return network, history.best, moves

    def _loss(
        self,
        network: CountVae,
        cells: CountCells,
        bulk: Pseudobulk,
        basis: _Basis,
        scope: TorchScope,
    ) -> VaeLoss:
        queries, is_untreated = all_questions(bulk, basis.reference)
        contexts = label_positions(queries.context, basis.reference.contexts)
        treatment = np.full(len(queries), len(bulk.treatments))
        treatment[: len(bulk.values)] = bulk.treatment
        responses = None
        if self._is_centred:
            responses = cells.responses(basis.measure, bulk, basis.reference).to(scope.device)
        return VaeLoss(
            network,
            cells,
            basis.encode(queries).untreated(is_untreated).to(scope.device),
            torch.from_numpy(treatment).to(scope.device),
            torch.from_numpy(contexts).to(scope.device),
            self.options.kl_weight,
            self.options.warm_up,
            self.options.adversary,
            responses,
        )


@dataclass(frozen=True, slots=True)
class _Basis:
    """What both trainings of a fit share; inputs: of all that they read."""

    measure: Measure
    space: LatentSpace
    conditions: Conditions
    reference: Reference
    inputs: str

    def encode(self, queries: QueryTable) -> ConditionBatch:
        return self.conditions.encode(queries, self.reference, self.space)


@final
@dataclass(frozen=True, slots=True)
class FittedNbVae:
    """The network, how questions enter it, and the moves of states, None without arithmetic."""

    options: NbVaeOptions
    network: CountVae
    space: LatentSpace
    conditions: Conditions
    moves: LatentMoves | None
    answer: MovedCells

    def move(
        self,
        query: QueryTable,
        reference: Reference,
        cells: NDArray[np.float64],
        _rng: np.random.Generator,
        run: RunContext,
    ) -> NDArray[np.float64]:
        """The change of every cell's expected values (cells, readouts) under one question."""
        with torch_scope(run, "nb_vae") as scope, torch.no_grad():
            network = self.network.to(scope.device)
            batch = self.conditions.encode(query, reference, self.space).to(scope.device)
            first = torch.zeros(1, dtype=torch.long, device=scope.device)
            alone = batch.untreated(torch.ones(1, dtype=torch.bool, device=scope.device))
            move = None
            if self.moves is not None:
                move = torch.from_numpy(self.moves.at(query)).float().to(scope.device)
            change = network.change(
                network.measure.read(cells).to(scope.device),
                network.conditions(batch, first),
                network.conditions(alone, first),
                move,
            )
            return np.asarray(change.double().cpu().numpy())

    def evidence(self, data: Dataset, run: RunContext) -> NDArray[np.float64]:
        """A lower bound of the log likelihood of every profile, in nats: (profiles,).

        E log p(x | z, condition) - KL(q(z | x) | N(0, 1)), by one draw of z. Higher is more like
        the training data. Raises DataError on other readouts, or on contexts without controls.
        """
        if data.readouts != self.answer.answer.readouts:
            raise DataError(
                f"the profiles have {len(data.readouts)} readouts, the model was fitted on "
                f"{len(self.answer.answer.readouts)}; give the same readouts in the same order"
            )
        reference = self.answer.answer.reference
        if reference is None:
            raise DataError("the model has no controls, so no context is known; fit it again")
        network, queries, is_control = self.network, data.queries(), data.is_control
        found = []
        with torch_scope(run, "nb_vae evidence") as scope, torch.no_grad():
            network.to(scope.device)
            for start in range(0, data.n_profiles, BLOCK):
                rows = np.arange(start, min(start + BLOCK, data.n_profiles))
                batch = self.conditions.encode(queries.take(rows), reference, self.space)
                batch = batch.untreated(torch.from_numpy(is_control[rows])).to(scope.device)
                reading = network.measure.of_dataset(data, rows).to(scope.device)
                every = torch.arange(len(rows), device=scope.device)
                alone = batch.untreated(torch.ones_like(every, dtype=torch.bool))
                bound = network.evidence(
                    reading,
                    network.conditions(batch, every),
                    network.conditions(alone, every),
                    scope.generator,
                    is_centred=self.options.is_centred,
                )
                found.append(bound.cpu())
        return np.asarray(torch.cat(found).double().numpy())

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.move, self.conditions.in_domain, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        form = self.network.form
        own = State(weights_of(self.network), {"vae_classes": [form.n_treatments, form.n_contexts]})
        moves = State({}) if self.moves is None else self.moves.state()
        return joined(
            own,
            moves,
            self.network.measure.state(),
            self.space.state(),
            self.conditions.state(),
            self.answer.state(),
        )
