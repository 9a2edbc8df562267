"""Cells of ordered stages in one space of states, drawn near by their neighbours; after UNAGI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

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
from cellula.models.learned.blocks.cell_graph import cell_neighbours, group_codes
from cellula.models.learned.blocks.checkpoint import data_fingerprint, fingerprint
from cellula.models.learned.blocks.count_cells import CountCells, Measure
from cellula.models.learned.blocks.count_vae import CountVae, Likelihood, VaeForm
from cellula.models.learned.blocks.graph_vae import Adversary, GraphVae, GraphVaeLoss, states_of
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.latent_moves import LatentMoves
from cellula.models.learned.blocks.moved import MovedCells
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.trainer import Positions, TrainOptions, fit_network
from cellula.models.learned.blocks.training_cells import require_enough
from cellula.models.learned.blocks.vae_training import Steps
from cellula.models.learned.blocks.weights import load_weights, weights_of
from cellula.models.learned.displaced import DisplacedCells, ReadCells, StoredCells, pulled
from cellula.models.learned.stages import StageOrder, Tracks

__all__ = ["FittedGraphVaeGan", "GraphVaeGan", "GraphVaeGanOptions"]

#: The most clusters that are looked for in a stage.
MOST_CLUSTERS = 6
#: Held-out questions that are looked at, and controls of each.
MOST_GROUPS, MOST_CELLS = 16, 64


class GraphVaeGanOptions(Options):
    """Options of :class:`GraphVaeGan`."""

    stage: str = "perturbation"
    """Which column of the profiles tells the stage of a cell: perturbation (the control is a stage
    too), context, time_s, or any other."""
    stages: tuple[str, ...] = ()
    """The stages in their order; empty: numbers in theirs, names as the shortest path through
    their mean states visits them from the controls."""
    neighbours: int = Field(default=15, ge=0)
    """Nearest cells of the same stage and question that the encoder hears; 0: no graph."""
    alone: float = Field(default=0.5, ge=0, le=1)
    """Share of the cells of a step of training that hear themselves and not their neighbours, so
    that one profile, and a change of it, is understood too."""
    dimensions: int = Field(default=10, ge=1)
    """Principal components in which cells are near."""
    clusters: int = Field(default=0, ge=0, le=MOST_CLUSTERS)
    """Clusters of a stage; 0: as many, up to 6, as have the best silhouette; 1 if none is .25."""
    likelihood: Likelihood = "nb"
    """Of counts: negative binomial (nb), zero-inflated (zinb), or gaussian on the values. Values
    that are no counts and do not give them back are gaussian whatever stands here."""
    adversary: Adversary = "none"
    """What tells drawn from observed profiles: a discriminator (cross_entropy), a critic with a
    gradient penalty (wasserstein), or none, which does best on our planted truth."""
    strength: float = Field(default=1.0, ge=0)
    """Weight of what the discriminator tells of a cell beside the log likelihood of the cell."""
    hidden: float = Field(default=0.5, ge=0, lt=1)
    """Share of readouts hidden from the encoder in a step of training, so that no state hangs on a
    few of them and a change of few is understood."""
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
    train: TrainOptions = TrainOptions(epochs=40, batch=128, learning_rate=3e-3)
    """How the network is trained."""


@final
@dataclass(frozen=True, slots=True)
class GraphVaeGan:
    """Assumes that cells of a stage vary smoothly, so that a cell's neighbours tell what its own
    few counts do not, and that stages and perturbations move states by about the same
    everywhere.

    The state z of a cell is found from the mean of its nearest neighbours of the same stage, by a
    graph convolution [kipf2017]_ that is blind to the cell itself [batson2019]_, and decoded to its
    counts [lopez2018]_; a discriminator [goodfellow2014]_, or a critic with a gradient penalty
    [gulrajani2017]_, tells drawn from observed profiles. Clusters of successive stages are joined
    to tracks by optimal transport (:meth:`FittedGraphVaeGan.tracks`), and changes of genes are
    encoded to see whether late cells go back (:meth:`FittedGraphVaeGan.displaced`). As a model it
    answers with the decoded mean move of states [lotfollahi2019]_. The idea is that of UNAGI, from
    its description; the iterated weights of genes are not here.
    """

    options: GraphVaeGanOptions

    name: ClassVar[str] = "graph_vae_gan"
    options_type: ClassVar[type[Options]] = GraphVaeGanOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = (
        "kipf2017",
        "batson2019",
        "lopez2018",
        "goodfellow2014",
        "gulrajani2017",
        "lotfollahi2019",
    )

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedGraphVaeGan:
        """Fit on train; with valid, for as many epochs as answer it best, then on both together.

        The error on valid is the mean square of what is missed of its mean responses. Raises
        DataError without controls, or without the column of stages where it is named.
        """
        own, held, both, reference = train_and_valid(train, valid)
        if reference is None:
            raise DataError(
                "the model 'graph_vae_gan' moves control cells and these data have no control; "
                "name the column that marks them in the role is_control (healthy cells, or those "
                "of the first stage)"
            )
        parts = [train] if valid is None else [train, valid]
        require_enough(parts, self.name)
        order = StageOrder(self.options.stage, self.options.stages)
        for part in parts:
            order.require(part)
        measure = Measure.of(train, wants_counts=self.options.likelihood != "gaussian")
        rng = run.child("graph_vae_gan space").rng
        space = LatentSpace.of(train, self.options.dimensions, rng)
        answer = MovedCells.of(train, valid, reference, self.options.cells)
        inputs = fingerprint(self.name, self.options, data_fingerprint(train, valid))
        fresh = _Training(self, measure, space, answer, inputs)
        epochs = self.options.train.epochs
        if held is not None:
            epochs = 1 + fresh.fitted([train], own, epochs, held, run)[1]
        return fresh.fitted(parts, both, epochs, None, run)[0]

    def restore(self, state: State) -> FittedGraphVaeGan:
        """See :meth:`cellula.core.model.Model.restore`."""
        network = self.network(Measure.restore(state.arrays, state.meta))
        load_weights(network, state.arrays)
        network.eval()
        moves = LatentMoves.restore(state.arrays, state.meta)
        if moves is None:
            raise DataError("the state has no 'latent_moves'; it belongs to another model")
        space = LatentSpace.restore(state.arrays, state.meta)
        answer = MovedCells.restore(state.arrays, state.meta)
        return FittedGraphVaeGan(self.options, network, space, moves, answer)

    def network(self, measure: Measure) -> GraphVae:
        """An untrained network."""
        o = self.options
        likelihood: Likelihood = o.likelihood if measure.has_counts else "gaussian"
        form = VaeForm(o.latent, o.width, likelihood, "arithmetic", False, 0, 0)
        return GraphVae(
            CountVae(form, measure, None),
            has_graph=o.neighbours > 0,
            has_critic=o.adversary != "none",
        )


@final
@dataclass(frozen=True, slots=True)
class FittedGraphVaeGan:
    """The network, the space in which cells are near, and how treatments move states."""

    options: GraphVaeGanOptions
    network: GraphVae
    space: LatentSpace
    moves: LatentMoves
    answer: MovedCells

    @property
    def readouts(self) -> tuple[str, ...]:
        """The readouts of training."""
        return self.answer.answer.readouts

    def states(self, data: Dataset, run: RunContext) -> NDArray[np.float64]:
        """Where cells are: mean states, (profiles, latent), each beside its neighbours in ``data``.

        Raises DataError on other readouts or another value type.
        """
        self._require(data)
        rng = run.child("graph_vae_gan graph").rng
        near = torch.from_numpy(graph_of([data], self.space, self.options, rng))
        cells, every = StoredCells(data, self.network.vae.measure), torch.arange(data.n_profiles)
        with torch_scope(run, "graph_vae_gan") as scope:
            return states_of(self.network.to(scope.device), cells, near, every, scope.device)

    def displaced(self, data: Dataset, rows: NDArray[np.int64], run: RunContext) -> DisplacedCells:
        """Some cells of ``data``, each heard alone, ready to be encoded with other values.

        rows: (cells,) positions. Raises DataError on other readouts or another value type.
        """
        self._require(data)
        cells = StoredCells(data, self.network.vae.measure)
        return DisplacedCells.of(self.network, cells, rows, run)

    def tracks(self, data: Dataset, run: RunContext) -> Tracks:
        """Clusters of every stage of ``data``, joined from stage to stage.

        Raises DataError where there is one stage only, one that is named has no cell, or the
        order of more than eight names is to be found.
        """
        states = self.states(data, run)
        order = StageOrder(self.options.stage, self.options.stages)
        names, stage = order.of(data, states)
        rng = run.child("graph_vae_gan tracks").rng
        return Tracks.of(states, stage, names, self.options.clusters, rng)

    def pull(
        self, start: NDArray[np.float64], end: NDArray[np.float64], run: RunContext
    ) -> NDArray[np.float64]:
        """See :func:`~cellula.models.learned.displaced.pulled`."""
        return pulled(self.network, start, end, run)

    def move(
        self, query: QueryTable, values: NDArray[np.float64], run: RunContext
    ) -> NDArray[np.float64]:
        """The change of every cell's expected values (cells, readouts) under one question."""
        measure, o = self.network.vae.measure, self.options
        none = np.zeros(len(values), np.int64)
        rng = run.child("graph_vae_gan graph").rng
        near = cell_neighbours(self.space.encode(values), none, o.neighbours, rng)
        with torch_scope(run, "graph_vae_gan") as scope, torch.no_grad():
            vae = self.network.to(scope.device).vae
            cells, every = ReadCells(measure.read(values)), torch.arange(len(values))
            reading = cells.reading.to(scope.device)
            told = states_of(self.network, cells, torch.from_numpy(near), every, scope.device)
            before = torch.from_numpy(told).float().to(scope.device)
            step = torch.from_numpy(self.moves.at(query)).float().to(scope.device)
            after = vae.profile(reading, vae.decode(before + step, None))
            change = after - vae.profile(reading, vae.decode(before, None))
            return np.asarray(change.double().cpu().numpy())

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""

        def move(
            query: QueryTable,
            _reference: Reference,
            cells: NDArray[np.float64],
            _rng: np.random.Generator,
            run: RunContext,
        ) -> NDArray[np.float64]:
            return self.move(query, cells, run)

        return self.answer.stream(queries, move, self._in_domain, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        return joined(
            State(weights_of(self.network)),
            self.network.vae.measure.state(),
            self.space.state(),
            self.moves.state(),
            self.answer.state(),
        )

    def _in_domain(self, queries: QueryTable, reference: Reference) -> NDArray[np.bool_]:
        """Treatments that were seen, or joined of such, in contexts with controls; controls."""
        is_known = label_positions(queries.context, reference.contexts) >= 0
        is_control = label_positions(queries.perturbation, reference.labels) >= 0
        return np.asarray((self.moves.is_known(queries) | is_control) & is_known)

    def _require(self, data: Dataset) -> None:
        answer = self.answer.answer
        if data.readouts != answer.readouts or data.value_type is not answer.value_type:
            raise DataError(
                f"the profiles have {len(data.readouts)} readouts of {data.value_type.value}; the "
                f"model was fitted on {len(answer.readouts)} of {answer.value_type.value}: give "
                "the same readouts in the same order"
            )


def graph_of(
    parts: list[Dataset], space: LatentSpace, options: GraphVaeGanOptions, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Neighbours of all profiles of datasets below one another: (profiles, neighbours).

    Neighbours have the same stage, perturbation and context.
    """
    coordinates = [space.encode_rows(part, np.arange(part.n_profiles)) for part in parts]
    labels: list[list[NDArray[np.object_]]] = [[], [], []]
    for part in parts:
        queries = part.queries()
        stage = StageOrder(options.stage, options.stages).labels(part)
        for column, own in zip(labels, (queries.perturbation, queries.context, stage), strict=True):
            column.append(np.asarray(own, object))
    group = group_codes(*(np.concatenate(column) for column in labels))
    return cell_neighbours(np.concatenate(coordinates), group, options.neighbours, rng)


@dataclass(frozen=True, slots=True)
class _Training:
    """What both trainings of a fit share; inputs: of all that they read."""

    model: GraphVaeGan
    measure: Measure
    space: LatentSpace
    answer: MovedCells
    inputs: str

    def fitted(
        self,
        parts: list[Dataset],
        bulk: Pseudobulk,
        epochs: int,
        held: Pseudobulk | None,
        run: RunContext,
    ) -> tuple[FittedGraphVaeGan, int]:
        """The model fitted on ``parts``, and its best epoch (the last without ``held``)."""
        options, reference = self.model.options, self.answer.answer.reference
        if reference is None:
            raise DataError("the model has no controls; fit it on data with controls")
        train = options.train.model_copy(update={"epochs": epochs})
        cells = CountCells.of(parts, self.measure, bulk, reference)
        rng = run.child("graph_vae_gan training graph").rng
        near = torch.from_numpy(graph_of(parts, self.space, options, rng))
        with torch_scope(run, "graph_vae_gan") as scope:
            network = self.model.network(self.measure).to(scope.device)
            every = torch.arange(len(cells))

            def now() -> FittedGraphVaeGan:
                states = states_of(network, cells, near, every, scope.device)
                moves = LatentMoves.of_states(states, cells.question.numpy(), bulk, reference)
                return FittedGraphVaeGan(options, network, self.space, moves, self.answer)

            order = Positions(len(cells), train.batch, scope.generator.initial_seed() % 2**62)
            loss = GraphVaeLoss(
                network,
                cells,
                near,
                options.kl_weight,
                options.warm_up,
                options.adversary,
                options.strength,
                options.hidden,
                options.alone,
                scope.device,
            )
            error = None
            if held is not None:
                error = partial(_missed, now, held, _looked_at(parts[0], held), run)
            history = fit_network(
                network,
                loss,
                Steps(order, options.train.epochs),
                train,
                scope,
                run,
                error=error,
                inputs=fingerprint(self.inputs, held is not None),
            )
            return now(), history.best


def _looked_at(train: Dataset, held: Pseudobulk) -> dict[str, NDArray[np.float64]]:
    """Some controls of every context that is asked of; of all where it has none: values."""
    labels, found = np.asarray(train.queries().context, object), {}
    for name in held.contexts:
        rows = np.flatnonzero(train.is_control & (labels == name))
        rows = rows if len(rows) else np.flatnonzero(train.is_control)
        found[name] = train.dense(rows[:: max(1, len(rows) // MOST_CELLS)][:MOST_CELLS])
    return found


def _missed(
    now: Callable[[], FittedGraphVaeGan],
    held: Pseudobulk,
    control: dict[str, NDArray[np.float64]],
    run: RunContext,
) -> float:
    """Mean square of what is missed of held-out mean responses, of 16 of them at most."""
    fitted, queries, errors = now(), held.queries(), []
    for group in np.unique(np.linspace(0, len(held.values) - 1, MOST_GROUPS).astype(int)):
        query = queries.take(slice(int(group), int(group) + 1))
        change = fitted.move(query, control[str(query.context[0])], run).mean(axis=0)
        errors.append(np.mean((change - held.values[group]) ** 2))
    return float(np.mean(errors))
