"""A PEtab problem as a virtual cell: fitted on some conditions, asked for the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.optimisation import Optimiser
from cellula.core.petab import PetabProblem
from cellula.core.petab_labels import time_label
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.io.formats import read
from cellula.io.petab.document import petab_files
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.mechanistic.fitting import FitOptions, fit
from cellula.models.mechanistic.petab_objective import (
    PetabObjective,
    petab_objective,
    scaled,
)
from cellula.models.mechanistic.petab_questions import PetabQuestions, Question
from cellula.models.mechanistic.solver import SolverOptions

__all__ = ["FittedPetabModel", "PetabModel", "PetabModelOptions", "questions_of"]

Floats: TypeAlias = NDArray[np.float64]
#: How many queries a batch holds at most.
MAX_ROWS = 65_536


@final
class PetabModelOptions(Options):
    """Options of :class:`PetabModel`."""

    problem: Path
    """The YAML of the problem. In a study, from the folder of the data (``--data``)."""
    time: Literal["context", "time_s"] = "context"
    """What tells the time of a question: the context, a label such as ``0.07`` in the model's unit
    (the column ``at`` of ``petab_profiles``), or the role ``time_s``."""
    time_unit_s: float = Field(default=1.0, gt=0)
    """The model's unit of time in seconds; used with ``time_s``."""
    optimiser: str = "fides"
    """The optimiser of the fit."""
    optimiser_options: Mapping[str, Any] = Field(default_factory=dict)
    """The optimiser's own options."""
    starts: int = Field(default=20, ge=1)
    """Its starts, from a Latin hypercube over the bounds on the scales of estimation."""
    redraws: int = Field(default=10, ge=0)
    """How often a start at which the model has no solution is drawn anew."""
    rtol: float = Field(default=1e-5, gt=0, lt=1)
    """Error of a solver's step that is allowed, relative to each state and each sensitivity."""
    atol: float = Field(default=1e-9, gt=0)
    """Error of a solver's step that is allowed beside it."""
    max_steps: int = Field(default=10_000, ge=1)
    """Steps of the solver before a simulation counts as failed."""

    @property
    def solver(self) -> SolverOptions:
        """The solver's part of these."""
        return SolverOptions.model_validate(
            {"rtol": self.rtol, "atol": self.atol, "max_steps": self.max_steps}
        )


def questions_of(queries: QueryTable, options: PetabModelOptions) -> list[Question]:
    """The labels of condition and time of every query.

    Raises DataError where the role that tells the time is absent.
    """
    if options.time == "context":
        return list(zip(map(str, queries.perturbation), map(str, queries.context), strict=True))
    if queries.time_s is None:
        raise DataError(
            'a petab_model with time = "time_s" is asked for a time; name the column in the role '
            'time_s, or take time = "context"'
        )
    times = [time_label(time) for time in (queries.time_s / options.time_unit_s).tolist()]
    return list(zip(map(str, queries.perturbation), times, strict=True))


@final
@dataclass(frozen=True, slots=True)
class PetabModel:
    """Assumes that the model of a PEtab problem holds under every condition that the problem
    names, with the same values of its parameters.

    All estimated parameters, those of the noise too, are fitted to the profiles of training alone,
    by maximum likelihood from many starts between the problem's bounds [schmiester2021]_; neither
    the nominal values nor the problem's own measurements are used. A question is a label of the
    reader ``petab_profiles`` and a time; readouts are observables. Doses, donors and, where the
    role ``time_s`` tells the time, contexts are not told apart. In domain: every value that the
    condition sets is one that a condition of training sets, or a number between two of theirs, and
    so is the time. folder: what a relative path of the problem starts from.
    """

    options: PetabModelOptions
    folder: Path = Path()

    name: ClassVar[str] = "petab_model"
    options_type: ClassVar[type[Options]] = PetabModelOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind))
    references: ClassVar[tuple[str, ...]] = ("schmiester2021",)

    @property
    def files(self) -> tuple[Path, ...]:
        """See :class:`cellula.core.model.Located`: the YAML and all that it names."""
        path = self.folder / self.options.problem
        if not path.is_file():
            return (path,)
        named = petab_files(path)
        tables = (*named.parameters, *named.conditions, *named.observables, *named.measurements)
        return (path, named.model, *tables)

    def within(self, folder: Path) -> Self:
        """See :class:`cellula.core.model.Located`."""
        return PetabModel(self.options, folder)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedPetabModel:
        """Fit the parameters to train and valid together: there is nothing to tune.

        Raises DataError on a file that is no problem, a readout that is no observable, a question
        that is none of its conditions or times; NotConverged where no start has a solution;
        EngineError where a condition has none at the optimum.
        """
        return self.fit_from([train] if valid is None else [train, valid], None, run)

    def fit_from(
        self, parts: Sequence[Dataset], begin: Mapping[str, float] | None, run: RunContext
    ) -> FittedPetabModel:
        """As :meth:`fit`, to all parts, and, where ``begin`` is given, from it and one start more.

        begin: estimated parameter -> value, not scaled, such as those of an earlier fit.
        """
        first, options = parts[0], self.options
        if any(part.readouts != first.readouts for part in parts):
            raise DataError("train and valid have other readouts; give both the same")
        known = PetabQuestions.of(self._problem(), first.readouts)
        seen = [one for part in parts for one in questions_of(part.queries(), options)]
        optimiser: Optimiser = registry.create(
            "optimiser", options.optimiser, dict(options.optimiser_options)
        )
        starts = options.starts if begin is None else 1
        asked = FitOptions(starts=starts, redraws=options.redraws)
        with one_blas_thread():
            measured = known.measured(seen, np.concatenate([part.dense() for part in parts]))
            objective = petab_objective(measured, options.solver)
            given = None if begin is None else _scaled(objective, begin)
            found = fit(objective, optimiser, asked, run.child("fit"), given)
            told, _ = petab_objective(known.asked(), options.solver).simulated(found.optimum)
        values = objective.parameters(found.optimum)
        return FittedPetabModel(
            options,
            tuple(known.questions),
            first.readouts,
            first.value_type,
            known.on_scale(told),
            known.inside(list(dict.fromkeys(seen))),
            {id: values[id] for id in objective.ids},
            found.waterfall,
        )

    def restore(self, state: State) -> FittedPetabModel:
        """See :meth:`cellula.core.model.Model.restore`; needs no file."""
        arrays, meta = state.arrays, state.meta
        return FittedPetabModel(
            self.options,
            tuple((str(label), str(time)) for label, time in meta["petab_questions"]),
            tuple(meta["petab_readouts"]),
            ValueType(meta["petab_value_type"]),
            arrays["petab_told"],
            arrays["petab_in_domain"],
            dict(zip(meta["petab_ids"], arrays["petab_optimum"].tolist(), strict=True)),
            arrays["petab_waterfall"],
        )

    def _problem(self) -> PetabProblem:
        path = self.folder / self.options.problem
        if not path.is_file():
            raise DataError(f"{path}: no such PEtab problem; give the path from the data's folder")
        found = read(path, "petab")
        if not isinstance(found, PetabProblem):
            raise DataError(f"{path.name} is no PEtab problem")
        return found


@final
@dataclass(frozen=True, slots=True)
class FittedPetabModel:
    """What the fitted model says under every condition of the problem, at all its times.

    questions: labels of condition and time; told: (questions, readouts), on the observables'
    scales; in_domain: (questions,); parameters: estimated -> value, not scaled; waterfall:
    (starts,) the objective where the descents ended, ascending, infinite where one failed.
    """

    options: PetabModelOptions
    questions: tuple[Question, ...]
    readouts: tuple[str, ...]
    value_type: ValueType
    told: Floats
    in_domain: NDArray[np.bool_]
    parameters: Mapping[str, float]
    waterfall: Floats

    def places(self, queries: QueryTable) -> NDArray[np.int64]:
        """Where the answer of every query is: (queries,).

        Raises DataError, naming the label, on a condition or time that the problem has not.
        """
        place = {question: k for k, question in enumerate(self.questions)}
        asked = questions_of(queries, self.options)
        for label, time in dict.fromkeys(asked):
            if (label, time) not in place:
                few = ", ".join(f"{known} at {when}" for known, when in self.questions[:5])
                raise DataError(
                    f"{label!r} at {time!r} is no condition and time of the problem that was "
                    f"fitted; those are {few} ..."
                )
        return np.array([place[one] for one in asked], np.int64)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        lowest = 0.0 if self.value_type.is_non_negative else -np.inf
        for batch in queries.batches(MAX_ROWS):
            place = self.places(batch)
            mean = np.maximum(self.told[place], lowest)
            yield Prediction(batch, self.readouts, self.value_type, mean, self.in_domain[place])

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        arrays: dict[str, NDArray[Any]] = {
            "petab_told": self.told,
            "petab_in_domain": self.in_domain,
            "petab_optimum": np.array(list(self.parameters.values())),
            "petab_waterfall": self.waterfall,
        }
        meta = {
            "petab_questions": [list(one) for one in self.questions],
            "petab_readouts": list(self.readouts),
            "petab_value_type": self.value_type.value,
            "petab_ids": list(self.parameters),
        }
        return State(arrays, meta)


def _scaled(objective: PetabObjective, values: Mapping[str, float]) -> Floats:
    """One start at some values: (1, estimated)."""
    return np.array([[scaled(values[one.id], one.scale) for one in objective.estimated]])
