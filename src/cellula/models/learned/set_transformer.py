"""A transformer on sets: control cells of one context become the perturbed population together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import joined
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.base_effect import BaseEffect
from cellula.models.learned.blocks.cell_sets import CellSets, contexts_of_few
from cellula.models.learned.blocks.conditions import Conditions
from cellula.models.learned.blocks.context_reach import ContextReach
from cellula.models.learned.blocks.dropout import Passes, with_dropout
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.moved import MovedCells
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.set_network import SetNetwork
from cellula.models.learned.blocks.set_training import LOSSES, SetTraining
from cellula.models.learned.blocks.trainer import TrainOptions
from cellula.models.learned.blocks.training_cells import TrainingCells
from cellula.models.learned.blocks.weights import load_weights, weights_of

__all__ = ["FittedSetTransformer", "SetTransformer", "SetTransformerOptions"]

#: How much of the network may count.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


class SetTransformerOptions(Options):
    """Options of :class:`SetTransformer`."""

    dimensions: int = Field(default=50, ge=1)
    """Principal components in which cells move."""
    set_size: int = Field(default=64, ge=2)
    """The most cells of a set in training."""
    sets: int = Field(default=64, ge=1)
    """The fewest sets of an epoch; few questions are drawn several times."""
    width: int = Field(default=64, ge=1)
    """Units that describe a cell between layers; a multiple of ``heads``."""
    layers: int = Field(default=2, ge=1)
    """Layers of attention and feed-forward."""
    heads: int = Field(default=4, ge=1)
    """Heads of an attention."""
    attention: bool = True
    """False: every cell is moved alone, whatever its population."""
    loss: Literal["energy", "mmd"] = "energy"
    """The distance of the predicted from the observed set."""
    base: Literal["auto", "none", "mean_response"] = "auto"
    """What the network adds to: the controls, or these moved by the mean response; ``auto``: what
    is nearer on validation data, without them the mean response."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of hidden units that are dropped in a step of training."""
    passes: int = Field(default=0, ge=0)
    """Passes with dropout left on, whose spread becomes the interval; 0: no interval."""
    train: TrainOptions = TrainOptions(epochs=30, batch=512)
    """How the network is trained; ``batch`` counts cells, so a step has batch / set_size sets."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """What validation says: base, how much of the network counts, how long to train."""

    base: str
    strength: float
    epochs: int


@final
@dataclass(frozen=True, slots=True)
class SetTransformer:
    """Assumes that how a cell responds depends on itself and on the population around it.

    A set of control cells of one context, in principal components, and the condition pass layers
    of attention without a positional encoding [lee2019]_, [vaswani2017]_; out comes what is added
    to every cell. The set so moved is compared with a set of observed cells by the energy distance
    [szekely2013]_ or the squared MMD [gretton2008]_: no cell is paired with another. The network
    adds to a simple answer; how much of it counts (0 to 1) is found on validation data, so that
    it can be nothing. Training stops early on questions held out, and is repeated on all for as
    long. Out of domain: fewer than ten control cells, or what
    :meth:`Conditions.in_domain <cellula.models.learned.blocks.conditions.Conditions>` says.
    """

    options: SetTransformerOptions

    name: ClassVar[str] = "set_transformer"
    options_type: ClassVar[type[Options]] = SetTransformerOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("lee2019", "vaswani2017", "szekely2013", "gal2016")

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedSetTransformer:
        """Fit on train, choose base, length and strength on valid, then fit on both.

        Raises DataError without controls, or where no context has ten of them.
        """
        own = self.options
        cells = TrainingCells.of(train, valid, own.dimensions, self.name, run)
        sets = CellSets.of(cells, own.set_size, self.name)
        seen, _, both, _ = train_and_valid(train, valid)
        with torch_scope(run, self.name) as scope:
            network = self._network(cells.conditions, cells.space).to(scope.device)
            choice = self._choice(network, sets, seen, both, scope, run)
            base = BaseEffect.of(both, is_used=choice.base == "mean_response")
            if choice.strength > 0:
                training = self._training(sets, base.effects(both.queries())).shortened(
                    choice.epochs
                )
                training.fit(network, sets.questions(), None, scope, run)
        network.eval()
        reach = ContextReach.of(cells.space.encode(cells.reference.means), sets.noise())
        passes = Passes.of(network, own.passes)
        answer = MovedCells.of(train, valid, cells.reference, own.cells, passes)
        return FittedSetTransformer(
            network, cells.space, cells.conditions, base, reach, choice.strength, answer
        )

    def restore(self, state: State) -> FittedSetTransformer:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        space = LatentSpace.restore(arrays, meta)
        conditions = Conditions.restore(arrays, meta)
        network = self._network(conditions, space)
        load_weights(network, arrays)
        network.eval()
        return FittedSetTransformer(
            network,
            space,
            conditions,
            BaseEffect.restore(arrays, meta),
            ContextReach.restore(arrays, meta),
            float(meta["set_strength"]),
            MovedCells.restore(arrays, meta, Passes.of(network, self.options.passes)),
        )

    def _choice(
        self,
        network: SetNetwork,
        sets: CellSets,
        seen: Pseudobulk,
        both: Pseudobulk,
        scope: TorchScope,
        run: RunContext,
    ) -> _Choice:
        """Base, strength and epochs that bring the held-out questions nearest."""
        own = self.options
        bases = ("none", "mean_response") if own.base == "auto" else (own.base,)
        known, held = sets.questions(is_valid=False), sets.questions(is_valid=True)
        if not len(known) or not len(held):
            return _Choice(bases[-1], 1.0, own.train.epochs)
        start = {name: part.clone() for name, part in network.state_dict().items()}
        found: list[tuple[float, _Choice]] = []
        for name in bases:
            base = BaseEffect.of(seen, is_used=name == "mean_response")
            network.load_state_dict(start)
            training = self._training(sets, base.effects(both.queries()))
            history = training.fit(network, known, held, scope, run)
            errors = training.errors(network, held, STRENGTHS, scope)
            best = int(np.argmin(errors))
            found.append(
                (errors[best], _Choice(name, STRENGTHS[best], training.as_long(history.best)))
            )
        network.load_state_dict(start)
        return min(found, key=lambda one: one[0])[1]

    def _training(self, sets: CellSets, effect: NDArray[np.float64]) -> SetTraining:
        shift = torch.from_numpy(sets.cells.space.shift(effect)).float()
        own = self.options
        return SetTraining(sets, shift, LOSSES[own.loss], own.sets, own.train)

    def _network(self, conditions: Conditions, space: LatentSpace) -> SetNetwork:
        own = self.options
        network = SetNetwork(
            conditions,
            space.n_dimensions,
            own.width,
            own.layers,
            own.heads,
            has_attention=own.attention,
        )
        return with_dropout(network, own.dropout)


@final
@dataclass(frozen=True, slots=True)
class FittedSetTransformer:
    """The network, the space of the cells, how questions enter, and the simple answer.

    strength: how much of what the network says counts, 0 to 1.
    """

    network: SetNetwork
    space: LatentSpace
    conditions: Conditions
    base: BaseEffect
    reach: ContextReach
    strength: float
    answer: MovedCells

    def move(
        self,
        query: QueryTable,
        reference: Reference,
        cells: NDArray[np.float64],
        rng: np.random.Generator,
        run: RunContext,
    ) -> NDArray[np.float64]:
        """The change of every cell (cells, readouts), all moved as one set."""
        base = self.base.effects(query)
        strength = self.strength * float(self.reach.share(self._context(query, reference))[0])
        if strength == 0.0:
            return np.repeat(base, len(cells), axis=0)
        with torch_scope(run, "set_transformer") as scope, torch.no_grad():
            batch = self.conditions.encode(query, reference, self.space).to(scope.device)
            x = torch.from_numpy(self.space.encode(cells)).float().to(scope.device)
            added = self.network(x.unsqueeze(0), self.network.condition(batch))[0]
            found = added.cpu().numpy().astype(np.float64)
        return np.asarray(base + self.space.change(strength * found), np.float64)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        few = () if control is None else contexts_of_few(control)
        with torch_scope(run, "set_transformer") as scope:
            self.network.to(scope.device)

        def in_domain(query: QueryTable, reference: Reference) -> NDArray[np.bool_]:
            is_few = np.isin(np.asarray(query.context, dtype=str), few)
            is_near = self.reach.contains(self._context(query, reference))
            return self.conditions.in_domain(query, reference) & is_near & ~is_few

        return self.answer.stream(queries, self.move, in_domain, control, run)

    def _context(self, query: QueryTable, reference: Reference) -> NDArray[np.float64]:
        return self.space.encode(reference.at(query.context)[0])

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(weights_of(self.network), {"set_strength": self.strength})
        parts = self.space, self.conditions, self.base, self.reach, self.answer
        return joined(own, *(part.state() for part in parts))
