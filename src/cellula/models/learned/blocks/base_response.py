"""A simple answer that every control cell is given first; the network learns what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import State
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.context_transfer import (
    ContextTransfer,
    ContextTransferOptions,
    FittedContextTransfer,
    Rule,
    Sources,
)
from cellula.models.baselines.out_of_fold import held_out_kind
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference

__all__ = ["Base", "BaseResponse", "Held", "held_as"]

Base = Literal["none", "mean_response", "context_transfer"]
#: As what questions are held out: every context in turn, every perturbation, or not at all.
Held = Literal["context", "perturbation", "nothing"]
#: The rule under which every source context counts alike: the mean response.
MEAN = Rule(1e6, 0.0, None)
#: Fewer contexts or perturbations than this leave nothing to learn from when one is held out.
FEWEST = 3
PREFIX = "base."


@dataclass(frozen=True, slots=True)
class BaseResponse:
    """The answer of a simple model; ``transfer`` is None where there is none (a response of 0)."""

    transfer: FittedContextTransfer | None

    @classmethod
    def of(cls, base: Base, train: Dataset, valid: Dataset | None, run: RunContext) -> BaseResponse:
        """Fitted on both parts; see :class:`ContextTransfer` for errors."""
        if base == "none":
            return cls(None)
        fitted = ContextTransfer(ContextTransferOptions(cells=0)).fit(train, valid, run)
        return cls(fitted if base == "context_transfer" else replace(fitted, rule=MEAN))

    @property
    def name(self) -> str:
        """The simple model, "" where there is none."""
        if self.transfer is None:
            return ""
        return "mean_response" if self.transfer.rule == MEAN else "context_transfer"

    def effects(self, query: QueryTable, reference: Reference) -> NDArray[np.float64] | float:
        """The response to every query (queries, readouts), or 0."""
        return 0.0 if self.transfer is None else self.transfer.effects(query, reference).mean

    def left_out(
        self, bulk: Pseudobulk, held: Held, hidden: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The answer to every training question by the others alone: (groups, readouts).

        What a network learns beyond the base must be what the base lacks on NEW questions, and a
        base has seen those of training. bulk: the groups. held: whether a question is new by its
        context, by its perturbation, or was seen; hidden: contexts that count for none.
        """
        fitted = self.transfer
        if fitted is None:
            return np.zeros_like(bulk.values)
        found = np.empty_like(bulk.values)
        sources, rule = fitted.sources, fitted.rule
        for context in range(len(bulk.contexts)):
            rows = np.flatnonzero(bulk.context == context)
            control = sources.controls[context]
            if held == "perturbation":
                found[rows] = _without_own(fitted, control, bulk.treatment[rows])
                continue
            lost = hidden if held == "nothing" else np.append(hidden, context)
            kept = np.setdiff1d(np.arange(len(sources.controls)), lost)
            if not len(kept):
                found[rows] = 0.0
                continue
            known = Sources(sources.controls[kept], sources.deltas[kept])
            place = _measured(fitted, known, bulk.treatment[rows])
            found[rows] = known.transferred(control, place, rule)
        return found

    def state(self) -> State:
        """Arrays and JSON from which :meth:`restore` makes this again."""
        if self.transfer is None:
            return State({})
        own = self.transfer.state()
        arrays = {PREFIX + name: array for name, array in own.arrays.items()}
        return State(arrays, {"base": dict(own.meta)})

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> BaseResponse:
        """The base of a state."""
        if "base" not in meta:
            return cls(None)
        own = {
            name.removeprefix(PREFIX): array
            for name, array in arrays.items()
            if name.startswith(PREFIX)
        }
        model = ContextTransfer(ContextTransferOptions(cells=0))
        return cls(model.restore(State(own, meta["base"])))


def held_as(train: Dataset, valid: Dataset | None, bulk: Pseudobulk) -> Held:
    """How questions will be new: as ``valid`` was held out, else by what there are several of."""
    enough = {
        "context": len(bulk.contexts) >= FEWEST,
        "perturbation": len(bulk.treatments.perturbations) >= FEWEST,
    }
    if valid is not None and not valid.is_control.all():
        kind = held_out_kind(train, valid)
        if kind in (ClaimKind.UNSEEN_PERTURBATION, ClaimKind.UNSEEN_COMBINATION):
            return "perturbation" if enough["perturbation"] else "nothing"
        if kind in (ClaimKind.UNSEEN_CONTEXT, ClaimKind.UNSEEN_PAIR):
            return "context" if enough["context"] else "nothing"
        return "nothing"
    return next((name for name in ("context", "perturbation") if enough[name]), "nothing")


def _measured(
    fitted: FittedContextTransfer, known: Sources, treatment: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows of the sources that answer for treatments: their own, their perturbation's, all."""
    is_there = np.any(~np.isnan(known.deltas[:, :, 0]), axis=0).ravel()
    rough = len(fitted.treatments) + fitted.treatments.perturbation[treatment]
    last = np.full(len(treatment), known.deltas.shape[1] - 1)
    return np.where(is_there[treatment], treatment, np.where(is_there[rough], rough, last))


def _without_own(
    fitted: FittedContextTransfer, control: NDArray[np.float64], treatment: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The response to treatments from all other perturbations: (treatments, readouts)."""
    known = fitted.treatments
    first, last = len(known), len(known) + len(known.perturbations)
    rough = fitted.sources.deltas[:, first:last]
    is_there = ~np.isnan(rough[:, :, 0])
    total, n = np.nansum(rough, axis=1), is_there.sum(axis=1)
    found = np.empty((len(treatment), rough.shape[2]))
    for place, perturbation in enumerate(known.perturbation[treatment]):
        own = is_there[:, perturbation]
        others = (n - own)[:, None]
        rest = total - np.where(own[:, None], np.nan_to_num(rough[:, perturbation]), 0.0)
        mean = np.divide(rest, others, out=np.full_like(rest, np.nan), where=others > 0)
        sources = Sources(fitted.sources.controls, mean[:, None])
        found[place] = sources.transferred(control, np.zeros(1, np.int64), fitted.rule)[0]
    return found
