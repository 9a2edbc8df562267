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
from cellula.models.baselines.out_of_fold import (
    HeldOut,
    held_out_moments,
    response_strata,
    stacked_means,
)
from cellula.models.baselines.reference import Reference

__all__ = [
    "FittedStack",
    "Stack",
    "StackOptions",
    "convex_weights",
    "stratum_weights",
    "super_learner_weights",
]

#: How hard the weights are held to the sum 1, against the spread of the members.
HOLD = 1e4
#: Members whose spread is below this share of the squared error are the same.
ALIKE = 1e-20
#: A weight below this is none.
LEAST_WEIGHT = 1e-6


class StackOptions(Options):
    """Options of :class:`Stack`."""

    members: tuple[str, ...] = Field(
        default=("mean_response", "shrunken_response", "row_column_offset"), min_length=1
    )
    """Kinds of models, the simplest first, each with its default options, tuned as usual."""
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
    further parts held out in the same manner. They may differ between readouts that respond
    strongly, middling and hardly in training. Over the parts in turn, weights found on the
    others are compared with each member alone and with one another, and the simplest that nothing
    beats by more than chance is taken: a member, one set of weights, or weights by stratum. With
    ``control`` or ``mean_response`` among the members the effect shrinks towards none or the mean.
    Without validation data all members weigh the same. In domain: every member that has a weight
    says so.
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
        stratum = response_strata([train] if valid is None else [train, valid])
        weights = np.full((int(stratum.max()) + 1, len(members)), 1.0 / len(members))
        if valid is not None and not valid.is_control.all() and len(members) > 1:
            with one_blas_thread():
                weights = super_learner_weights(
                    held_out_moments(members, train, valid, run.child("out_of_fold"))
                )
        kept = np.flatnonzero((weights > 0).any(axis=0))
        fitted = tuple(members[i].fit(train, valid, run.child("member", int(i))) for i in kept)
        reference = Reference.of([train] if valid is None else [train, valid])
        answer = Answer.of(train, reference, self.options.cells)
        return FittedStack(
            self.options.members,
            weights,
            stratum,
            tuple(self.options.members[i] for i in kept),
            fitted,
            answer,
        )

    @property
    def parts(self) -> tuple[Model, ...]:
        """See :class:`cellula.core.model.Composed`."""
        return _models(self.options.members)

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
            arrays["stratum"],
            kept,
            tuple(fitted),
            Answer.restore(arrays, meta),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedStack:
    """Members and their weights.

    members: all that competed; weights: (strata, members), of a stratum summing to 1; stratum:
    (readouts,); kept: the members that have a weight above 0, in the same order; fitted: these,
    fitted.
    """

    members: tuple[str, ...]
    weights: NDArray[np.float64]
    stratum: NDArray[np.int64]
    kept: tuple[str, ...]
    fitted: tuple[Fitted, ...]
    answer: Answer

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        reference = self.answer.reference_with(control)
        weights = self.weights[:, (self.weights > 0).any(axis=0)][self.stratum]

        def effect(batch: QueryTable) -> Effects:
            means, inside = stacked_means(self.fitted, batch, control, run)
            mean = np.einsum("rm,mqr->qr", weights, means)
            if reference is not None:
                mean = mean - reference.at(batch.context)[0]
            return Effects(mean, np.asarray(inside.all(axis=0), np.bool_))

        return self.answer.stream(queries, effect, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`; ``weights`` are those of ``members``."""
        states = [one.state() for one in self.fitted]
        arrays: dict[str, NDArray[Any]] = {"weights": self.weights, "stratum": self.stratum}
        for number, state in enumerate(states):
            arrays |= {f"member{number}.{key}": array for key, array in state.arrays.items()}
        meta = {
            "members": list(self.members),
            "fitted": list(self.kept),
            "member_meta": [dict(state.meta) for state in states],
        }
        return joined(State(arrays, meta), self.answer.state())


def _models(names: Sequence[str]) -> tuple[Model, ...]:
    """The members, means only: the stack itself makes the cells."""
    models = []
    for name in names:
        has_cells = "cells" in registry.load("model", name).options_type.model_fields
        models.append(registry.create("model", name, {"cells": 0} if has_cells else {}))
    return tuple(models)


def convex_weights(
    gram: NDArray[np.float64], cross: NDArray[np.float64], square: float
) -> NDArray[np.float64]:
    """The weights w >= 0, sum w = 1, that minimise w'Gw - 2w'c + square: (members,).

    gram: (members, members); cross: (members,). Non-negative least squares on a square root of
    the gram, with the sum of the weights as a heavy further row.
    """
    values, vectors = np.linalg.eigh(gram)
    n = len(gram)
    if values[-1] <= ALIKE * max(square, 1e-300):
        return np.full(n, 1.0 / n)  # the members agree: any weights give the same answer
    kept = values > 1e-12 * float(values[-1])
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ cross) / np.sqrt(values[kept])
    heavy = HOLD * float(np.sqrt(values[-1]))
    system = np.concatenate([root, np.full((1, n), heavy)])
    weights, _ = nnls(system, np.append(target, heavy))
    weights = np.where(weights > LEAST_WEIGHT * weights.sum(), weights, 0.0)
    return np.asarray(weights / weights.sum(), np.float64)


def stratum_weights(parts: Sequence[HeldOut], common: float) -> NDArray[np.float64]:
    """Convex weights of least squared error over the groups of the parts: (strata, members).

    common: the share of the weights that fit all strata together in those of every stratum; 1
    weighs all strata alike, 0 each by its own errors.
    """
    gram = np.concatenate([part.gram for part in parts]).mean(axis=0)
    cross = np.concatenate([part.cross for part in parts]).mean(axis=0)
    square = np.concatenate([part.square for part in parts]).mean(axis=0)
    shared = convex_weights(gram.sum(axis=0), cross.sum(axis=0), float(square.sum()))
    if common >= 1:
        return np.tile(shared, (len(gram), 1))
    own = [convex_weights(g, c, float(q)) for g, c, q in zip(gram, cross, square, strict=True)]
    return np.asarray(common * shared + (1.0 - common) * np.stack(own), np.float64)


def super_learner_weights(parts: Sequence[HeldOut]) -> NDArray[np.float64]:
    """The weights of the simplest rule that no other beats by more than chance: (strata, members).

    The rules, simplest first: each member alone, in their order; one set of weights; weights by
    stratum, half shrunk to the common ones; weights by stratum. Over the parts in turn, a rule's
    weights found on the others are scored; the rule of least error is taken, or a
    simpler one whose error is within one standard error, over groups, of it.
    """
    n_strata, n_members = parts[0].cross.shape[1:]
    singles = [np.tile(one, (n_strata, 1)) for one in np.eye(n_members)]
    shares = (1.0, 0.5, 0.0) if n_strata > 1 else (1.0,)
    if len(parts) == 1:
        return stratum_weights(parts, 1.0)
    errors = [np.concatenate([part.errors(one) for part in parts]) for one in singles]
    others = [[*parts[:i], *parts[i + 1 :]] for i in range(len(parts))]
    for share in shares:
        found = [
            part.errors(stratum_weights(rest, share))
            for part, rest in zip(parts, others, strict=True)
        ]
        errors.append(np.concatenate(found))
    chosen = _simplest(errors)
    if chosen < n_members:
        return singles[chosen]
    return stratum_weights(parts, shares[chosen - n_members])


def _simplest(errors: Sequence[NDArray[np.float64]]) -> int:
    """The first rule whose errors (groups,) are within a standard error of the least."""
    best = min(range(len(errors)), key=lambda rule: float(errors[rule].mean()))
    for rule in range(best):
        worse = errors[rule] - errors[best]
        chance = float(worse.std(ddof=1)) / np.sqrt(len(worse)) if len(worse) > 1 else 0.0
        if float(worse.mean()) <= chance:
            return rule
    return best
