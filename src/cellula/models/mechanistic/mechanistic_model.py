"""A network and a declared table of what perturbations do to it, as a virtual cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.perturbation import components
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.pseudobulk import mean_rows
from cellula.models.baselines.reference import Reference
from cellula.models.mechanistic.network_file import NetworkFile
from cellula.models.mechanistic.perturbed import Perturbed, Question
from cellula.models.mechanistic.question import MechanisticModelOptions
from cellula.models.mechanistic.targets import Target, TargetTable, read_targets

__all__ = ["FittedMechanisticModel", "MechanisticModel"]

Floats: TypeAlias = NDArray[np.float64]
#: How many queries a batch holds at most, and how many numbers of its cells.
MAX_ROWS, MAX_VALUES = 65_536, 2**22


@final
@dataclass(frozen=True, slots=True)
class MechanisticModel:
    """Assumes that a network of reactions, with what perturbations change in it as a table
    declares, holds for these cells: nothing of it is learned from the data.

    A question is answered by simulating a population of the network [hucka2003]_: cells start
    with the values of their context, each with its own draw of what varies, the perturbation
    changes ids as the table says (by a dose: x 1 / (1 + (dose / IC50)^hill)), and readouts are read
    off the courses. With ``scale = "fitted"`` a factor and an offset of each readout are fitted
    on the controls of training. folder: what relative paths of files start from.
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
        )
        return FittedMechanisticModel(
            perturbed, tuple(meta["readouts"]), ValueType(meta["value_type"]), arrays["scale"]
        )

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
    """perturbed: the network; scale: (2, readouts), factor and offset of each readout."""

    perturbed: Perturbed
    readouts: tuple[str, ...]
    value_type: ValueType
    scale: Floats

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`.

        Out of domain: a perturbation without a row (answered by untreated cells), a dose or time
        beyond what its rows declare, and a context that is neither declared nor, where none is,
        in training.
        """
        n = self.perturbed.options.cells.n
        size = max(1, min(MAX_ROWS, MAX_VALUES // (n * len(self.readouts))))
        for batch in queries.batches(size):
            questions = _questions(batch)
            distinct = list(dict.fromkeys(questions))
            cells = {
                one: self._cells(one, run) for one in run.progress.track(distinct, "questions")
            }
            in_domain = {one: self.perturbed.is_declared(one) for one in distinct}
            yield Prediction(
                batch,
                self.readouts,
                self.value_type,
                np.stack([cells[one].mean(axis=0) for one in questions]),
                np.array([in_domain[one] for one in questions]),
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
        meta = {
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
        return State(arrays, meta)

    def _cells(self, question: Question, run: RunContext) -> Floats:
        """The population that answers a question: (cells, readouts)."""
        values = self.perturbed.answer(question, self.readouts, run) * self.scale[0] + self.scale[1]
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
    observed, predicted = _control_means(declared, parts, run)
    scale = np.stack([_line(x, y) for x, y in zip(predicted.T, observed.T, strict=True)], axis=1)
    return FittedMechanisticModel(declared.perturbed, declared.readouts, declared.value_type, scale)


def _control_means(
    declared: FittedMechanisticModel, parts: Sequence[Dataset], run: RunContext
) -> tuple[Floats, Floats]:
    """What controls of training are, observed and predicted: (questions, readouts) each."""
    rows: dict[Question, list[Floats]] = {}
    for part in parts:
        controls = part.controls
        if controls is None:
            continue
        asked = controls.queries()
        codes = asked.keys()
        first = np.unique(codes, return_index=True)[1]
        means = mean_rows(controls.values, codes, len(first))
        for question, mean in zip(_questions(asked.take(first)), means, strict=True):
            rows.setdefault(question, []).append(mean)
    if not rows:
        raise DataError(
            'scale = "fitted" fits on control profiles and the data have none; name their column '
            'in the role is_control, or take scale = "declared"'
        )
    predicted = np.stack([declared._cells(one, run).mean(axis=0) for one in rows])
    return np.stack([np.mean(means, axis=0) for means in rows.values()]), predicted


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
