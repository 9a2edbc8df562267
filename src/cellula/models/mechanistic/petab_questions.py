"""What can be asked of a PEtab problem: its observables, under every condition at every time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.petab import MEASUREMENT_COLUMNS, PetabProblem, PetabValue, Scale
from cellula.core.petab_labels import experiment_labels, time_label
from cellula.models.mechanistic.petab_objective import unscaled

__all__ = ["PetabQuestions", "Question"]

Floats: TypeAlias = NDArray[np.float64]
#: The label of a condition and that of a time.
Question: TypeAlias = tuple[str, str]
#: What a row gives for the placeholders of an observable and of its noise.
Overrides: TypeAlias = tuple[str, str]


@final
@dataclass(frozen=True, slots=True)
class PetabQuestions:
    """Conditions, times and observables of a problem by their labels, without what was measured.

    problem: of its measurements only conditions, times and overrides are used. labels: of
    conditions, as ``petab_profiles`` gives them -> pre-equilibration and condition. questions: all
    labels at all finite times, and steady states that were measured -> the time. readouts: the
    observables asked for. overrides: label and observable -> what rows give for placeholders.
    """

    problem: PetabProblem
    labels: Mapping[str, tuple[str, str]]
    questions: Mapping[Question, float]
    readouts: tuple[str, ...]
    overrides: Mapping[tuple[str, str], Overrides]

    @classmethod
    def of(cls, problem: PetabProblem, readouts: Sequence[str]) -> PetabQuestions:
        """The questions about some observables.

        Raises DataError on a readout that is no observable with a measurement, and where rows of
        one condition and observable give different placeholders.
        """
        known = problem.measurements["observableId"].unique()
        missing = [name for name in readouts if name not in known]
        if missing:
            raise DataError(
                f"{problem.id} measures no observable {missing[0]!r}; expected one of "
                f"{', '.join(map(str, known))}: leave the other readouts out"
            )
        labels: dict[str, tuple[str, str]] = {}
        for experiment, label in experiment_labels(problem).items():
            labels.setdefault(label, experiment)
        given = _overrides(problem, list(labels), readouts)
        return cls(problem, labels, _questions(problem, list(labels)), tuple(readouts), given)

    def measured(self, questions: Sequence[Question], values: Floats) -> PetabProblem:
        """The problem with other measurements: (questions, readouts), on the observables' scales.

        Raises DataError on a question that is none of its own.
        """
        self.require(questions)
        scales = [self._transformation(name) for name in self.readouts]
        rows: list[tuple[object, ...]] = []
        for question, told in zip(questions, values.tolist(), strict=True):
            pairs = zip(told, scales, strict=True)
            rows += self._rows(question, [unscaled(value, scale)[0] for value, scale in pairs])
        return self._problem(rows)

    def asked(self) -> PetabProblem:
        """The problem with all questions and no measurement: questions x readouts rows."""
        nothing = [math.nan] * len(self.readouts)
        return self._problem([row for one in self.questions for row in self._rows(one, nothing)])

    def on_scale(self, told: Floats) -> Floats:
        """What a simulation of :meth:`asked` says, on the observables' scales: (questions,
        readouts).

        Raises DataError where there is no logarithm.
        """
        found = told.reshape(len(self.questions), len(self.readouts)).copy()
        for k, name in enumerate(self.readouts):
            scale = self._transformation(name)
            if scale == "lin":
                continue
            if not (found[:, k] > 0).all():
                raise DataError(
                    f"{self.problem.id}: the model says {found[:, k].min():g} of {name!r}, whose "
                    f"transformation is {scale!r}; leave the readout or that condition out"
                )
            found[:, k] = (np.log if scale == "log" else np.log10)(found[:, k])
        return found

    def require(self, questions: Sequence[Question]) -> None:
        """Raise DataError on the first question that is none of these, naming its label."""
        for label, time in dict.fromkeys(questions):
            if label not in self.labels:
                raise DataError(
                    f"{label!r} is no condition that {self.problem.id} has measurements of; "
                    f"expected one of {', '.join(list(self.labels)[:8])}"
                )
            if (label, time) not in self.questions:
                times = list(dict.fromkeys(known for _, known in self.questions))
                raise DataError(
                    f"{time!r} is no time at which {self.problem.id} was measured; expected one of "
                    f"{', '.join(times[:8])}"
                )

    def inside(self, seen: Sequence[Question]) -> NDArray[np.bool_]:
        """Which questions set only what some of these set, or numbers between theirs, at a time
        between theirs: (questions,).
        """
        known = [self._set_by(label) for label in dict.fromkeys(label for label, _ in seen)]
        rows = {label: self._set_by(label) for label in self.labels}
        is_near = {
            label: all(_is_among(id, row, known) for id in row) for label, row in rows.items()
        }
        times = [self.questions[one] for one in seen]
        return np.array(
            [
                is_near[label] and min(times) <= time <= max(times)
                for (label, _), time in self.questions.items()
            ],
            bool,
        )

    def _set_by(self, label: str) -> dict[str, PetabValue]:
        before, condition = self.labels[label]
        first = self.problem.conditions.get(before, {})
        return {
            **self.problem.conditions[condition],
            **{f"{id} before": value for id, value in first.items()},
        }

    def _problem(self, rows: Sequence[tuple[object, ...]]) -> PetabProblem:
        table = pd.DataFrame(rows, columns=list(MEASUREMENT_COLUMNS))
        return replace(self.problem, measurements=table)

    def _rows(self, question: Question, values: Sequence[float]) -> list[tuple[object, ...]]:
        before, condition = self.labels[question[0]]
        time = self.questions[question]
        return [
            (id, before, condition, value, time, *self.overrides[question[0], id])
            for id, value in zip(self.readouts, values, strict=True)
        ]

    def _transformation(self, readout: str) -> Scale:
        return next(o.transformation for o in self.problem.observables if o.id == readout)


def _questions(problem: PetabProblem, labels: Sequence[str]) -> dict[Question, float]:
    table = problem.measurements
    times = sorted({float(time) for time in table["time"] if math.isfinite(time)})
    found = {(label, time_label(time)): time for label in labels for time in times}
    names = experiment_labels(problem)
    steady = table[~np.isfinite(table["time"])]
    columns = ["preequilibrationConditionId", "simulationConditionId"]
    for before, condition in steady[columns].itertuples(index=False, name=None):
        found[names[before, condition], time_label(math.inf)] = math.inf
    return found


def _is_among(
    id: str, row: Mapping[str, PetabValue], known: Sequence[Mapping[str, PetabValue]]
) -> bool:
    """Whether an id has a value that is one of the known ones, or a number between two of them."""
    value = row[id]
    others = [one[id] for one in known if id in one]
    if value in others:
        return True
    numbers = [one for one in others if not isinstance(one, str)]
    return not isinstance(value, str) and bool(numbers) and min(numbers) <= value <= max(numbers)


def _overrides(
    problem: PetabProblem, labels: Sequence[str], ids: Sequence[str]
) -> dict[tuple[str, str], Overrides]:
    """Label and observable -> what its rows give, or, where it has none, rows of any label do.

    Raises DataError where rows differ.
    """
    own: dict[tuple[str, str], set[Overrides]] = {}
    every: dict[str, set[Overrides]] = {}
    names = experiment_labels(problem)
    columns = ["preequilibrationConditionId", "simulationConditionId", "observableId"]
    table = problem.measurements[[*columns, "observableParameters", "noiseParameters"]]
    for before, condition, id, first, second in table.drop_duplicates().itertuples(
        index=False, name=None
    ):
        own.setdefault((names[before, condition], id), set()).add((first, second))
        every.setdefault(id, set()).add((first, second))
    found = {}
    for label, id in itertools.product(labels, ids):
        given = own.get((label, id), every[id])
        if len(given) > 1:
            raise DataError(
                f"{problem.id} gives {len(given)} sets of observableParameters and "
                f"noiseParameters for {id!r} under {label!r}, such as {sorted(given)[:2]}; "
                "expected one: leave that observable out"
            )
        found[label, id] = next(iter(given))
    return found
