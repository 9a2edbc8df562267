"""A PEtab problem fitted on the conditions of training, with a learned correction of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias, cast, final

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field, field_validator

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Fitted, Model, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.splits import Fold, Folds, split
from cellula.models.baselines.answer import joined
from cellula.models.baselines.out_of_fold import held_out_kind
from cellula.models.mechanistic.petab_model import FittedPetabModel, PetabModel, PetabModelOptions

__all__ = ["FittedPetabResidual", "PetabResidual", "PetabResidualOptions"]

Floats: TypeAlias = NDArray[np.float64]
#: Shares of the correction that are tried on validation data.
BELIEFS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Seed of the folds within training.
SEED = 5
PREFIX = "learner."


@final
class PetabResidualOptions(Options):
    """Options of :class:`PetabResidual`."""

    mechanism: PetabModelOptions
    """The mechanistic model: the options of ``petab_model``."""
    learner: str = "gp"
    """The model of what the mechanism leaves, such as ``gp`` or ``gradient_boosting``."""
    learner_options: Mapping[str, Any] = Field(default_factory=dict)
    """Its own options."""
    folds: int = Field(default=2, ge=2)
    """Parts of training, each told by a mechanism that was fitted on the others."""
    belief: float = Field(default=0.5, ge=0, le=1)
    """The share of the correction that is believed where no validation data tell it."""

    @field_validator("learner")
    @classmethod
    def _is_learner(cls, learner: str) -> str:
        if learner not in registry.names("model") or learner in {"petab_residual", "petab_model"}:
            raise ValueError(f"{learner!r} is no model that can learn a residual; expected gp")
        return learner


@final
@dataclass(frozen=True, slots=True)
class PetabResidual:
    """Assumes that the model of a PEtab problem is right but for what a smooth function of
    condition and time can tell.

    y = m(condition, time; p) + s r(condition, time): m as ``petab_model``, p fitted on training,
    and r fitted to what m leaves of conditions that it was not fitted on, those of every fold of
    training told by a fit on the others, which starts from p and one random point. On ``valid``, s
    is chosen from 0 (the mechanism alone) to 1, the least of equals; then p is fitted to both
    together, and r to the residuals of both [rackauckas2020]_. In domain: as ``petab_model``.
    """

    options: PetabResidualOptions
    folder: Path = Path()

    name: ClassVar[str] = "petab_residual"
    options_type: ClassVar[type[Options]] = PetabResidualOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind))
    references: ClassVar[tuple[str, ...]] = ("schmiester2021", "rackauckas2020")

    @property
    def files(self) -> tuple[Path, ...]:
        """See :class:`cellula.core.model.Located`."""
        return self._mechanism().files

    @property
    def parts(self) -> tuple[Model, ...]:
        """See :class:`cellula.core.model.Composed`."""
        return (cast("Model", self._mechanism()), self._learner())

    def within(self, folder: Path) -> Self:
        """See :class:`cellula.core.model.Located`."""
        return PetabResidual(self.options, folder)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedPetabResidual:
        """Fit the mechanism, learn what it leaves, choose the belief on ``valid``, refit both.

        Raises what ``petab_model`` and the learner raise; DataError where training has fewer
        questions than a split needs.
        """
        mechanism = self._mechanism()
        first = mechanism.fit_from([train], None, run.child("mechanism"))
        left = self._left(train, valid, first, run)
        learner = self._learner().fit(_residuals([train], left), None, run.child("learner"))
        if valid is None:
            return FittedPetabResidual(first, learner, self.options.belief)
        rest = valid.dense() - _told(first, valid.queries(), run)
        belief = _belief(rest, _told(learner, valid.queries(), run))
        both = _residuals([train, valid], np.concatenate([left, rest]))
        return FittedPetabResidual(
            mechanism.fit_from([train, valid], first.parameters, run.child("both")),
            self._learner().fit(both, None, run.child("learner")),
            belief,
        )

    def restore(self, state: State) -> FittedPetabResidual:
        """See :meth:`cellula.core.model.Model.restore`."""
        own = {
            key.removeprefix(PREFIX): array
            for key, array in state.arrays.items()
            if key.startswith(PREFIX)
        }
        learner = self._learner().restore(State(own, state.meta["learner"]))
        belief = float(state.meta["belief"])
        return FittedPetabResidual(self._mechanism().restore(state), learner, belief)

    def _mechanism(self) -> PetabModel:
        return PetabModel(self.options.mechanism, self.folder)

    def _learner(self) -> Model:
        made: Model = registry.create(
            "model", self.options.learner, dict(self.options.learner_options)
        )
        return made

    def _left(
        self, train: Dataset, valid: Dataset | None, first: FittedPetabModel, run: RunContext
    ) -> Floats:
        """What mechanisms leave of parts of training that they were not fitted on: (profiles,
        readouts).
        """
        left = np.full((train.n_profiles, len(train.readouts)), np.nan)
        for fold in _folds(train, valid, self.options.folds):
            held = train.take(fold.test)
            fitted = self._mechanism().fit_from(
                [train.take(fold.train)], first.parameters, run.child("fold", fold.name)
            )
            left[fold.test] = held.dense() - _told(fitted, held.queries(), run)
        if np.isnan(left).any():
            raise DataError("a profile of training is in no fold; give folds of other labels")
        return left


@final
@dataclass(frozen=True, slots=True)
class FittedPetabResidual:
    """mechanism: fitted on all; learner: of what it leaves; belief: s."""

    mechanism: FittedPetabModel
    learner: Fitted
    belief: float

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        for told in self.mechanism.predict(queries, control, run):
            mean = told.mean + self.belief * _told(self.learner, told.queries, run)
            if told.value_type.is_non_negative:
                mean = np.maximum(mean, 0.0)
            yield replace(told, mean=mean)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        learner = self.learner.state()
        arrays = {PREFIX + key: array for key, array in learner.arrays.items()}
        meta = {"learner": dict(learner.meta), "belief": self.belief}
        return joined(self.mechanism.state(), State(arrays, meta))


def _folds(train: Dataset, valid: Dataset | None, n: int) -> tuple[Fold, ...]:
    """Parts of training that are held out as ``valid`` was, or by condition, or at random."""
    kind = ClaimKind.UNSEEN_PERTURBATION if valid is None else held_out_kind(train, valid)
    try:
        return split(train, kind, Folds(folds=n, seed=SEED))
    except DataError:
        return split(train, ClaimKind.RANDOM, Folds(folds=n, seed=SEED))


def _told(fitted: Fitted, queries: QueryTable, run: RunContext) -> Floats:
    """The means of all answers: (queries, readouts)."""
    return np.concatenate([one.mean for one in fitted.predict(queries, None, run)])


def _belief(rest: Floats, told: Floats) -> float:
    """The share of a correction that leaves the least squared error; the least of equals."""
    errors = [float(((rest - share * told) ** 2).sum()) for share in BELIEFS]
    return BELIEFS[int(np.argmin(errors))]


def _residuals(parts: Sequence[Dataset], values: Floats) -> Dataset:
    """The profiles of some datasets with other values, none of them a control."""
    first = parts[0]
    roles = [role for role in first.roles if role != "is_control"]
    obs = pd.concat([part.obs[roles] for part in parts]).reset_index(drop=True)
    for name in obs.columns:
        if not pd.api.types.is_numeric_dtype(obs[name]):
            obs[name] = obs[name].astype(str).astype("category")
    obs.index = obs.index.astype(str)
    data = AnnData(values, obs, pd.DataFrame(index=pd.Index(first.readouts)))
    return Dataset(data, ValueType.QUANTITY, first.context_features, first.perturbation_features)
