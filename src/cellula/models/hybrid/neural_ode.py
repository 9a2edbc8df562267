"""A differential equation of known kinetics, with a small network for what they leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import unique_labels
from cellula.models.baselines.reference import Reference
from cellula.models.hybrid.growth_field import GrowthBatch, GrowthField
from cellula.models.learned.blocks.checkpoint import data_fingerprint, fingerprint
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.trainer import (
    Positions,
    Training,
    TrainOptions,
    fit_then_refit,
)
from cellula.models.learned.blocks.weights import load_weights, weights_of
from cellula.models.mechanistic.growth_courses import (
    CourseOptions,
    GrowthCourses,
    division_rates,
    growth_courses,
)
from cellula.models.mechanistic.growth_fit import GrowthParameters, fit_growth, tuned_shrinkage
from cellula.models.mechanistic.growth_kinetics import GrowthQuestions

__all__ = ["FittedNeuralOde", "NeuralOde", "NeuralOdeOptions"]

Floats: TypeAlias = NDArray[np.float64]
#: Shares of what was learned that are tried on validation data.
BELIEFS = (0.0, 0.25, 0.5, 0.75, 1.0)


@final
class NeuralOdeOptions(CourseOptions):
    """Options of :class:`NeuralOde`."""

    noise: float = Field(default=0.2, gt=0)
    """Standard deviation of log2 cells of a question that is no growth."""
    shrinkage: float = Field(default=0.3, gt=0)
    """How far a line may be from its drug in the kinetics; tuned on validation data."""
    width: int = Field(default=16, ge=1)
    """Units of the hidden layer."""
    penalty: float = Field(default=0.01, ge=0)
    """What the square of the learned term costs beside the squared error: it is drawn to 0."""
    shift_penalty: float = Field(default=0.03, ge=0)
    """What the square of the shift of the kinetics costs, in standard deviations of the prior."""
    step_h: float = Field(default=8.0, gt=0)
    """The longest step of the solver, in hours."""
    train: TrainOptions = TrainOptions(
        epochs=120, batch=4096, learning_rate=0.005, weight_decay=1e-3, patience=30
    )
    """How the equation is trained; a batch is of conditions."""


@final
@dataclass(frozen=True, slots=True)
class NeuralOde:
    """Assumes that growth under a drug follows its kinetics but for a small and smooth difference.

    A universal differential equation [rackauckas2020]_: dx/dt = core(x, t; p, condition) + s g(x,
    t, condition), x the change of log2 cells by the drug. The core is that of ``growth_kinetics``,
    fitted first; then its parameters and a network g that begins at 0 are fitted together through a
    solver of fixed steps, both drawn to where they began. On ``valid`` the epochs are chosen and s,
    from 0 (the kinetics alone) to 1. In domain: as ``growth_kinetics``.
    """

    options: NeuralOdeOptions

    name: ClassVar[str] = "neural_ode"
    options_type: ClassVar[type[Options]] = NeuralOdeOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), needs_control=True)
    references: ClassVar[tuple[str, ...]] = ("rackauckas2020", "harrisfrick2016")

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedNeuralOde:
        """Fit the kinetics, then kinetics and network together; tune on ``valid``.

        Raises DataError as ``growth_kinetics`` does, NotConverged where the training diverges.
        """
        options = self.options
        seen, held, both, reference = growth_courses(train, valid, options, self.name)
        inputs = fingerprint(self.name, options, data_fingerprint(train, valid))
        with torch_scope(run, self.name) as scope:
            shrinkage = options.shrinkage
            if held is not None:
                shrinkage = tuned_shrinkage(seen, held, reference, options.noise)
            known = fit_growth(both, reference, options.noise, shrinkage)
            fit = _Fit(options, reference, scope, inputs)
            tuned: list[Training[Tensor]] = []

            def tune() -> Training[Tensor]:
                own = fit_growth(seen, reference, options.noise, shrinkage)
                tuned.append(fit.training(seen, own, held))
                return tuned[0]

            last, _ = fit_then_refit(
                None if held is None else tune,
                lambda: fit.training(both, known, None),
                options.train,
                scope,
                run,
            )
            belief = 1.0 if held is None else fit.belief(tuned[0].module, held)
            last.module.to("cpu")
        field: Any = last.module
        return FittedNeuralOde(known, both.hours, field, belief, Answer.of(train, reference, 0))

    def restore(self, state: State) -> FittedNeuralOde:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        known = GrowthParameters.restore(state)
        hours = arrays["growth_hours"]
        field = GrowthField(known, hours, self.options.width, self.options.step_h)
        load_weights(field, arrays)
        field.eval()
        answer = Answer.restore(arrays, meta)
        return FittedNeuralOde(known, hours, field, float(meta["belief"]), answer)


@final
@dataclass(frozen=True, slots=True)
class FittedNeuralOde:
    """known: the kinetics; field: with what was learned; belief: s; hours: (readouts,)."""

    known: GrowthParameters
    hours: Floats
    field: GrowthField
    belief: float
    answer: Answer

    def effects(self, queries: QueryTable, reference: Reference, run: RunContext) -> Effects:
        """The change of growth that every query asks for: (queries, readouts)."""
        asked = GrowthQuestions.of(queries, self.known)
        labels, place = unique_labels(queries.context)
        division = division_rates(reference, self.hours, labels)[place]
        batch = GrowthBatch.of(asked.drug, asked.line, asked.log10_dose, division)
        with torch_scope(run, "neural_ode"), torch.no_grad():
            mean = self.field(batch, self.belief)[0].numpy()
        return Effects(mean, asked.in_domain(self.known))

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        reference = self.answer.reference_with(control)
        if reference is None:
            raise DataError("a fitted 'neural_ode' has controls, and this state has none")

        def effect(batch: QueryTable) -> Effects:
            return self.effects(batch, reference, run)

        return self.answer.stream(queries, effect, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State({**weights_of(self.field), "growth_hours": self.hours}, {"belief": self.belief})
        return joined(own, self.known.state(), self.answer.state())


@dataclass(frozen=True, slots=True)
class _Fit:
    """What the trainings of one call share."""

    options: NeuralOdeOptions
    reference: Reference
    scope: TorchScope
    inputs: str

    def training(
        self, courses: GrowthCourses, known: GrowthParameters, held: GrowthCourses | None
    ) -> Training[Tensor]:
        """A fresh equation with these kinetics, and what it is fitted to."""
        options, device = self.options, self.scope.device
        field = GrowthField(known, courses.hours, options.width, options.step_h).to(device)
        table, wanted = self._table(courses, known)
        weights = torch.from_numpy(courses.weights).to(device)

        def loss(rows: Tensor, _: torch.Generator) -> Tensor:
            told, added = field(table.take(rows))
            error = (((told - wanted[rows]) * weights) ** 2).mean()
            beside = options.penalty * (added**2).mean()
            shift = options.shift_penalty * (field.shift**2).mean()
            return torch.as_tensor(error + beside + shift)

        seed = self.scope.seed % 2**62
        return Training(
            field,
            loss,
            Positions(len(wanted), options.train.batch, seed),
            None if held is None else lambda: self.error(field, held, 1.0),
            fingerprint(self.inputs, held is not None),
        )

    def error(self, field: Any, held: GrowthCourses, belief: float) -> float:
        """Mean squared error on courses that were held out."""
        table, wanted = self._table(held, field.known)
        weights = torch.from_numpy(held.weights).to(wanted.device)
        with torch.no_grad():
            return float((((field(table, belief)[0] - wanted) * weights) ** 2).mean())

    def belief(self, field: Any, held: GrowthCourses) -> float:
        """The share of what was learned with the least error; the least of equals."""
        return min(BELIEFS, key=lambda share: self.error(field, held, share))

    def _table(self, courses: GrowthCourses, known: GrowthParameters) -> tuple[GrowthBatch, Tensor]:
        drug, line = known.codes(courses.drugs, courses.lines)
        division = division_rates(self.reference, courses.hours, courses.lines)[courses.line]
        table = GrowthBatch.of(drug[courses.drug], line[courses.line], courses.log10_dose, division)
        everything = torch.arange(len(division))
        wanted = torch.from_numpy(courses.values)
        return table.take(everything), wanted
