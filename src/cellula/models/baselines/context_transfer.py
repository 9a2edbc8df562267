"""Transfer between contexts: what a treatment did in similar contexts, scaled gene by gene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import Treatments
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["ContextTransfer", "ContextTransferOptions", "FittedContextTransfer", "Rule", "Sources"]

#: What is tried on training contexts held out in turn; the last temperature weighs all alike.
TEMPERATURES = (0.05, 0.1, 0.2, 100.0)
SHRINKAGES = (0.0, 0.3, 1.0, 3.0)
OFFSETS = (0.02, 0.1, 1.0)
#: Contexts that must be left after one is held out, so that a mean has a spread.
FEWEST_SOURCES = 2
#: The largest fold between the gates of two contexts.
MAX_GATE = 10.0
#: The largest table of responses kept: contexts x treatments x readouts.
MAX_ENTRIES = 100_000_000

Mode = Literal["auto", "additive", "multiplicative"]


class ContextTransferOptions(Options):
    """Options of :class:`ContextTransfer`; T, k and e are tuned where there is valid."""

    mode: Mode = "auto"
    """Whether falls scale with the new context's controls; ``auto``: tuned, else additive."""
    temperature: float = Field(default=0.2, gt=0)
    """T of the weights by similarity, in units of the correlation: small takes the nearest."""
    shrinkage: float = Field(default=1.0, ge=0)
    """k of the scale of a readout by how well the sources agree; 0: no scale."""
    offset: float = Field(default=0.02, gt=0)
    """e added to both controls of the gate, in units of the values."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How responses travel: T, k and e of the model; ``offset`` e is None for the additive rule."""

    temperature: float
    shrinkage: float
    offset: float | None


@dataclass(frozen=True, slots=True)
class Sources:
    """What is transferred from.

    controls: (contexts, readouts) control means; deltas: (contexts, rows, readouts) responses,
    NaN where a treatment was not measured in a context.
    """

    controls: NDArray[np.float64]
    deltas: NDArray[np.float64]

    def without(self, context: int) -> Sources:
        """The other contexts."""
        kept = np.arange(len(self.controls)) != context
        return Sources(self.controls[kept], self.deltas[kept])

    def similarity(self, control: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pearson correlation of a control profile (readouts,) with each source: (contexts,).

        0 where a profile does not vary.
        """
        x = control - control.mean()
        y = self.controls - self.controls.mean(axis=1, keepdims=True)
        norm = np.sqrt((x**2).sum() * (y**2).sum(axis=1))
        correlation = np.divide(y @ x, norm, out=np.zeros(len(y)), where=norm > 1e-12)
        return np.asarray(correlation, np.float64)

    def transferred(
        self, control: NDArray[np.float64], rows: NDArray[np.int64], rule: Rule
    ) -> NDArray[np.float64]:
        """Responses of treatments in a context with this control profile: (rows, readouts).

        A treatment that no source measured has a response of 0.
        """
        closeness = self.similarity(control)
        near = np.exp((closeness - closeness.max()) / rule.temperature)
        result = np.empty((len(rows), self.deltas.shape[2]))
        for i, row in enumerate(rows):
            measured = ~np.isnan(self.deltas[:, row, 0])
            if not measured.any():
                result[i] = 0.0
                continue
            weight = near[measured] / near[measured].sum()
            delta = _scaled(self.deltas[measured, row], weight, rule.shrinkage)
            if rule.offset is not None:
                typical = weight @ self.controls[measured]
                gate = (control + rule.offset) / (typical + rule.offset)
                delta = np.where(delta < 0, delta * np.minimum(gate, MAX_GATE), delta)
            result[i] = delta
        return result


def _scaled(
    deltas: NDArray[np.float64], weight: NDArray[np.float64], shrinkage: float
) -> NDArray[np.float64]:
    """The weighted mean m of (contexts, readouts) times a = m^2 / (m^2 + k var(m))."""
    mean = weight @ deltas
    concentration = float((weight**2).sum())
    if len(weight) < FEWEST_SOURCES or concentration > 1.0 - 1e-9:
        return mean
    spread = weight @ (deltas - mean) ** 2 / (1.0 - concentration)
    square = mean**2
    total = square + shrinkage * spread * concentration
    return mean * np.divide(square, total, out=np.zeros_like(mean), where=total > 0)


@final
@dataclass(frozen=True, slots=True)
class ContextTransfer:
    """Assumes that contexts alike in their controls respond alike, that readouts in which training
    contexts agree carry over best, and (where so chosen) that what is not expressed cannot fall.

    delta_new[g] = gate[g] a[g] sum over source contexts s of w[s] delta_s[g].
    w[s] ~ exp(r(c_new, c_s) / T), r the Pearson correlation of control profiles: similar
    contexts weigh more. a = m^2 / (m^2 + k var(m)) scales a readout by how well the sources
    agree, m being their weighted mean and var(m) its sampling variance from their spread: a
    reliability. gate, in the multiplicative rule on values that cannot be negative, is
    (c_new + e) / (c_sources + e) where m < 0. T, k, e and the rule itself have the least squared
    error over training contexts held out in turn. In domain: the treatment was seen, and the
    controls of the context are as similar to their nearest source as training contexts are to
    theirs.
    """

    options: ContextTransferOptions

    name: ClassVar[str] = "context_transfer"
    options_type: ClassVar[type[Options]] = ContextTransferOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(
            {
                ClaimKind.UNSEEN_CONTEXT,
                ClaimKind.UNSEEN_DONOR,
                ClaimKind.UNSEEN_BATCH,
                ClaimKind.UNSEEN_PAIR,
                ClaimKind.RANDOM,
            }
        ),
        needs_control=True,
        predicts_cells=True,
    )
    references: ClassVar[tuple[str, ...]] = ()

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedContextTransfer:
        """Tune over the contexts of train and valid where there is valid; keep all responses.

        Raises DataError without controls, or where there are too many responses to keep.
        """
        _, held, both, reference = train_and_valid(train, valid)
        if reference is None:
            raise DataError(
                "the model 'context_transfer' moves differences from a control between contexts "
                "and these data have no control; name the column that marks them in the role "
                "is_control, or take 'mean_response'"
            )
        _check_size(both)
        sources = _sources(both, reference)
        with one_blas_thread():
            rule = self._rule(sources, held is not None, train.value_type.is_non_negative)
            limit = _usual_similarity(sources)
        answer = Answer.of(train, reference, self.options.cells)
        return FittedContextTransfer(both.treatments, sources, rule, limit, answer)

    def restore(self, state: State) -> FittedContextTransfer:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        return FittedContextTransfer(
            Treatments.restore(arrays, meta),
            Sources(arrays["source_controls"], arrays["source_deltas"]),
            Rule(meta["temperature"], meta["shrinkage"], meta["offset"]),
            float(meta["similarity_limit"]),
            Answer.restore(arrays, meta),
        )

    def _rule(self, sources: Sources, is_tuned: bool, is_non_negative: bool) -> Rule:
        own = self.options
        if own.mode == "multiplicative" and not is_non_negative:
            raise DataError(
                "mode is 'multiplicative', but these values may be negative, so that a ratio of "
                "controls has no meaning; take mode = 'additive' or 'auto'"
            )
        if not is_tuned or len(sources.controls) <= FEWEST_SOURCES:
            gate = own.offset if own.mode == "multiplicative" else None
            return Rule(own.temperature, own.shrinkage, gate)
        offsets: tuple[float | None, ...] = (None,)
        if is_non_negative and own.mode != "additive":
            offsets = OFFSETS if own.mode == "multiplicative" else (None, *OFFSETS)
        rules = [Rule(*parts) for parts in product(TEMPERATURES, SHRINKAGES, offsets)]
        return min(rules, key=lambda rule: _held_out_error(sources, rule, is_non_negative))


@final
@dataclass(frozen=True, slots=True)
class FittedContextTransfer:
    """The responses of training and the rule by which they travel.

    sources.deltas: (contexts, treatments.n_rows, readouts); limit: the least similarity to the
    nearest source that is in domain.
    """

    treatments: Treatments
    sources: Sources
    rule: Rule
    limit: float
    answer: Answer

    def effects(self, queries: QueryTable, reference: Reference) -> Effects:
        """The transferred response of every query: (queries, readouts), in units of the values.

        reference: the control means of the queried contexts.
        """
        row = self.treatments.positions(queries)
        mean = np.empty((len(queries), self.sources.deltas.shape[2]))
        is_near = np.empty(len(queries), bool)
        controls, _ = reference.at(queries.context)
        codes = np.asarray(queries.context.codes)
        for code in np.unique(codes):
            asked = np.flatnonzero(codes == code)
            control = controls[asked[0]]
            distinct, inverse = np.unique(row[asked], return_inverse=True)
            mean[asked] = self.sources.transferred(control, distinct, self.rule)[inverse]
            is_near[asked] = self.sources.similarity(control).max() >= self.limit
        return Effects(mean, self.treatments.is_seen[row] & is_near)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        reference = self._reference(control)
        return self.answer.stream(
            queries, lambda batch: self.effects(batch, reference), control, run
        )

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(
            {"source_controls": self.sources.controls, "source_deltas": self.sources.deltas},
            {
                "temperature": self.rule.temperature,
                "shrinkage": self.rule.shrinkage,
                "offset": self.rule.offset,
                "similarity_limit": self.limit,
            },
        )
        return joined(own, self.treatments.state(), self.answer.state())

    def _reference(self, control: Dataset | None) -> Reference:
        """The control means of training, replaced by those that come with the queries."""
        known = self.answer.reference_with(control)
        if known is None:
            raise DataError("a fitted 'context_transfer' has controls, and this state has none")
        return known


def _sources(bulk: Pseudobulk, reference: Reference) -> Sources:
    """Responses in every context, with a perturbation's and the overall mean as last rows."""
    cube = bulk.cube()
    known = bulk.treatments
    n_perturbations = len(known.perturbations)
    n_contexts, _, n_readouts = cube.shape
    rough = np.full((n_contexts, n_perturbations + 1, n_readouts), np.nan)
    for context in range(n_contexts):
        measured = np.flatnonzero(~np.isnan(cube[context, :, 0]))
        here, group = np.unique(known.perturbation[measured], return_inverse=True)
        sums = np.zeros((len(here), n_readouts))
        np.add.at(sums, group, cube[context, measured])
        means = sums / np.bincount(group)[:, None]
        rough[context, here] = means
        rough[context, -1] = means.mean(axis=0)
    place = [reference.contexts.index(name) for name in bulk.contexts]
    return Sources(reference.means[place], np.concatenate([cube, rough], axis=1))


def _held_out_error(sources: Sources, rule: Rule, is_non_negative: bool) -> float:
    """Mean over contexts held out in turn of the mean squared error of their responses."""
    errors = []
    for context in range(len(sources.controls)):
        others = sources.without(context)
        seen = ~np.isnan(sources.deltas[context, :, 0]) & ~np.isnan(others.deltas[:, :, 0]).all(0)
        rows = np.flatnonzero(seen)
        predicted = others.transferred(sources.controls[context], rows, rule)
        floor = -sources.controls[context] if is_non_negative else -np.inf
        observed = sources.deltas[context, rows]
        errors.append(float(np.mean((np.maximum(predicted, floor) - observed) ** 2)))
    return float(np.mean(errors))


def _usual_similarity(sources: Sources) -> float:
    """The least similarity of a training context to its nearest other; 1 for one context."""
    n = len(sources.controls)
    nearest = (
        [
            sources.without(context).similarity(sources.controls[context]).max()
            for context in range(n)
        ]
        if n > 1
        else [1.0]
    )
    return float(min(nearest)) - 1e-9


def _check_size(bulk: Pseudobulk) -> None:
    entries = len(bulk.contexts) * bulk.treatments.n_rows * bulk.values.shape[1]
    if entries > MAX_ENTRIES:
        raise DataError(
            f"{len(bulk.contexts)} contexts x {bulk.treatments.n_rows} treatments x "
            f"{bulk.values.shape[1]} readouts are {entries} responses, more than {MAX_ENTRIES}; "
            "take fewer readouts or perturbations"
        )
