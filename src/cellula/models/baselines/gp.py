"""Gaussian process from what is known of a question to the response, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.perturbation import components
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.bilinear_ridge import gene_scores
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.encoding import group_means, unique_labels
from cellula.models.baselines.feature_blocks import feature_blocks
from cellula.models.baselines.features import SideFeatures
from cellula.models.baselines.gaussian_process import GaussianProcess, fit_gaussian_process
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["FittedGp", "Gp", "GpOptions"]

#: The most pseudobulks of an exact solution.
MAX_GROUPS = 3000
#: Components of gene scores that describe a perturbed gene without a table of features.
RANK = 10
#: Doses and times below these count as these: 1e-15 mol/l, 1 s.
LEAST = (1e-15, 1.0)


class GpOptions(Options):
    """Options of :class:`Gp`."""

    components: int = Field(default=20, ge=1)
    """The most principal components of the responses that are predicted."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@dataclass(frozen=True, slots=True)
class _Coordinates:
    """How questions become coordinates.

    embedding: of perturbations; groups: its columns by source; contexts, of_context: labels and
    (contexts + 1, d) coordinates, the last row for any other; center, spread: (2,) of log10 dose
    and log10 time.
    """

    embedding: PerturbationEmbedding
    groups: tuple[NDArray[np.int64], ...]
    contexts: tuple[str, ...]
    of_context: NDArray[np.float64]
    center: NDArray[np.float64]
    spread: NDArray[np.float64]

    def of(
        self, queries: QueryTable
    ) -> tuple[list[NDArray[np.float64]], NDArray[np.bool_], NDArray[np.bool_]]:
        """Blocks of every question (queries, d), whether its perturbation and context are known."""
        vectors, is_known, inverse = self.embedding.of_queries(queries)
        labels, place = unique_labels(queries.context)
        found = pd.Index(self.contexts).get_indexer(pd.Index(labels))[place]
        numbers = np.zeros((len(queries), 2))
        for i, column in enumerate((queries.dose_molar, queries.time_s)):
            if column is not None:
                value = (np.log10(np.maximum(column, LEAST[i])) - self.center[i]) / self.spread[i]
                numbers[:, i] = np.where(np.isfinite(value), value, 0.0)
        parts = [vectors[inverse][:, group] for group in self.groups]
        blocks = [*parts, self.of_context[found], numbers]
        return blocks, is_known[inverse], found >= 0


@final
@dataclass(frozen=True, slots=True)
class Gp:
    """Assumes that questions whose descriptions are near have similar responses, the more so the
    nearer, and tells how far it can know [rasmussen2006]_.

    Responses, less the mean over perturbations, are written in their principal components; each
    component is a Gaussian process with a squared-exponential kernel of the perturbation's
    vector (perturbation_features, each of several embeddings with a length scale of its own;
    without them the scores of the gene of its name; else its name), the context's
    (context_features; else components of the control means), and log10 dose and time. Length
    scales and every component's noise are those of the largest marginal likelihood in training,
    so that what says nothing is not used. The interval of a pseudobulk holds the variance of the
    process, its noise, and what the components leave. A perturbation of which nothing is known has
    the mean response and the widest interval; an unknown context counts as the average one; both
    are out of domain.
    """

    options: GpOptions

    name: ClassVar[str] = "gp"
    options_type: ClassVar[type[Options]] = GpOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("rasmussen2006",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedGp:
        """Fit on train and valid together: the likelihood needs no validation.

        Raises DataError on more than 3,000 pseudobulks.
        """
        _, _, bulk, reference = train_and_valid(train, valid)
        if len(bulk.values) > MAX_GROUPS:
            raise DataError(
                f"{len(bulk.values)} pseudobulks; an exact Gaussian process takes at most "
                f"{MAX_GROUPS}: take fewer contexts or perturbations, or the model 'ridge'"
            )
        with one_blas_thread():
            coordinates = _coordinates(train, bulk, reference)
            labels = bulk.treatments.perturbation[bulk.treatment]
            n = len(bulk.treatments.perturbations)
            center = group_means(bulk.values, labels, n).mean(axis=0)
            residual = bulk.values - center
            left, singular, right = np.linalg.svd(residual, full_matrices=False)
            kept = singular > 1e-10 * max(float(singular[0]), 1e-300)
            kept[self.options.components :] = False
            loadings = right[kept]
            scores = left[:, kept] * singular[kept]
            blocks, is_known, _ = coordinates.of(bulk.queries())
            known = [block[is_known] for block in blocks]
            if not is_known.any():
                known, is_known = blocks, np.ones(len(residual), bool)
            process = fit_gaussian_process(known, scores[is_known])
            rest = np.sqrt(((residual - scores @ loadings) ** 2).mean(axis=0))
            domain = FeatureDomain.of(np.concatenate(known, axis=1))
        answer = Answer.of(train, reference, self.options.cells)
        return FittedGp(center, loadings, rest, coordinates, process, domain, answer)

    def restore(self, state: State) -> FittedGp:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        blocks = tuple(arrays[f"gp_block{b}"] for b in range(len(arrays["gp_lengths"])))
        names = ("lengths", "signal", "noise", "vectors", "values", "rotated")
        coordinates = _Coordinates(
            PerturbationEmbedding.restore(arrays, meta),
            tuple(arrays[f"gp_group{g}"] for g in range(int(meta["gp_groups"]))),
            tuple(meta["gp_contexts"]),
            arrays["gp_of_context"],
            arrays["gp_center"],
            arrays["gp_spread"],
        )
        return FittedGp(
            arrays["center"],
            arrays["loadings"],
            arrays["rest"],
            coordinates,
            GaussianProcess(blocks, *(arrays[f"gp_{name}"] for name in names)),
            FeatureDomain.restore(arrays, meta),
            Answer.restore(arrays, meta),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedGp:
    """center: (readouts,); loadings: (components, readouts); rest: (readouts,) what they leave."""

    center: NDArray[np.float64]
    loadings: NDArray[np.float64]
    rest: NDArray[np.float64]
    coordinates: _Coordinates
    process: GaussianProcess
    domain: FeatureDomain
    answer: Answer

    def effects(self, queries: QueryTable) -> Effects:
        """Mean and standard deviation of every response: (queries, readouts)."""
        _, first, inverse = np.unique(queries.keys(), return_index=True, return_inverse=True)
        blocks, is_known, has_context = self.coordinates.of(queries.take(first))
        mean, variance = self.process.at(blocks, is_known)
        is_near = is_known & has_context & self.domain.contains(np.concatenate(blocks, axis=1))
        spread = np.sqrt(variance @ self.loadings**2 + self.rest**2)
        told = self.center + mean @ self.loadings
        return Effects(told[inverse], is_near[inverse], spread[inverse])

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        p, c = self.process, self.coordinates
        arrays = {
            "center": self.center,
            "loadings": self.loadings,
            "rest": self.rest,
            "gp_lengths": p.lengths,
            "gp_signal": p.signal,
            "gp_noise": p.noise,
            "gp_vectors": p.vectors,
            "gp_values": p.values,
            "gp_rotated": p.rotated,
            "gp_of_context": c.of_context,
            "gp_center": c.center,
            "gp_spread": c.spread,
            **{f"gp_block{b}": block for b, block in enumerate(p.blocks)},
            **{f"gp_group{g}": group for g, group in enumerate(c.groups)},
        }
        own = State(arrays, {"gp_contexts": list(c.contexts), "gp_groups": len(c.groups)})
        return joined(own, c.embedding.state(), self.domain.state(), self.answer.state())


def _coordinates(train: Dataset, bulk: Pseudobulk, reference: Reference | None) -> _Coordinates:
    numbers = np.stack([bulk.treatments.dose_molar, bulk.treatments.time_s])
    logs = np.log10(np.maximum(numbers, np.array(LEAST)[:, None]))
    is_there = np.isfinite(logs)
    n = np.maximum(is_there.sum(axis=1), 1)
    center = np.where(is_there, logs, 0.0).sum(axis=1) / n
    spread = np.sqrt((np.where(is_there, logs - center[:, None], 0.0) ** 2).sum(axis=1) / n)
    spread = np.where(spread > 1e-12, spread, 1.0)
    contexts, vectors = _contexts(train, bulk, reference)
    padded = np.concatenate([vectors, np.zeros((1, vectors.shape[1]))])
    embedding = _embedding(train, bulk, reference)
    groups: tuple[NDArray[np.int64], ...] = (np.arange(embedding.vectors.shape[1]),)
    if train.perturbation_features is not None:
        groups = feature_blocks(list(map(str, train.perturbation_features.columns)))
    return _Coordinates(embedding, groups, contexts, padded, center, spread)


def _embedding(
    train: Dataset, bulk: Pseudobulk, reference: Reference | None
) -> PerturbationEmbedding:
    """Vectors from the table of features, else gene scores, else one coordinate a name."""
    labels = bulk.treatments.perturbations
    names = tuple(sorted({part for label in labels for part in components(label)}))
    if train.perturbation_features is not None:
        side = SideFeatures.of(train.perturbation_features, (*labels, *names))
        return PerturbationEmbedding(side.labels, side.values)
    if reference is None or not set(names) & set(train.readouts):
        return PerturbationEmbedding(names, np.eye(len(names)))
    profiles = bulk.effects() + reference.means.mean(axis=0)
    scores = gene_scores(profiles.T, RANK)
    spread = scores.std(axis=0)
    return PerturbationEmbedding(train.readouts, scores / np.where(spread > 0, spread, 1.0))


def _contexts(
    train: Dataset, bulk: Pseudobulk, reference: Reference | None
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Vectors from the table of features, else components of the control means, else names."""
    if train.context_features is not None:
        side = SideFeatures.of(train.context_features, bulk.contexts)
        return side.labels, side.values
    if reference is None:
        return bulk.contexts, np.eye(len(bulk.contexts))
    centred = reference.means - reference.means.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    scores = left[:, :RANK] * singular[:RANK]
    return reference.contexts, scores
