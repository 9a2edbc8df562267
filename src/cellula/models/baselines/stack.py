"""Stacking: a weighted mean of other models, weighed where none of them had seen the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.optimize import nnls

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Fitted, Model, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.out_of_fold import HeldOut, held_out_moments, stacked_means
from cellula.models.baselines.reference import Reference, control_rows

__all__ = ["FittedStack", "Stack", "StackOptions", "convex_weights", "super_learner_weights"]

#: How hard the weights are held to the sum 1, against the spread of the members.
HOLD = 1e4
#: Members whose spread is below this share of the squared error are the same.
ALIKE = 1e-20
#: A weight below this is none.
LEAST_WEIGHT = 1e-6


class StackOptions(Options):
    """Options of :class:`Stack`."""

    members: tuple[str, ...] = Field(default=("mean_response", "row_column_offset"), min_length=1)
    """Kinds of models, each with its default options, tuned as usual."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""

    @model_validator(mode="after")
    def _are_members(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members {list(self.members)} repeat; each model counts once")
        unknown = [name for name in self.members if name not in registry.names("model")]
        if unknown or "stack" in self.members:
            raise ValueError(
                f"{', '.join(unknown) or 'stack'} cannot be a member; expected names of "
                f"{', '.join(name for name in registry.names('model') if name != 'stack')}"
            )
        return self


@final
@dataclass(frozen=True, slots=True)
class Stack:
    """Assumes that what predicts best the parts of training that its members had not seen also
    does so for what is sealed; beyond that it assumes what its members do.

    y = sum_m w_m y_m, w >= 0, sum w = 1 [vanderlaan2007]_. The weights have the least
    squared error over parts of training that the members had not seen: the validation data, and
    further parts held out in the same manner. Over these parts in turn, weights found on the
    others are compared with each member alone; where a member alone is better, it gets weight 1,
    so that the stack is never worse than its best member by more than chance. Without validation
    data all members weigh the same. In domain: every member that has a weight says so.
    """

    options: StackOptions

    name: ClassVar[str] = "stack"
    options_type: ClassVar[type[Options]] = StackOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("vanderlaan2007",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedStack:
        """Weigh the members on what they had not seen, then fit them on all.

        Raises what a member raises that cannot be fitted on these data.
        """
        members = _models(self.options.members)
        weights = np.full(len(members), 1.0 / len(members))
        if valid is not None and not valid.is_control.all() and len(members) > 1:
            with one_blas_thread():
                weights = super_learner_weights(
                    held_out_moments(members, train, valid, run.child("out_of_fold"))
                )
        kept = np.flatnonzero(weights > 0)
        fitted = tuple(members[i].fit(train, valid, run.child("member", int(i))) for i in kept)
        reference = Reference.of([train] if valid is None else [train, valid])
        answer = Answer.of(train, reference, self.options.cells)
        return FittedStack(
            self.options.members,
            weights,
            tuple(self.options.members[i] for i in kept),
            fitted,
            answer,
        )

    def restore(self, state: State) -> FittedStack:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        kept = tuple(meta["fitted"])
        fitted = []
        for number, (name, own) in enumerate(zip(kept, meta["member_meta"], strict=True)):
            prefix = f"member{number}."
            parts = {
                key.removeprefix(prefix): array
                for key, array in arrays.items()
                if key.startswith(prefix)
            }
            fitted.append(_models((name,))[0].restore(State(parts, own)))
        return FittedStack(
            tuple(meta["members"]),
            arrays["weights"],
            kept,
            tuple(fitted),
            Answer.restore(arrays, meta),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedStack:
    """Members and their weights.

    members: all that competed; weights: (members,), summing to 1; kept: those whose weight is
    above 0, in the same order; fitted: these, fitted.
    """

    members: tuple[str, ...]
    weights: NDArray[np.float64]
    kept: tuple[str, ...]
    fitted: tuple[Fitted, ...]
    answer: Answer

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        reference = self._reference(control)
        weights = self.weights[self.weights > 0]

        def effect(batch: QueryTable) -> Effects:
            means, inside = stacked_means(self.fitted, batch, control, run)
            mean = np.tensordot(weights, means, 1)
            if reference is not None:
                mean = mean - reference.at(batch.context)[0]
            return Effects(mean, np.asarray(inside.all(axis=0), np.bool_))

        return self.answer.stream(queries, effect, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`; ``weights`` are those of ``members``."""
        states = [one.state() for one in self.fitted]
        arrays: dict[str, NDArray[Any]] = {"weights": self.weights}
        for number, state in enumerate(states):
            arrays |= {f"member{number}.{key}": array for key, array in state.arrays.items()}
        meta = {
            "members": list(self.members),
            "fitted": list(self.kept),
            "member_meta": [dict(state.meta) for state in states],
        }
        return joined(State(arrays, meta), self.answer.state())

    def _reference(self, control: Dataset | None) -> Reference | None:
        """The control means that :meth:`Answer.stream` adds to an effect."""
        known = self.answer.reference
        if known is None or control is None or control.readouts != self.answer.readouts:
            return known  # other readouts are refused before an effect is asked for
        given = Reference.of([control_rows(control)])
        return known if given is None else known.updated(given)


def _models(names: Sequence[str]) -> tuple[Model, ...]:
    """The members, means only: the stack itself makes the cells."""
    models = []
    for name in names:
        has_cells = "cells" in registry.load("model", name).options_type.model_fields
        models.append(registry.create("model", name, {"cells": 0} if has_cells else {}))
    return tuple(models)


def convex_weights(parts: Sequence[HeldOut]) -> NDArray[np.float64]:
    """The weights w >= 0, sum w = 1, of least mean squared error over the parts: (members,).

    Every part counts the same. Non-negative least squares on a square root of the summed gram,
    with the sum of the weights as a heavy further row.
    """
    gram = np.mean([part.gram for part in parts], axis=0)
    cross = np.mean([part.cross for part in parts], axis=0)
    values, vectors = np.linalg.eigh(gram)
    n = len(gram)
    if values[-1] <= ALIKE * max(float(np.mean([part.square for part in parts])), 1e-300):
        return np.full(n, 1.0 / n)  # the members agree: any weights give the same answer
    kept = values > 1e-12 * float(values[-1])
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ cross) / np.sqrt(values[kept])
    heavy = HOLD * float(np.sqrt(values[-1]))
    system = np.concatenate([root, np.full((1, n), heavy)])
    weights, _ = nnls(system, np.append(target, heavy))
    weights = np.where(weights > LEAST_WEIGHT * weights.sum(), weights, 0.0)
    return np.asarray(weights / weights.sum(), np.float64)


def super_learner_weights(parts: Sequence[HeldOut]) -> NDArray[np.float64]:
    """Convex weights, or weight 1 for the best member where that predicts the parts better.

    The discrete super learner beside the continuous one [vanderlaan2007]_: (members,).
    """
    weights = convex_weights(parts)
    singles = np.eye(len(weights))
    alone = [sum(part.error(one) for part in parts) for one in singles]
    if len(parts) > 1:
        others = [[*parts[:i], *parts[i + 1 :]] for i in range(len(parts))]
        together = sum(
            part.error(convex_weights(rest)) for part, rest in zip(parts, others, strict=True)
        )
        if together >= min(alone):
            return np.asarray(singles[int(np.argmin(alone))], np.float64)
    return weights
