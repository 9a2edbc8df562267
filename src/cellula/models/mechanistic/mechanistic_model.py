"""A network and a declared table of what perturbations do to it, as a virtual cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.optimisation import Optimiser
from cellula.core.perturbation import components
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.simulation import Simulator
from cellula.core.value_type import ValueType
from cellula.models.baselines.pseudobulk import mean_rows
from cellula.models.baselines.reference import Reference
from cellula.models.mechanistic.fitted_parameters import FittedParameters, fitted_parameters
from cellula.models.mechanistic.fitting import FitOptions
from cellula.models.mechanistic.network_file import NetworkFile
from cellula.models.mechanistic.perturbed import Perturbed, Question
from cellula.models.mechanistic.question import MechanisticModelOptions
from cellula.models.mechanistic.targets import Target, TargetTable, read_targets

__all__ = ["FittedMechanisticModel", "MechanisticModel"]

Floats: TypeAlias = NDArray[np.float64]
#: How many queries a batch holds at most, and how many numbers of its cells.
MAX_ROWS, MAX_VALUES = 65_536, 2**22
#: Of a normal distribution: 90 % lie within as many standard deviations.
NORMAL_95 = 1.6448536269514722


@final
@dataclass(frozen=True, slots=True)
class MechanisticModel:
    """Assumes that a network of reactions, with what perturbations change in it as a table
    declares, holds for these cells: nothing of it is learned from the data that is not asked for.

    A question is answered by simulating a population of the network [hucka2003]_: cells start
    with the values of their context, each with its own draw of what varies, the perturbation
    changes ids as the table says (by a dose: x 1 / (1 + (dose / IC50)^hill)), and readouts are read
    off the courses. With ``scale = "fitted"`` a factor and an offset of each readout are fitted
    on the controls of training. With ``fitted``, the values of some ids are fitted to all means
    of training, and answers have intervals. folder: what relative paths of files start from.
    """

    options: MechanisticModelOptions
    folder: Path = Path()

    name: ClassVar[str] = "mechanistic_model"
    options_type: ClassVar[type[Options]] = MechanisticModelOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("hucka2003",)

    @property
    def files(self) -> tuple[Path, ...]:
        """See :class:`cellula.core.model.Located`."""
        targets = self.options.targets
        named = (self.options.network, *((targets,) if isinstance(targets, Path) else ()))
        return tuple(self.folder / name for name in named)

    def within(self, folder: Path) -> Self:
        """See :class:`cellula.core.model.Located`."""
        return MechanisticModel(self.options, folder)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedMechanisticModel:
        """Read network and table, draw the cells, and fit the scale where that is asked for.

        Raises DataError on a file that is not there or is another, on an id that the network
        lacks, on units that differ, on a readout of the data that is not declared, and where a
        scale is to be fitted without controls.
        """
        options = self.options
        parts = [train] if valid is None else [train, valid]
        missing = [name for name in train.readouts if name not in options.readouts]
        if missing:
            raise DataError(
                f"{len(missing)} readout(s) of the data are not declared: "
                f"{', '.join(missing[:5])}; "
                f"give options.readouts of each (declared: {', '.join(options.readouts)})"
            )
        reference = Reference.of(parts)
        seen = {str(name) for part in parts for name in part.queries().context.categories}
        perturbed = Perturbed(
            options,
            NetworkFile.of(
                self.folder / options.network, options.network_format, options.network_sha256
            ),
            self._targets(),
            () if reference is None else reference.labels,
            tuple(options.contexts) or tuple(sorted(seen)),
            run.child("cells").rng.standard_normal((options.cells.n, len(options.cells.spread))),
        )
        perturbed.check()
        n = len(train.readouts)
        declared = FittedMechanisticModel(
            perturbed, train.readouts, train.value_type, np.stack([np.ones(n), np.zeros(n)])
        )
        if options.fitted:
            return _with_fitted(declared, parts, run)
        return declared if options.scale == "declared" else _scaled(declared, parts, run)

    def restore(self, state: State) -> FittedMechanisticModel:
        """See :meth:`cellula.core.model.Model.restore`; needs neither file."""
        arrays, meta = state.arrays, state.meta
        perturbed = Perturbed(
            self.options,
            NetworkFile(meta["network"], meta["format"], arrays["network"].tobytes()),
            {
                label: tuple(Target.model_validate(row) for row in rows)
                for label, rows in meta["targets"].items()
            },
            tuple(meta["untreated"]),
            tuple(meta["contexts"]),
            arrays["scores"],
            meta.get("fitted", {}),
        )
        known = None
        if perturbed.values:
            known = FittedParameters(perturbed.values, arrays["draws"], arrays["noise"])
        told = tuple(meta["readouts"]), ValueType(meta["value_type"]), arrays["scale"]
        return FittedMechanisticModel(perturbed, *told, known)

    def _targets(self) -> TargetTable:
        given = self.options.targets
        if isinstance(given, Path) and not (self.folder / given).is_file():
            raise DataError(
                f"{self.folder / given}: no such table of targets; check options.targets"
            )
        table = read_targets(self.folder / given) if isinstance(given, Path) else given
        return {"+".join(components(label)): rows for label, rows in table.items()}


@final
@dataclass(frozen=True, slots=True)
class FittedMechanisticModel:
    """perturbed: the network; scale: (2, readouts), factor and offset of each readout; known: the
    parameters that were fitted, where any were.
    """

    perturbed: Perturbed
    readouts: tuple[str, ...]
    value_type: ValueType
    scale: Floats
    known: FittedParameters | None = None

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`.

        Out of domain: a perturbation without a row (answered by untreated cells), a dose or time
        beyond what its rows declare, and a context that is neither declared nor, where none is,
        in training. Intervals, where parameters were fitted: the spread of the answers over what
        the data allow, and the noise that the fit left.
        """
        n = self.perturbed.options.cells.n
        size = max(1, min(MAX_ROWS, MAX_VALUES // (n * len(self.readouts))))
        simulator = self.perturbed.simulator()
        for batch in queries.batches(size):
            questions = _questions(batch)
            distinct = list(dict.fromkeys(questions))
            cells = {
                one: self.cells_of(one, simulator, run)
                for one in run.progress.track(distinct, "questions")
            }
            mean = np.stack([cells[one].mean(axis=0) for one in questions])
            half = self._half_widths(questions, simulator, run)
            lowest = 0.0 if self.value_type.is_non_negative else -np.inf
            in_domain = {one: self.perturbed.is_declared(one) for one in distinct}
            yield Prediction(
                batch,
                self.readouts,
                self.value_type,
                mean,
                np.array([in_domain[one] for one in questions]),
                lower=None if half is None else np.maximum(mean - half, lowest),
                upper=None if half is None else np.maximum(mean + half, lowest),
                cells=None if n == 1 else _population([cells[one] for one in questions]),
            )

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`: the network's file is part of it."""
        asked = self.perturbed
        arrays: dict[str, NDArray[Any]] = {
            "network": np.frombuffer(asked.file.content, np.uint8),
            "scores": asked.scores,
            "scale": self.scale,
        }
        meta: dict[str, Any] = {
            "network": asked.file.name,
            "format": asked.file.format,
            "network_sha256": asked.file.sha256,
            "targets": {
                label: [row.model_dump(mode="json") for row in rows]
                for label, rows in asked.targets.items()
            },
            "untreated": list(asked.untreated),
            "contexts": list(asked.contexts),
            "readouts": list(self.readouts),
            "value_type": self.value_type.value,
        }
        if self.known is not None:
            arrays |= {"draws": self.known.draws, "noise": self.known.noise}
            meta["fitted"] = dict(self.known.values)
        return State(arrays, meta)

    def _half_widths(
        self, questions: Sequence[Question], simulator: Simulator, run: RunContext
    ) -> Floats | None:
        """Half the 90 % intervals: (questions, readouts); None where nothing was fitted."""
        if self.known is None:
            return None
        distinct, ids = list(dict.fromkeys(questions)), tuple(self.known.values)
        answers = np.stack(
            [
                _answers(self, dict(zip(ids, draw.tolist(), strict=True)), distinct, simulator, run)
                for draw in self.known.draws
            ]
        )
        half = NORMAL_95 * np.sqrt(answers.var(axis=0) + self.known.noise**2)
        rows = [distinct.index(one) for one in questions]
        return np.asarray(half[rows])

    def cells_of(self, question: Question, simulator: Simulator, run: RunContext) -> Floats:
        """The population that answers a question: (cells, readouts)."""
        told = self.perturbed.answer(question, self.readouts, simulator, run)
        values = told * self.scale[0] + self.scale[1]
        lowest = 0.0 if self.value_type.is_non_negative else -np.inf
        return np.asarray(np.maximum(values, lowest))


def _questions(queries: QueryTable) -> Sequence[Question]:
    """Every row as a question."""
    n = len(queries)
    doses = [None] * n if queries.dose_molar is None else queries.dose_molar.tolist()
    times = [None] * n if queries.time_s is None else queries.time_s.tolist()
    labels = (map(str, queries.perturbation), map(str, queries.context))
    return [Question(*row) for row in zip(*labels, doses, times, strict=True)]


def _population(cells: Sequence[Floats]) -> Population:
    sizes = [len(one) for one in cells]
    return Population(np.concatenate(cells), np.repeat(np.arange(len(cells)), sizes))


def _scaled(
    declared: FittedMechanisticModel, parts: Sequence[Dataset], run: RunContext
) -> FittedMechanisticModel:
    """The same with a factor and an offset of each readout, by least squares over the questions
    that controls answer. Where all their predictions agree, a factor alone, or, where they are 0,
    an offset alone.
    """
    controls = [part.controls for part in parts if part.controls is not None]
    if not controls:
        raise DataError(
            'scale = "fitted" fits on control profiles and the data have none; name their column '
            'in the role is_control, or take scale = "declared"'
        )
    questions, observed = _means(controls)
    simulator = declared.perturbed.simulator()
    predicted = _answers(declared, {}, questions, simulator, run)
    scale = np.stack([_line(x, y) for x, y in zip(predicted.T, observed.T, strict=True)], axis=1)
    return FittedMechanisticModel(declared.perturbed, declared.readouts, declared.value_type, scale)


def _means(parts: Sequence[Dataset]) -> tuple[list[Question], Floats]:
    """The distinct questions of some profiles, and what was observed: (questions, readouts)."""
    rows: dict[Question, list[Floats]] = {}
    for part in parts:
        asked = part.queries()
        codes = asked.keys()
        first = np.unique(codes, return_index=True)[1]
        means = mean_rows(part.values, codes, len(first))
        for question, mean in zip(_questions(asked.take(first)), means, strict=True):
            rows.setdefault(question, []).append(mean)
    return list(rows), np.stack([np.mean(means, axis=0) for means in rows.values()])


def _answers(
    one: FittedMechanisticModel,
    values: Mapping[str, float],
    questions: Sequence[Question],
    simulator: Simulator,
    run: RunContext,
) -> Floats:
    """What the network says with some values, the mean of cells: (questions, readouts).

    values: of what is fitted; without any, those that the model has.
    """
    asked = replace(one, perturbed=replace(one.perturbed, values=values)) if values else one
    return np.stack([asked.cells_of(each, simulator, run).mean(axis=0) for each in questions])


@final
@dataclass(frozen=True, slots=True)
class _Answer:
    """All training questions as a function of what is fitted; it travels to other machines."""

    declared: FittedMechanisticModel
    questions: tuple[Question, ...]
    simulator: Simulator
    run: RunContext

    def __call__(self, values: Mapping[str, float]) -> Floats:
        return _answers(self.declared, values, self.questions, self.simulator, self.run).ravel()


def _with_fitted(
    declared: FittedMechanisticModel, parts: Sequence[Dataset], run: RunContext
) -> FittedMechanisticModel:
    """The same with the values of ids fitted to all questions that the profiles answer."""
    options = declared.perturbed.options
    questions, observed = _means(parts)
    optimiser: Optimiser = registry.create("optimiser", options.optimiser)
    known = fitted_parameters(
        options.fitted,
        _Answer(declared, tuple(questions), declared.perturbed.simulator(), run.light),
        observed,
        (optimiser, FitOptions.model_validate({"starts": options.starts}), options.draws),
        run.child("fitted"),
    )
    return replace(
        declared, perturbed=replace(declared.perturbed, values=known.values), known=known
    )


def _line(predicted: Floats, observed: Floats) -> Floats:
    """Factor and offset of one readout."""
    x, y = predicted - predicted.mean(), observed - observed.mean()
    if x @ x > 1e-18 * (predicted @ predicted):
        factor = (x @ y) / (x @ x)
    elif predicted.any():
        return np.array([observed.mean() / predicted.mean(), 0.0])
    else:
        factor = 1.0
    return np.array([factor, observed.mean() - factor * predicted.mean()])
