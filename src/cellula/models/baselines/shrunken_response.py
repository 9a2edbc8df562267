"""The shrunken response: measured effects drawn to their mean as far as they are noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.perturbation import components
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer
from cellula.models.baselines.encoding import group_means
from cellula.models.baselines.matching_mean import FittedMatchingMean
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference, responses
from cellula.models.baselines.reliability import Noise, noise_of, shrunken
from cellula.models.baselines.tuning import least_error, train_and_valid

__all__ = ["ShrunkenResponse", "ShrunkenResponseOptions"]

#: Exponents of combinations tried on validation data: the sum, between, the mean.
CANDIDATES = (0.0, 0.5, 1.0)


class ShrunkenResponseOptions(Options):
    """Options of :class:`ShrunkenResponse`."""

    exponent: float = Field(default=0.0, ge=0, le=1)
    """k of combinations: 0 adds their parts, 1 averages them; tuned where valid has some."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class ShrunkenResponse:
    """Assumes that a treatment does in every context what it did on average, less what of that is
    chance: effects differ around a common mean, and few profiles tell little.

    delta_t[g] = m[g] + t[g]^2 / (t[g]^2 + v_t[g]) (d_t[g] - m[g]), d_t the measured effect and v_t
    its noise: the variance of profiles within their group over their number, and the spread
    between contexts over theirs. m is the mean weighted by precision, t^2 the variance of true
    effects [dersimonian1986]_; this is empirical Bayes [morris1983]_. With controls m is drawn to
    0 as far as it is noise. Doses and times of one perturbation are drawn to their mean in the
    same way, and an unseen one has it. An unseen perturbation has m; an unseen combination n^-k
    times the sum of its n parts. Where every group is one profile in one context the noise is not
    known and nothing is drawn to the mean. In domain: the treatment, or each of its components, was
    seen.
    """

    options: ShrunkenResponseOptions

    name: ClassVar[str] = "shrunken_response"
    options_type: ClassVar[type[Options]] = ShrunkenResponseOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("dersimonian1986", "morris1983")

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedMatchingMean:
        """Choose how parts combine on ``valid`` where it holds combinations, then fit on both."""
        _, held, _, _ = train_and_valid(train, valid)
        exponent = self.options.exponent
        if held is not None and any(len(components(p)) > 1 for p in held.treatments.perturbations):
            exponent = least_error(CANDIDATES, lambda k: self._fitted([train], k).effects, held)
        return self._fitted([train] if valid is None else [train, valid], exponent)

    def restore(self, state: State) -> FittedMatchingMean:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedMatchingMean.restore(state)

    def _fitted(self, parts: list[Dataset], exponent: float) -> FittedMatchingMean:
        reference = Reference.of(parts)
        bulk = responses(parts, reference)
        known = bulk.treatments
        effect = _effects(bulk, noise_of(parts, bulk), reference is not None)
        answer = Answer.of(parts[0], reference, self.options.cells)
        return FittedMatchingMean(known, effect, answer, exponent)


def _effects(bulk: Pseudobulk, noise: Noise, has_control: bool) -> NDArray[np.float64]:
    """A row for every answer of ``bulk.treatments.positions``: (n_rows, readouts).

    Perturbations are drawn to the mean of all, doses and times of one to their mean.
    """
    known, effects = bulk.treatments, bulk.effects()
    place, n = known.perturbation, len(known.perturbations)
    count = np.bincount(place, minlength=n)[:, None]
    means = group_means(effects, place, n)
    found = shrunken(
        means, Noise(group_means(noise.effect, place, n) / count, noise.control), has_control
    )
    own = effects - means[place]
    free = len(effects) - n
    spread = np.zeros(effects.shape[1])
    if free > 0:
        spread = np.maximum((own**2).sum(axis=0) / free - noise.effect.mean(axis=0), 0.0)
    total = spread + noise.effect
    kept = np.divide(spread, total, out=np.ones_like(total), where=total > 0)
    return np.concatenate([found.seen[place] + kept * own, found.seen, found.unseen[None]])
