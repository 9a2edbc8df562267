"""Members of one model with seeds, or parts of training, of their own: a mean and a spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.matrix import loaded
from cellula.core.model import (
    Capabilities,
    Fitted,
    Model,
    Options,
    State,
    located,
    model_files,
)
from cellula.core.nested import inner_state, nested_state
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, each, elsewhere
from cellula.models.baselines.answer import HALF_WIDTH
from cellula.models.baselines.in_step import in_step

__all__ = ["DeepEnsemble", "DeepEnsembleOptions", "FittedDeepEnsemble"]

Floats = NDArray[np.float64]


class DeepEnsembleOptions(Options):
    """Options of :class:`DeepEnsemble`."""

    model: str = "mlp_response"
    """Kind of the members: any registered model but an ensemble."""
    options: dict[str, Any] = {}
    """Options of every member; those not named have their defaults."""
    n_members: int = Field(default=5, ge=2, le=100)
    """How many members are fitted."""
    share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the labels of ``over`` that a member is fitted on, drawn for each anew; below 1
    where the model does not depend on its seed."""
    over: str = "perturbation"
    """Role whose labels are drawn."""

    @model_validator(mode="after")
    def _is_a_member(self) -> Self:
        if self.model == DeepEnsemble.name or self.model not in registry.names("model"):
            others = [name for name in registry.names("model") if name != DeepEnsemble.name]
            raise ValueError(
                f"{self.model} cannot be a member; expected one of {', '.join(others)}"
            )
        registry.create("model", self.model, self.options)
        return self


@final
@dataclass(frozen=True, slots=True)
class DeepEnsemble:
    """Assumes that what its members assume holds, and that where they disagree none knows.

    Members are fitted from seeds of their own, each on all of training or on a share of its labels
    [lakshminarayanan2017]_. The mean is that of the members; the variance that of their means
    plus the mean of the variances that they tell themselves. Cells are taken from the members in
    turn. In domain: more than half of the members say so. Members are fitted on the run's threads
    or its cluster, with the same bits.
    """

    options: DeepEnsembleOptions
    folder: Path = Path()

    name: ClassVar[str] = "deep_ensemble"
    options_type: ClassVar[type[Options]] = DeepEnsembleOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("lakshminarayanan2017",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedDeepEnsemble:
        """Fit every member.

        Raises what a member raises, and DataError where all members are the same.
        """
        tasks = [
            _Task(self._model(), self._part(train, run.child("part", number)), valid, stream)
            for number in range(self.options.n_members)
            for stream in [run.child("member", number)]
        ]
        if run.cluster is None:
            fitted = tuple(each(_fitted, tasks, run, "members"))
        else:
            quiet = [replace(one, run=one.run.light) for one in tasks]
            fitted = tuple(map(self._model().restore, run.cluster.map(_state, quiet)))
        if _is_same(fitted[0].state(), fitted[1].state()):
            raise DataError(
                f"two members of {self.options.model!r} are the same, so that their spread says "
                "nothing: the model does not depend on its seed; give share = 0.7"
            )
        return FittedDeepEnsemble(fitted)

    def restore(self, state: State) -> FittedDeepEnsemble:
        """See :meth:`cellula.core.model.Model.restore`."""
        names = [f"member{number}" for number in range(int(state.meta["n_members"]))]
        model = self._model()
        return FittedDeepEnsemble(tuple(model.restore(inner_state(state, name)) for name in names))

    @property
    def parts(self) -> tuple[Model, ...]:
        """See :class:`cellula.core.model.Composed`."""
        return (self._model(),)

    @property
    def files(self) -> tuple[Path, ...]:
        """See :class:`cellula.core.model.Located`."""
        return model_files(self._model())

    def within(self, folder: Path) -> Self:
        """See :class:`cellula.core.model.Located`."""
        return DeepEnsemble(self.options, folder)

    def _model(self) -> Model:
        return _model(self.options, self.folder)

    def _part(self, train: Dataset, run: RunContext) -> Dataset:
        """All of training, or the controls and the profiles of a share of the labels."""
        if self.options.share == 1.0:
            return train
        labels = train.labels(self.options.over)
        known = np.unique(labels.codes[~train.is_control])
        n = max(2, round(self.options.share * len(known)))
        if n >= len(known):
            return train
        drawn = run.rng.permutation(known)[:n]
        return train.take(np.isin(labels.codes, drawn) | train.is_control)


@final
@dataclass(frozen=True, slots=True)
class FittedDeepEnsemble:
    """The members, fitted."""

    members: tuple[Fitted, ...]

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`; batches are those of the members."""
        streams = [one.predict(queries, control, run) for one in self.members]
        yield from map(_together, in_step(streams))

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        parts = {f"member{number}": one.state() for number, one in enumerate(self.members)}
        return nested_state(State({}, {"n_members": len(self.members)}), parts)


@dataclass(frozen=True, slots=True)
class _Task:
    """A member to be fitted: all that travels."""

    model: Model
    train: Dataset
    valid: Dataset | None
    run: RunContext


def _model(options: DeepEnsembleOptions, folder: Path) -> Model:
    found: Model = registry.create("model", options.model, options.options)
    return located(found, folder)


def _fitted(task: _Task) -> Fitted:
    return task.model.fit(task.train, task.valid, task.run)


def _state(task: _Task) -> State:
    """A member fitted elsewhere, as arrays and JSON."""
    with elsewhere(task.run) as run:
        return _fitted(replace(task, run=run)).state()


def _is_same(one: State, other: State) -> bool:
    return set(one.arrays) == set(other.arrays) and all(
        np.array_equal(array, other.arrays[name], equal_nan=array.dtype.kind == "f")
        for name, array in one.arrays.items()
    )


def _together(batches: Sequence[Prediction]) -> Prediction:
    """The answers of all members to the same questions as one."""
    first = batches[0]
    means = np.stack([batch.mean for batch in batches])
    mean = means.mean(axis=0)
    own = [_variance(batch) for batch in batches]
    half = HALF_WIDTH * np.sqrt(means.var(axis=0, ddof=1) + np.mean(own, axis=0))
    lower, upper = mean - half, mean + half
    if first.value_type.is_non_negative:
        lower = np.maximum(lower, 0.0)
    votes = np.mean([batch.in_domain for batch in batches], axis=0)
    cells = _pooled([batch.cells for batch in batches], len(first.queries))
    return replace(first, mean=mean, lower=lower, upper=upper, in_domain=votes > 0.5, cells=cells)


def _variance(batch: Prediction) -> Floats:
    """What a member's own interval says; 0 where it gives none."""
    if batch.lower is None or batch.upper is None:
        return np.zeros(batch.mean.shape)
    return np.asarray(((batch.upper - batch.lower) / (2.0 * HALF_WIDTH)) ** 2, np.float64)


def _pooled(cells: Sequence[Population | None], n_queries: int) -> Population | None:
    """As many cells as one member has, the i-th from member i modulo their number."""
    populations = [one for one in cells if one is not None]
    if len(populations) < len(cells):
        return None
    blocks, sizes = [], []
    for query in range(n_queries):
        parts = [sp.csr_matrix(loaded(one.block(query))) for one in populations]
        kept = [part[number :: len(parts)] for number, part in enumerate(parts)]
        blocks += kept
        sizes.append(sum(part.shape[0] for part in kept))
    group = np.repeat(np.arange(n_queries), sizes)
    return Population(sp.vstack(blocks, format="csr"), group)
