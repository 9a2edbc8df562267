"""Gradient boosting: trees on everything that is known of a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.boosted_trees import BoostedTrees, Growth
from cellula.models.baselines.descriptors import Descriptors
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.encoding import Treatments, group_means
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.tuning import squared_error, train_and_valid

__all__ = ["FittedGradientBoosting", "GradientBoosting", "GradientBoostingOptions"]

#: What the trees depart from; ``perturbation`` and ``overall`` let them tell doses, times and
#: unseen perturbations apart.
Center = Literal["treatment", "perturbation", "overall"]
CENTERS: tuple[Center, ...] = ("treatment", "perturbation", "overall")
#: Shares of the trees tried on validation data; with none the answer is the center.
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)
#: Queries whose descriptors are held at once.
CHUNK = 4096


class GradientBoostingOptions(Options):
    """Options of :class:`GradientBoosting`."""

    center: Literal["auto", "treatment", "perturbation", "overall"] = "auto"
    """The mean that the trees depart from; ``auto``: tuned on validation data."""
    trees: int = Field(default=100, ge=1)
    """The most trees a component; with validation data their number is tuned up to it."""
    leaves: int = Field(default=15, ge=2)
    """The most leaves of a tree."""
    step: float = Field(default=0.1, gt=0, le=1)
    """The share of a tree's answer that is added."""
    leaf_rows: int = Field(default=5, ge=1)
    """The fewest training groups in a leaf."""
    penalty: float = Field(default=1.0, ge=0)
    """L2 penalty on the value of a leaf, in groups."""
    components: int = Field(default=5, ge=1)
    """How many principal components of the responses are learned."""
    max_rows: int = Field(default=20_000, ge=10)
    """The most training groups that the trees see, drawn at random; bounds the time."""
    max_features: int = Field(default=200, ge=1)
    """The most context features, those that vary most; bounds the time."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class GradientBoosting:
    """Assumes that a response departs from the mean by few shared patterns, whose strengths are
    sums of steps in what is known of context, perturbation, dose and time.

    delta = center + sum over components j of f_j(x) v_j, f_j boosted trees [friedman2001]_.
    x holds the features of the context and of the perturbation (without such a table, the
    components of the perturbation's own training responses), log10 dose and log10 time; v_j are
    the principal components of the departures of training groups from their center: the mean
    of the treatment, of the perturbation, or of all perturbations. Few readouts are learned
    themselves. The center and the number of trees have the least squared error on validation
    data. In domain: the treatment was seen, or its perturbation was seen or is near to training
    and dose and time lie within training's; and the context's features, if there are any, are near.
    """

    options: GradientBoostingOptions

    name: ClassVar[str] = "gradient_boosting"
    options_type: ClassVar[type[Options]] = GradientBoostingOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("friedman2001",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedGradientBoosting:
        """Choose center and number of trees on ``valid``, then grow on both."""
        seen, held, both, reference = train_and_valid(train, valid)
        answer = Answer.of(train, reference, self.options.cells)
        center, trees = self._defaults(train), self.options.trees
        if held is not None:
            center, trees = self._tuned(train, seen, held, answer, run)
        return self._grown(train, both, center, answer, run).first(trees)

    def restore(self, state: State) -> FittedGradientBoosting:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedGradientBoosting.restore(state)

    def _defaults(self, train: Dataset) -> Center:
        if self.options.center != "auto":
            return self.options.center
        return "treatment" if train.perturbation_features is None else "overall"

    def _tuned(
        self, train: Dataset, seen: Pseudobulk, held: Pseudobulk, answer: Answer, run: RunContext
    ) -> tuple[Center, int]:
        """The center and the number of trees of least error; the first of equals."""
        own = self.options.center
        centers: tuple[Center, ...] = CENTERS if own == "auto" else (own,)
        best, least = (centers[0], 0), np.inf
        for center in centers:
            fitted = self._grown(train, seen, center, answer, run)
            for trees in sorted({int(share * self.options.trees) for share in SHARES}):
                error = squared_error(fitted.first(trees).effects, held)
                if error < least:
                    best, least = (center, trees), error
        return best

    def _grown(
        self, train: Dataset, bulk: Pseudobulk, center: Center, answer: Answer, run: RunContext
    ) -> FittedGradientBoosting:
        options, stream = self.options, run.child("trees").rng
        with one_blas_thread():
            effect = _centers(bulk, center)
            queries = bulk.queries()
            descriptors = Descriptors.of(train, bulk, options.max_features)
            rows = np.arange(len(bulk.values))
            if len(rows) > options.max_rows:
                rows = np.sort(stream.permutation(rows)[: options.max_rows])
            departure = bulk.values[rows] - effect[bulk.treatments.positions(queries)][rows]
            axes = _axes(departure, options.components)
            growth = Growth(
                options.trees, options.leaves, options.step, options.leaf_rows, options.penalty
            )
            x = descriptors.at(queries.take(rows))
            trees = BoostedTrees.grown(x, departure @ axes.T, growth, int(stream.integers(2**31)))
            inside, domain = _domains(bulk, descriptors)
        return FittedGradientBoosting(
            bulk.treatments, effect, descriptors, trees, axes, inside, domain, answer
        )


@final
@dataclass(frozen=True, slots=True)
class FittedGradientBoosting:
    """Centers (treatments.n_rows, readouts), trees (one ensemble a component), axes.

    axes: (components, readouts); context_inside: (contexts with features + 1,) whether a
    context is in domain, the last for one without features.
    """

    treatments: Treatments
    center: NDArray[np.float64]
    descriptors: Descriptors
    trees: BoostedTrees
    axes: NDArray[np.float64]
    context_inside: NDArray[np.bool_]
    domain: FeatureDomain
    answer: Answer

    def first(self, trees: int) -> FittedGradientBoosting:
        """The same with the first trees only; with none it answers the center."""
        grown = self.trees.first(trees)
        if not trees:
            grown = replace(grown, start=np.zeros_like(grown.start))
        return replace(self, trees=grown)

    def effects(self, queries: QueryTable) -> Effects:
        """Center and trees for every query: (queries, readouts)."""
        row = self.treatments.positions(queries)
        mean = self.center[row]
        for start in range(0, len(queries), CHUNK):
            part = slice(start, start + CHUNK)
            mean[part] += self.trees.at(self.descriptors.at(queries.take(part))) @ self.axes
        return Effects(mean, self._inside(queries, row))

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(
            {"center": self.center, "axes": self.axes, "context_inside": self.context_inside}
        )
        parts = (self.treatments, self.descriptors, self.trees, self.domain, self.answer)
        return joined(own, *(part.state() for part in parts))

    @classmethod
    def restore(cls, state: State) -> FittedGradientBoosting:
        """The fitted trees of a state."""
        arrays, meta = state.arrays, state.meta
        return cls(
            Treatments.restore(arrays, meta),
            arrays["center"],
            Descriptors.restore(arrays, meta),
            BoostedTrees.restore(arrays),
            arrays["axes"],
            arrays["context_inside"],
            FeatureDomain.restore(arrays, meta),
            Answer.restore(arrays, meta),
        )

    def _inside(self, queries: QueryTable, row: NDArray[np.int64]) -> NDArray[np.bool_]:
        vectors, is_known, inverse = self.descriptors.perturbation.of_queries(queries)
        is_near = (is_known & self.domain.contains(vectors))[inverse]
        is_near |= row < self.treatments.n_rows - 1  # the perturbation itself was seen
        is_near &= _within(queries.dose_molar, self.treatments.dose_molar)
        is_near &= _within(queries.time_s, self.treatments.time_s)
        place = self.descriptors.context.places([str(name) for name in queries.context.categories])
        context = self.context_inside[place][np.asarray(queries.context.codes)]
        return np.asarray((self.treatments.is_seen[row] | is_near) & context, np.bool_)


def _centers(bulk: Pseudobulk, center: Center) -> NDArray[np.float64]:
    """A row for every answer of ``treatments.positions``: the mean that the trees depart from."""
    known = bulk.treatments
    effects = bulk.effects()
    if center == "treatment":
        return known.with_fallbacks(effects)
    means = group_means(effects, known.perturbation, len(known.perturbations))
    if center == "overall":
        return np.repeat(means.mean(axis=0, keepdims=True), known.n_rows, axis=0)
    return known.with_fallbacks(means[known.perturbation])


def _axes(departure: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """Orthonormal axes (components, readouts) of the departures; the readouts where few."""
    if departure.shape[1] <= components:
        return np.eye(departure.shape[1])
    _, _, right = np.linalg.svd(departure, full_matrices=False)
    axes = right[:components]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return np.asarray(axes * np.where(largest < 0, -1.0, 1.0)[:, None], np.float64)


def _domains(bulk: Pseudobulk, descriptors: Descriptors) -> tuple[NDArray[np.bool_], FeatureDomain]:
    """Which contexts are near to training's, and the domain of perturbations."""
    features = descriptors.context
    places = features.places(bulk.contexts)
    inside = FeatureDomain.of(features.values[places[places >= 0]]).contains(features.values)
    vectors, is_known = descriptors.perturbation.of_labels(bulk.treatments.perturbations)
    domain = FeatureDomain.of(vectors[is_known])
    return np.append(inside, not features.labels), domain


def _within(
    asked: NDArray[np.float64] | None, known: NDArray[np.float64]
) -> NDArray[np.bool_] | bool:
    """Whether doses or times lie in the range of training; without any, there is no bound."""
    if np.isnan(known).all():
        return True
    if asked is None:
        return False
    return np.asarray((asked >= np.nanmin(known)) & (asked <= np.nanmax(known)))
