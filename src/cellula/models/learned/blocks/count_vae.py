"""A variational autoencoder of counts, into whose decoder a condition enters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from cellula.core.value_type import ValueType
from cellula.models.learned.blocks.condition_encoder import ConditionEncoder
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.count_cells import Measure, Reading
from cellula.models.learned.blocks.gradient_reversal import reverse_gradient
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.likelihoods import (
    expected_log1p,
    gaussian_log_prob,
    nb_log_prob,
    zinb_log_prob,
)

__all__ = ["Composition", "CountVae", "Expected", "Likelihood", "VaeForm", "divergence"]

#: How counts are distributed around what the decoder says.
Likelihood: TypeAlias = Literal["nb", "zinb", "gaussian"]
#: How a condition meets the state of a cell.
Composition: TypeAlias = Literal["response", "joined", "added", "arithmetic"]
#: The largest logarithm of a rate.
MOST = 15.0


@dataclass(frozen=True, slots=True)
class VaeForm:
    """Sizes of the network: readouts, coordinates of the state, units of a hidden layer.

    n_treatments, n_contexts: what a discriminator tells apart, 0 without one; removes_context:
    whether contexts are hidden too, and then enter with the condition.
    """

    latent: int
    width: int
    likelihood: Likelihood
    composition: Composition
    removes_context: bool
    n_treatments: int
    n_contexts: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What the decoder says of cells, (cells, readouts) each.

    mean: the rate per exposure of counts, or the standardised value; logits: of being 0 besides,
    or None.
    """

    mean: Tensor
    logits: Tensor | None


@final
class CountVae(nn.Module):
    """q(z | x) is normal with diagonal covariance; p(x | z, condition) as the likelihood says.

    response: the decoder sees the state, and a response is added to the logarithms of its rates
    (to its values, where they are Gaussian): loadings times few numbers that depend on state and
    condition, none of them for a control; joined: the decoder sees state and condition side by
    side; added: their sum; arithmetic: the state alone, moved by the mean move of the condition,
    so that no ``conditions`` are needed.
    """

    def __init__(self, form: VaeForm, measure: Measure, conditions: Conditions | None) -> None:
        super().__init__()
        self.form, self.measure = form, measure
        n = len(measure.rate)
        self.encoder = mlp((n, form.width, 2 * form.latent))
        wide = form.latent if form.composition == "added" else form.width
        self.condition: ConditionEncoder | None = None
        if form.composition != "arithmetic" and conditions is not None:
            self.condition = ConditionEncoder(conditions, wide, uses_context=form.removes_context)
        inside = form.latent + (wide if form.composition == "joined" else 0)
        n_heads = 2 if form.likelihood == "zinb" else 1
        self.decoder = mlp((inside, form.width, n_heads * n))
        self.log_dispersion = nn.Parameter(torch.zeros(n))
        bias = torch.zeros(n_heads * n)
        if form.likelihood != "gaussian":
            bias[:n] = torch.log(torch.from_numpy(measure.rate))
            bias[n:] = -3.0
        last = self.decoder[-1]
        with torch.no_grad():
            last.bias.copy_(bias)  # type: ignore[operator]
        self.response: nn.Sequential | None = None
        if form.composition == "response":
            self.response = mlp((form.latent + wide, form.width, form.latent))
            self.loadings = nn.Linear(form.latent, n, bias=False)
            nn.init.zeros_(self.loadings.weight)
        self._discriminators(form)

    def _discriminators(self, form: VaeForm) -> None:
        self.tells_treatment: nn.Sequential | None = None
        self.tells_context: nn.Sequential | None = None
        if not form.n_treatments:
            return
        known = 0 if form.removes_context else form.n_contexts
        self.tells_treatment = mlp((form.latent + known, form.width, form.n_treatments))
        if form.removes_context:
            self.tells_context = mlp((form.latent, form.width, form.n_contexts))

    def posterior(self, reading: Reading, response: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the state of cells: (cells, latent) each.

        response: (cells, readouts) what was done to them, in units of what is encoded
        (:meth:`Measure.inputs`), taken off before.
        """
        seen = self.measure.inputs(reading)
        if response is not None:
            seen = seen - response
        mean, log_variance = self.encoder(seen).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 6.0)

    def conditions(self, table: ConditionBatch, rows: Tensor) -> Tensor | None:
        """What is done to cells as vectors; rows: (cells,) their questions in ``table``.

        With a response, the vector of a control is 0, and moves nothing.
        """
        if self.condition is None:
            return None
        if len(table.ids) > len(rows):
            table, rows = table.take(rows), torch.arange(len(rows), device=rows.device)
        every: Tensor = self.condition(table)
        if self.response is not None:
            every = every * table.is_there.any(dim=1, keepdim=True)
        return every[rows]

    def decode(self, state: Tensor, condition: Tensor | None) -> Expected:
        """What is expected of cells in these states under these conditions."""
        if condition is None:
            out = self.decoder(state)
        elif self.response is not None:
            size = self.response(torch.cat([state, condition], dim=1))
            is_treated = (condition != 0).any(dim=1, keepdim=True)
            moved = self.loadings(size * is_treated)
            out = self.decoder(state)
            out = out + functional.pad(moved, (0, out.shape[1] - moved.shape[1]))
        elif self.form.composition == "joined":
            out = self.decoder(torch.cat([state, condition], dim=1))
        else:
            out = self.decoder(state + condition)
        if self.form.likelihood == "gaussian":
            return Expected(out, None)
        if self.form.likelihood == "nb":
            return Expected(out.clamp(max=MOST).exp(), None)
        log_rate, logits = out.chunk(2, dim=1)
        return Expected(log_rate.clamp(max=MOST).exp(), logits)

    def log_likelihood(self, reading: Reading, expected: Expected) -> Tensor:
        """The log p(x | z, condition) of every cell, in nats: (cells,)."""
        if self.form.likelihood == "gaussian":
            each = gaussian_log_prob(reading.target, expected.mean, self.log_dispersion)
            return each.sum(dim=1)
        mean, r = expected.mean * reading.exposure, self.log_dispersion.exp()
        if expected.logits is None:
            return nb_log_prob(reading.target, mean, r).sum(dim=1)
        return zinb_log_prob(reading.target, mean, r, expected.logits).sum(dim=1)

    def profile(self, reading: Reading, expected: Expected) -> Tensor:
        """The expected values of cells of these exposures, in units of the data."""
        if self.measure.value_type is not ValueType.COUNTS or not self.measure.has_counts:
            return self._expected_profile(reading, expected)
        stays = 1.0 if expected.logits is None else torch.sigmoid(-expected.logits)
        return expected.mean * reading.exposure * stays

    def evidence(
        self,
        reading: Reading,
        treated: Tensor | None,
        untreated: Tensor | None,
        generator: torch.Generator,
        *,
        is_centred: bool,
    ) -> Tensor:
        """E log p(x | z, condition) - KL of every cell, in nats, by one draw of z: (cells,).

        is_centred: whether what the condition does to a cell like this one is taken off it before
        it is encoded.
        """
        response = None
        if is_centred and treated is not None:
            state, _ = self.posterior(reading)
            response = self._expected_profile(reading, self.decode(state, treated))
            response -= self._expected_profile(reading, self.decode(state, untreated))
            response /= torch.from_numpy(self.measure.spread).to(response)
        mean, log_variance = self.posterior(reading, response)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        state = mean + noise * torch.exp(0.5 * log_variance)
        likelihood = self.log_likelihood(reading, self.decode(state, treated))
        return likelihood - divergence(mean, log_variance)

    def _expected_profile(self, reading: Reading, expected: Expected) -> Tensor:
        """Expected log1p profiles where there are counts, else expected values."""
        if not self.measure.has_counts:
            return expected.mean * torch.from_numpy(self.measure.spread).to(expected.mean)
        stays = 1.0 if expected.logits is None else torch.sigmoid(-expected.logits)
        mean = expected.mean * reading.exposure
        return stays * expected_log1p(mean, self.log_dispersion.exp(), reading.scale)

    def change(
        self,
        reading: Reading,
        treated: Tensor | None,
        untreated: Tensor | None,
        move: Tensor | None,
    ) -> Tensor:
        """The change of the expected values of controls (cells, readouts) under a condition.

        treated, untreated: (1, width) the condition and that of a control in the same context;
        move: (1, latent) of the states; each None where the composition has none.
        """
        n = len(reading.exposure)
        state, _ = self.posterior(reading)
        vectors = [None if c is None else c.expand(n, -1) for c in (untreated, treated)]
        before = self.profile(reading, self.decode(state, vectors[0]))
        moved = state if move is None else state + move
        return self.profile(reading, self.decode(moved, vectors[1])) - before

    def told(self, state: Tensor, treatment: Tensor, context: Tensor, strength: float) -> Tensor:
        """How wrong the discriminators are (cross entropy, nats), the state hiding from them.

        treatment, context: (cells,) codes. Where contexts are not hidden, the discriminator of
        treatments knows them: what differs between treatments because their contexts do may stay.
        """
        if self.tells_treatment is None:
            return torch.zeros((), device=state.device)
        hidden = reverse_gradient(state, strength)
        if self.tells_context is None:
            known = functional.one_hot(context, self.form.n_contexts).to(hidden)
            guess = self.tells_treatment(torch.cat([hidden, known], dim=1))
            return functional.cross_entropy(guess, treatment)
        wrong = functional.cross_entropy(self.tells_treatment(hidden), treatment)
        return wrong + functional.cross_entropy(self.tells_context(hidden), context)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL of N(mean, exp(log_variance)) from N(0, 1), summed over coordinates, in nats: (cells,)."""
    return 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
