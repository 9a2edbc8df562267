"""The states of control cells moved in the space of scVI, and decoded: ``scvi``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.perturbation import components
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.transform import CountSpace, ExpectedCounts
from cellula.core.value_type import ValueType
from cellula.models.baselines.answer import Answer, joined
from cellula.models.baselines.encoding import label_positions, unique_labels
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid
from cellula.models.learned.blocks.count_cells import CountCells, Measure, Reading
from cellula.models.learned.blocks.latent_moves import LatentMoves
from cellula.models.learned.blocks.likelihoods import expected_log1p
from cellula.models.learned.blocks.moved import MovedCells
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.training_cells import require_enough

__all__ = ["FittedLatentShift", "LatentShift", "LatentShiftOptions", "SpaceTraining"]

#: The transform, found by its name: it lives with the engines.
SPACE = "scvi"
PREFIX = "space."


class SpaceTraining(Options):
    """How scVI is trained, as the transform ``scvi`` takes it."""

    epochs: int = Field(default=0, ge=0)
    """Passes through the cells; 0: as scvi-tools chooses, 400 * 20,000 / cells, at most 400."""
    batch: int = Field(default=128, ge=2)
    """Cells of a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of Adam, constant."""
    warm_up: float = Field(default=1.0, ge=0, le=1)
    """Share of the epochs in which the weight of the divergence rises from 0 to 1."""


class LatentShiftOptions(Options):
    """Options of :class:`LatentShift`; those of the network are defaults of scvi-tools."""

    latent: int = Field(default=10, ge=1)
    """Coordinates of the state of a cell."""
    width: int = Field(default=128, ge=1)
    """Units of a hidden layer."""
    layers: int = Field(default=1, ge=1)
    """Hidden layers of encoder and decoder each."""
    likelihood: Literal["zinb", "nb"] = "zinb"
    """Of counts: negative binomial, or with zeros besides (zinb)."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    train: SpaceTraining = SpaceTraining()
    """How the network is trained."""


@final
@dataclass(frozen=True, slots=True)
class LatentShift:
    """Assumes that a treatment moves the states of all cells by the same vector in scVI's space.

    scVI [lopez2018]_ of scvi-tools [gayoso2022]_ is trained on all training cells without knowing
    what was done to them. The move of a treatment is the mean state of its cells less that of the
    controls of their context, averaged over contexts [lotfollahi2019]_. A control cell z is
    answered for by what z + move is decoded to at the cell's depth, less what z is. Nothing is
    tuned: train and valid are fitted together. A training that is killed begins anew.
    """

    options: LatentShiftOptions

    name: ClassVar[str] = "scvi"
    options_type: ClassVar[type[Options]] = LatentShiftOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("lopez2018", "gayoso2022", "lotfollahi2019")

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedLatentShift:
        """Fit on train and valid together.

        Raises DataError without controls and without counts, MissingExtra without scvi-tools.
        """
        _, _, bulk, reference = train_and_valid(train, valid)
        if reference is None:
            raise DataError(
                "the model 'scvi' moves control cells and these data have no control; name the "
                "column that marks them in the role is_control"
            )
        parts = [train] if valid is None else [train, valid]
        require_enough(parts, self.name)
        measure = Measure.of(train, wants_counts=True)
        if not measure.has_counts:
            raise DataError(
                f"the model 'scvi' is of counts and these data hold {train.value_type.value} that "
                "give none back; open the counts, or put them into the layer 'counts'"
            )
        cells = CountCells.of(parts, measure, bulk, reference)
        counts = sp.csr_matrix(cells.target)
        is_full = np.asarray(counts.sum(axis=1)).ravel() > 0
        data = AnnData(counts[is_full])
        data.var_names = list(train.readouts)
        space = self._transform().fit(Dataset(data, ValueType.COUNTS), run)
        states = space.encode(counts)
        moves = LatentMoves.of_states(states, cells.question.numpy(), bulk, reference)
        answer = MovedCells(Answer.of(train, reference, self.options.cells))
        return FittedLatentShift(space, measure, moves, answer)

    def restore(self, state: State) -> FittedLatentShift:
        """See :meth:`cellula.core.model.Model.restore`."""
        own = {
            name.removeprefix(PREFIX): array
            for name, array in state.arrays.items()
            if name.startswith(PREFIX)
        }
        moves = LatentMoves.restore(state.arrays, state.meta)
        if moves is None:
            raise DataError("the state has no moves; it belongs to another model")
        return FittedLatentShift(
            self._transform().restore(State(own, state.meta["space"])),
            Measure.restore(state.arrays, state.meta),
            moves,
            MovedCells.restore(state.arrays, state.meta),
        )

    def _transform(self) -> Any:
        o = self.options
        options = {
            "batch": "",
            "latent": o.latent,
            "width": o.width,
            "layers": o.layers,
            "likelihood": o.likelihood,
            "train": o.train.model_dump(),
        }
        return registry.create("transform", SPACE, options)


@final
@dataclass(frozen=True, slots=True)
class FittedLatentShift:
    """The space, how profiles become counts, and the move of every treatment."""

    space: CountSpace
    measure: Measure
    moves: LatentMoves
    answer: MovedCells

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
            return self._change(query, cells, run)

        return self.answer.stream(queries, move, self._in_domain, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = self.space.state()
        arrays = {f"{PREFIX}{name}": array for name, array in own.arrays.items()}
        space = State(arrays, {"space": dict(own.meta)})
        return joined(space, self.measure.state(), self.moves.state(), self.answer.state())

    def _change(
        self, query: QueryTable, cells: NDArray[np.float64], run: RunContext
    ) -> NDArray[np.float64]:
        """The change of every cell's expected values (cells, readouts) under one question."""
        reading = self.measure.read(cells)
        counts = reading.target.numpy()
        depth = np.maximum(counts.sum(axis=1, dtype=np.float64), 1.0)
        states = self.space.encode(counts)
        moved = states + self.moves.at(query)
        with torch_scope(run, "scvi"):
            before, after = (
                self._profile(self.space.decode(place, depth), reading) for place in (states, moved)
            )
        return after - before

    def _profile(self, expected: ExpectedCounts, reading: Reading) -> NDArray[np.float64]:
        """The expected values of cells, in units of the data: (cells, readouts)."""
        stays = 1.0 - expected.absent
        if self.measure.value_type is ValueType.COUNTS:
            return np.asarray(stays * expected.mean)
        told = expected_log1p(
            torch.from_numpy(expected.mean),
            torch.from_numpy(expected.inverse_dispersion),
            reading.scale.double(),
        )
        return np.asarray(stays * told.numpy())

    def _in_domain(self, queries: QueryTable, reference: Reference) -> NDArray[np.bool_]:
        """Whether a treatment, or every part of a combination that is new, was seen: (queries,)."""
        treatments = self.moves.treatments
        is_seen = treatments.is_seen[treatments.positions(queries)]
        labels, place = unique_labels(queries.perturbation)
        known = set(treatments.perturbations)
        is_sum = [
            len(components(label)) > 1 and label not in known and set(components(label)) <= known
            for label in labels
        ]
        is_control = label_positions(queries.perturbation, reference.labels) >= 0
        return np.asarray(is_seen | np.array(is_sum, bool)[place] | is_control)
