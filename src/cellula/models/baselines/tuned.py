"""Tuning: the options of another model, searched inside training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
import optuna
from pydantic import Field, model_validator

from cellula.core import registry
from cellula.core.canonical import canonical_json
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import NotConverged
from cellula.core.model import (
    Capabilities,
    Fitted,
    Model,
    Options,
    State,
    located,
    model_files,
)
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, each, elsewhere
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["FittedTuned", "Range", "Tuned", "TunedOptions"]


class Range(Options):
    """Numbers from ``low`` to ``high``."""

    low: float
    """The least."""
    high: float
    """The greatest."""
    log: bool = False
    """Whether equal ratios are equally likely, not equal differences."""
    whole: bool = False
    """Whether only whole numbers are tried."""

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"a range from {self.low:g} to {self.high:g}{' in logarithms' if self.log else ''} "
                "holds nothing; give low < high, and low > 0 with log = true"
            )
        return self

    @property
    def distribution(self) -> optuna.distributions.BaseDistribution:
        """What the search draws from."""
        if self.whole:
            return optuna.distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return optuna.distributions.FloatDistribution(self.low, self.high, log=self.log)


class TunedOptions(Options):
    """Options of :class:`Tuned`."""

    model: str = "bilinear_ridge"
    """The kind of model whose options are searched."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Its options that are not searched; others are as they stand."""
    space: Mapping[str, Range | tuple[bool | int | float | str, ...]] = Field(
        default_factory=lambda: {"rank": (2, 5, 10, 20)}
    )
    """Option -> a range or the values to choose from; a dot leads inside: ``train.epochs``."""
    trials: int = Field(default=20, ge=1)
    """How many settings are tried; the first is the options as they stand."""
    at_once: int = Field(default=1, ge=1)
    """How many are chosen before the first of them is scored: so many threads or workers of a
    cluster are of use. More search in parallel, a little less well; the cluster changes no bit."""

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        names = [name for name in registry.names("model") if name != "tuned"]
        if self.model not in names:
            raise ValueError(f"{self.model!r} cannot be tuned; expected one of {', '.join(names)}")
        empty = [name for name, values in self.space.items() if values == ()]
        if empty:
            raise ValueError(f"{', '.join(empty)}: no value to choose from; give one at least")
        return self


@final
@dataclass(frozen=True, slots=True)
class Tuned:
    """Assumes that the options with the least error on validation data also predict best what is
    sealed; beyond that it assumes what the tuned model does.

    Settings are drawn by tree-structured Parzen estimators as in [akiba2019]_, from the run's
    seed. Each is fitted on the training part alone and scored by the mean squared error of the
    means it predicts for the questions of the validation part; the best, the first of equals, is
    fitted on both as the contract says. Without validation data the options stand as they are.
    """

    options: TunedOptions
    folder: Path = Path()

    name: ClassVar[str] = "tuned"
    options_type: ClassVar[type[Options]] = TunedOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("akiba2019",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedTuned:
        """Search on valid where it is given, then fit the best setting.

        Raises StudyError on an option that the model does not have, NotConverged where no
        setting converged, and what the model raises.
        """
        chosen: Mapping[str, Any] = {}
        if valid is not None and not valid.is_control.all() and self.options.space:
            chosen = self._search(train, valid, run)
        fitted = self._model(chosen).fit(train, valid, run.child("fit"))
        return FittedTuned(fitted, chosen)

    def restore(self, state: State) -> FittedTuned:
        """See :meth:`cellula.core.model.Model.restore`."""
        chosen = dict(state.meta["tuned"])
        own = State(state.arrays, state.meta["inner"])
        return FittedTuned(self._model(chosen).restore(own), chosen)

    @property
    def parts(self) -> tuple[Model, ...]:
        """See :class:`cellula.core.model.Composed`."""
        return (self._model({}),)

    @property
    def files(self) -> tuple[Path, ...]:
        """See :class:`cellula.core.model.Located`."""
        return model_files(self._model({}))

    def within(self, folder: Path) -> Self:
        """See :class:`cellula.core.model.Located`."""
        return Tuned(self.options, folder)

    def _model(self, chosen: Mapping[str, Any]) -> Model:
        options = _plain(self.options.options)
        for name, value in chosen.items():
            *path, last = name.split(".")
            place = options
            for part in path:
                place = place.setdefault(part, {})
            place[last] = value
        found: Model = registry.create("model", self.options.model, options)
        return located(found, self.folder)

    def _search(self, train: Dataset, valid: Dataset, run: RunContext) -> Mapping[str, Any]:
        """The setting with the least error; the first of equals."""
        study = _study(int(run.child("search").rng.integers(2**31 - 1)))
        space = {
            name: one.distribution
            if isinstance(one, Range)
            else optuna.distributions.CategoricalDistribution(one)
            for name, one in sorted(self.options.space.items())
        }
        errors: dict[bytes, tuple[float, Mapping[str, Any]]] = {}
        rounds = range(0, self.options.trials, self.options.at_once)
        for first in run.progress.track(rounds, "settings"):
            last = min(first + self.options.at_once, self.options.trials)
            asked = [None if trial == 0 else study.ask(space) for trial in range(first, last)]
            settings: list[Mapping[str, Any]] = [one.params if one else {} for one in asked]
            fresh = {canonical_json(one): one for one in settings}
            fresh = {key: one for key, one in fresh.items() if key not in errors}
            tasks = [_Trial(self._model(one), train, valid, run) for one in fresh.values()]
            for key, error in zip(fresh, _scored(tasks, run), strict=True):
                errors[key] = error, fresh[key]
            for one, setting in zip(asked, settings, strict=True):
                if one is not None:
                    _tell(study, one, errors[canonical_json(setting)][0])
        best, setting = min(errors.values(), key=lambda one: one[0])
        if not np.isfinite(best):
            raise NotConverged(
                f"none of {len(errors)} settings of {self.options.model!r} converged; narrow the "
                "space, for example to lower learning rates"
            )
        return setting


@final
@dataclass(frozen=True, slots=True)
class FittedTuned:
    """fitted: the tuned model; chosen: its options that were searched, {} as they stand."""

    fitted: Fitted
    chosen: Mapping[str, Any]

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.fitted.predict(queries, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        inner = self.fitted.state()
        return State(inner.arrays, {"tuned": dict(self.chosen), "inner": dict(inner.meta)})


@dataclass(frozen=True, slots=True)
class _Trial:
    """A setting to be scored: all that travels."""

    model: Model
    train: Dataset
    valid: Dataset
    run: RunContext


def _scored(trials: list[_Trial], run: RunContext) -> Iterator[float]:
    """The error of every setting, on the run's cluster or its threads; the same bits on any."""
    if run.cluster is None:
        yield from each(_error, trials, run)
    else:
        yield from run.cluster.map(_error_elsewhere, [replace(t, run=t.run.light) for t in trials])


def _error_elsewhere(trial: _Trial) -> float:
    with elsewhere(trial.run) as run:
        return _error(replace(trial, run=run))


def _error(trial: _Trial) -> float:
    """Mean squared error on the validation part; infinite where the fit does not converge."""
    train, run = trial.train, trial.run
    held, reference = train_and_valid(train, trial.valid)[1::2]
    if held is None:
        return 0.0
    observed = held.values
    if reference is not None:
        observed = observed + reference.at(held.queries().context)[0]
    control = train.controls or trial.valid.controls
    try:
        fitted = trial.model.fit(train, None, run.child("fit"))
    except NotConverged:
        return float("inf")
    answers = fitted.predict(held.queries(), control, run.child("ask"))
    found = np.concatenate([batch.mean for batch in answers])
    return float(np.mean((found - observed) ** 2))


def _tell(study: optuna.Study, trial: optuna.Trial, error: float) -> None:
    """What a setting came to; one that did not converge has failed."""
    state = optuna.trial.TrialState
    if np.isfinite(error):
        study.tell(trial, error, state=state.COMPLETE)
    else:
        study.tell(trial, None, state=state.FAIL)


def _study(seed: int) -> optuna.Study:
    """A search that keeps all in memory and says nothing."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    finally:
        optuna.logging.set_verbosity(level)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose mappings may be written."""
    return {
        name: _plain(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
    }
