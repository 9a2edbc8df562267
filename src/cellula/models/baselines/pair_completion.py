"""Completion of the table perturbation x context from what was measured, with side features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Attribution, Capabilities, Options, State
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer
from cellula.models.baselines.encoding import row_names
from cellula.models.baselines.features import SideFeatures
from cellula.models.baselines.gaussian_completion import (
    GaussianTable,
    Standard,
    complete,
    expected,
    fit_gaussian,
)
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.response_table import ExplainedTable, FittedTable, ResponseTable
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["PairCompletion", "PairCompletionOptions"]

#: Tried on validation data: the prior's weight first, then the penalty of the features.
PRIORS = (0.2, 0.6, 1.8)
PENALTIES = (10.0, 30.0, 300.0)
#: Iterations from nothing, while tuning, and of the last fit; each starts where one ended.
FIRST, TUNING, LAST = 4, 1, 3
#: The largest table: contexts x treatments x readouts, and treatments.
MAX_ENTRIES, MAX_TREATMENTS = 50_000_000, 3_000


class PairCompletionOptions(Options):
    """Options of :class:`PairCompletion`."""

    prior: float = Field(default=0.6, gt=0)
    """Contexts that the prior of the covariance counts for, a treatment; tuned."""
    penalty: float = Field(default=30.0, gt=0)
    """Ridge penalty of the context features, over their number; tuned."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class PairCompletion:
    """Assumes that treatments which acted alike in the contexts where both were measured also do
    in the others, and that features of a context shift its responses linearly.

    Each treatment's response is regressed on all others' in the same context. Per readout, the
    standardised responses of context c are Gaussian, z_c ~ N(m + B x_c, C): x_c the context's
    features, C the covariance of treatments shrunk to its diagonal, so that few directions carry
    what is shared. Fitted with the missing entries by expectation-maximisation [dempster1977]_; a
    pair's answer is its mean given all that was measured in its context (for a measured pair: all
    else), with a 90 % interval. An unseen context has m + B x_c, an unseen perturbation the
    context's mean; neither is in domain.
    """

    options: PairCompletionOptions

    name: ClassVar[str] = "pair_completion"
    options_type: ClassVar[type[Options]] = PairCompletionOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind) - {ClaimKind.UNSEEN_PERTURBATION, ClaimKind.UNSEEN_COMBINATION},
        predicts_cells=True,
    )
    references: ClassVar[tuple[str, ...]] = ("dempster1977",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> ExplainedTable:
        """Tune on ``valid`` by squared error, then fit both together, readout by readout.

        Raises DataError when the table is too large for a covariance of treatments.
        """
        seen, held, both, reference = train_and_valid(train, valid)
        _check_size(both)
        features = SideFeatures.of(train.context_features, both.contexts)
        measured = set(both.contexts)
        contexts = (*both.contexts, *(c for c in features.labels if c not in measured))
        parts = []
        with one_blas_thread():
            for readout in run.progress.track(range(both.values.shape[1]), self.name):
                prior, penalty, start = self.options.prior, self.options.penalty, None
                if held is not None:
                    prior, penalty, start = _tuned(seen, held, readout, features, (prior, penalty))
                    start = _moved(start, seen, both)
                parts.append(_completed(both, readout, features, contexts, prior, penalty, start))
        table = _response_table(both, contexts, parts)
        answer = Answer.of(train, reference, self.options.cells)
        rows = row_names(both.treatments, train.readouts)
        values = np.stack([part.slopes for part in parts], axis=1).reshape(len(rows), -1)
        method = "ridge coefficients of the expected response, a standard deviation of the feature"
        attribution = Attribution(rows, features.names, values, method)
        return ExplainedTable(FittedTable(table, answer), attribution)

    def restore(self, state: State) -> ExplainedTable:
        """See :meth:`cellula.core.model.Model.restore`."""
        return ExplainedTable.restore(state)


@dataclass(frozen=True, slots=True)
class _Completed:
    """One readout: (contexts, treatments) mean and spread, (treatments,) effect; slopes."""

    effect: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    slopes: NDArray[np.float64]


def _completed(
    bulk: Pseudobulk,
    readout: int,
    features: SideFeatures,
    contexts: tuple[str, ...],
    prior: float,
    penalty: float,
    start: GaussianTable | None,
) -> _Completed:
    table = bulk.table(readout)
    standard = Standard.of(table)
    z, x = (table - standard.center) / standard.scale, features.at(bulk.contexts)
    fitted = fit_gaussian(z, x, prior, penalty, FIRST if start is None else LAST, start)
    mean, spread = complete(z, x, fitted)
    unseen = fitted.prior(features.at(contexts[len(bulk.contexts) :]))
    alone = np.tile(np.sqrt(np.diag(fitted.covariance)), (len(unseen) + 1, 1))
    average = fitted.intercept[None]
    return _Completed(
        standard.center,
        np.concatenate([mean, unseen, average]) * standard.scale,
        np.concatenate([spread, alone]) * standard.scale,
        (fitted.coefficients * standard.scale).T * features.contrast,
    )


def _tuned(
    seen: Pseudobulk,
    held: Pseudobulk,
    readout: int,
    features: SideFeatures,
    options: tuple[float, float],
) -> tuple[float, float, GaussianTable]:
    """Prior and penalty of least error on ``held``, one after the other, and their fit."""
    table = seen.table(readout)
    standard = Standard.of(table)
    z, x = (table - standard.center) / standard.scale, features.at(seen.contexts)
    treatment = seen.treatments.positions(held.queries())
    is_asked = treatment < len(seen.treatments)
    place = {name: i for i, name in enumerate(seen.contexts)}
    row_of = np.array([place.get(c, len(place) + i) for i, c in enumerate(held.contexts)])
    row, column = row_of[held.context[is_asked]], treatment[is_asked]
    wanted = (held.values[is_asked, readout] - standard.center[column]) / standard.scale[column]
    weight, unseen = standard.scale[column] ** 2, features.at(held.contexts)

    def error(fitted: GaussianTable) -> float:
        full = np.concatenate([expected(z, x, fitted), fitted.prior(unseen)])
        return float(weight @ (full[row, column] - wanted) ** 2)

    first = fit_gaussian(z, x, *options, FIRST)
    best = (error(first), *options, first)
    for prior in PRIORS:
        if prior != best[1]:
            best = min(best, _trial(z, x, prior, best[2], first, error), key=itemgetter(0))
    for penalty in PENALTIES if len(features.names) else ():
        if penalty != best[2]:
            best = min(best, _trial(z, x, best[1], penalty, first, error), key=itemgetter(0))
    return best[1:]


def _trial(
    z: NDArray[np.float64],
    x: NDArray[np.float64],
    prior: float,
    penalty: float,
    first: GaussianTable,
    error: Callable[[GaussianTable], float],
) -> tuple[float, float, float, GaussianTable]:
    fitted = fit_gaussian(z, x, prior, penalty, TUNING, first)
    return error(fitted), prior, penalty, fitted


def _moved(start: GaussianTable, seen: Pseudobulk, both: Pseudobulk) -> GaussianTable | None:
    """Where the last fit may start: None when it has other treatments than the tuning had."""
    return start if seen.treatments.names == both.treatments.names else None


def _response_table(
    bulk: Pseudobulk, contexts: tuple[str, ...], parts: list[_Completed]
) -> ResponseTable:
    fill = bulk.treatments.with_fallbacks
    mean = np.stack([fill(part.mean.T).T for part in parts], axis=2)
    spread = np.stack([np.sqrt(fill(part.spread.T**2).T) for part in parts], axis=2)
    return ResponseTable(
        bulk.treatments,
        contexts,
        fill(np.stack([part.effect for part in parts], axis=1)),
        np.arange(len(contexts) + 1) < len(bulk.contexts),
        bulk.treatments.is_seen,
        interaction=mean,
        spread=spread,
    )


def _check_size(bulk: Pseudobulk) -> None:
    treatments, contexts, readouts = len(bulk.treatments), len(bulk.contexts), bulk.values.shape[1]
    if treatments > MAX_TREATMENTS or treatments * contexts * readouts > MAX_ENTRIES:
        raise DataError(
            f"a table of {treatments} treatments x {contexts} contexts x {readouts} readouts is "
            f"too large to complete (at most {MAX_TREATMENTS} treatments and {MAX_ENTRIES} "
            "entries); take fewer readouts or perturbations, or the model 'row_column_offset'"
        )
