"""The bilinear model of gene and perturbation embeddings, solved by two ridges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, TypeAlias, final

import numpy as np
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
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.encoding import group_means
from cellula.models.baselines.feature_blocks import feature_blocks, unit_scaled
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.baselines.reliability import noise_of, precision
from cellula.models.baselines.tuning import least_error, train_and_valid

__all__ = [
    "BilinearRidge",
    "BilinearRidgeOptions",
    "FittedBilinearRidge",
    "bilinear_weights",
    "gene_scores",
]

#: Ridge penalties tried on validation data.
CANDIDATES = (0.01, 0.1, 1.0, 10.0, 100.0)
#: What is chosen: an embedding of perturbations, None for the scores of the genes, and the penalty.
Setting: TypeAlias = tuple[PerturbationEmbedding | None, float]


class BilinearRidgeOptions(Options):
    """Options of :class:`BilinearRidge`."""

    rank: int = Field(default=10, ge=1)
    """How many principal components describe a gene; 10 as in [ahlmanneltze2025]_."""
    ridge: float = Field(default=0.1, gt=0)
    """Penalty k of both sides, 0.1 as in [ahlmanneltze2025]_; tuned on validation data."""
    precision: bool = False
    """Whether a perturbation counts by how precisely its effect was measured."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class BilinearRidge:
    """Assumes that the change of every gene is a product of what describes the gene and what
    describes the perturbation, linear in both, and that the effects of a combination add up.

    delta = center + G W P, with G (genes, d) and P (perturbations, k) given [ahlmanneltze2025]_.
    Y holds the training pseudobulks (genes x perturbations, averaged over contexts with equal
    weight), delta = Y - control, center the mean of delta over perturbations. G: the scores of
    the genes on the top principal components of Y, centred by perturbation. P: the row of the
    perturbed gene in G, or its row of perturbation_features where there is such a table; a
    combination is the sum of its components, a control is 0. Of several embeddings in the table
    (columns whose names differ by a number alone) each is scaled to length 1, and validation data
    choose one of them or all.
    W = (G'G + k I)^-1 G' (delta - center) P (P'P + k I)^-1. Prediction: control + center + G W p.
    Perturbations without an embedding get control + center; where no training perturbation has
    one, all do. With ``precision`` a perturbation counts by 1 / (t^2 + v) in Y, the center and
    P'P, t^2 the variance of true effects and v that of its noise. In domain: every component has
    an embedding, and their sum is as near to the training perturbations as is usual among these.
    """

    options: BilinearRidgeOptions

    name: ClassVar[str] = "bilinear_ridge"
    options_type: ClassVar[type[Options]] = BilinearRidgeOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("ahlmanneltze2025",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedBilinearRidge:
        """Choose the penalty on ``valid``, then solve on both.

        Raises DataError without controls.
        """
        seen, held, both, reference = train_and_valid(train, valid)
        parts = [train] if valid is None else [train, valid]
        if reference is None:
            raise DataError(
                "the model 'bilinear_ridge' predicts differences from a control and these data "
                "have no control; name the column that marks them in the role is_control"
            )
        answer = Answer.of(train, reference, self.options.cells)
        tables = _tables(train, seen)
        chosen = tables[-1], self.options.ridge
        with one_blas_thread():
            if held is not None:
                chosen = least_error(
                    tuple(product(tables, CANDIDATES)),
                    lambda setting: self._solve(setting, seen, [train], reference, answer).effects,
                    held,
                )
            return self._solve(chosen, both, parts, reference, answer)

    def restore(self, state: State) -> FittedBilinearRidge:
        """See :meth:`cellula.core.model.Model.restore`."""
        arrays, meta = state.arrays, state.meta
        return FittedBilinearRidge(
            arrays["center"],
            arrays["loadings"],
            PerturbationEmbedding.restore(arrays, meta),
            FeatureDomain.restore(arrays, meta),
            Answer.restore(arrays, meta),
        )

    def _solve(
        self,
        setting: Setting,
        bulk: Pseudobulk,
        parts: Sequence[Dataset],
        reference: Reference,
        answer: Answer,
    ) -> FittedBilinearRidge:
        embedding, ridge = setting
        labels = bulk.treatments.perturbations
        delta = group_means(bulk.effects(), bulk.treatments.perturbation, len(labels)).T
        count = np.ones(len(labels))
        if self.options.precision:
            each = precision(bulk.effects(), noise_of(parts, bulk))[:, None]
            count = group_means(each, bulk.treatments.perturbation, len(labels))[:, 0]
        root = np.sqrt(count)
        profiles = (delta + reference.means.mean(axis=0)[:, None]) * root
        genes = gene_scores(profiles, self.options.rank)
        if embedding is None:
            embedding = PerturbationEmbedding(answer.readouts, genes)
        p, is_known = embedding.of_labels(labels)
        center = delta @ count / count.sum()
        p, residual = p[is_known], (delta - center[:, None])[:, is_known]
        known = root[is_known]
        weights = bilinear_weights(residual * known, genes, p * known[:, None], ridge)
        domain = FeatureDomain.of(p)
        return FittedBilinearRidge(center, genes @ weights, embedding, domain, answer)


def _tables(train: Dataset, seen: Pseudobulk) -> tuple[PerturbationEmbedding | None, ...]:
    """The embeddings to choose from, all together the last; None: the scores of the genes."""
    table = train.perturbation_features
    if table is None:
        return (None,)
    labels, values = tuple(map(str, table.index)), table.to_numpy(np.float64)
    blocks = feature_blocks(list(map(str, table.columns)))
    if len(blocks) < 2:
        return (PerturbationEmbedding(labels, values),)
    used = {part for name in seen.treatments.perturbations for part in (name, *components(name))}
    rows = np.flatnonzero([label in used for label in labels])
    scaled = [unit_scaled(values[:, block], rows) for block in blocks]
    together = np.concatenate(scaled, axis=1)
    return tuple(PerturbationEmbedding(labels, part) for part in (*scaled, together))


@final
@dataclass(frozen=True, slots=True)
class FittedBilinearRidge:
    """center: (genes,); loadings G W: (genes, k); the vectors of perturbations."""

    center: NDArray[np.float64]
    loadings: NDArray[np.float64]
    embedding: PerturbationEmbedding
    domain: FeatureDomain
    answer: Answer

    def effects(self, queries: QueryTable) -> Effects:
        """Center + G W p of every query's perturbation: (queries, genes)."""
        vectors, is_known, inverse = self.embedding.of_queries(queries)
        mean = self.center + vectors @ self.loadings.T
        return Effects(mean[inverse], (is_known & self.domain.contains(vectors))[inverse])

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State({"center": self.center, "loadings": self.loadings})
        return joined(own, self.embedding.state(), self.domain.state(), self.answer.state())


def gene_scores(profiles: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """Scores of genes on the top principal components, genes being the observations.

    profiles: (genes, perturbations). Returns (genes, d), d = rank or the rank that there is;
    the sign of a component makes its largest score positive.
    """
    centred = profiles - profiles.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    kept = singular[:rank] > 1e-10 * max(float(singular[0]), 1e-300)
    scores = left[:, :rank][:, kept] * singular[:rank][kept]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return np.asarray(scores * np.sign(largest), np.float64)


def bilinear_weights(
    delta: NDArray[np.float64],
    genes: NDArray[np.float64],
    perturbations: NDArray[np.float64],
    ridge: float,
) -> NDArray[np.float64]:
    """W = (G'G + k I)^-1 G' D P (P'P + k I)^-1 [ahlmanneltze2025]_; least squares for k = 0.

    delta D: (genes, perturbations); genes G: (genes, d); perturbations P: (perturbations, k).
    Returns (d, k).
    """
    by_gene = np.linalg.solve(genes.T @ genes + ridge * np.eye(genes.shape[1]), genes.T @ delta)
    square = perturbations.T @ perturbations + ridge * np.eye(perturbations.shape[1])
    return np.asarray(np.linalg.solve(square, (by_gene @ perturbations).T).T, np.float64)
