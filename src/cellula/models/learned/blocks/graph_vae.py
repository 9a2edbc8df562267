"""An autoencoder of cells whose encoder hears their neighbours, and a critic of what it draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cellula.models.learned.blocks.cell_graph import around
from cellula.models.learned.blocks.count_cells import Reading
from cellula.models.learned.blocks.count_vae import CountVae, Expected, divergence
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.likelihoods import nb_sample, zinb_sample
from cellula.models.learned.blocks.vae_training import Step
from cellula.models.learned.blocks.wgan_gp import critic_loss, frozen, generator_loss

__all__ = ["Adversary", "CellReader", "GraphVae", "GraphVaeLoss", "states_of"]

#: How what is drawn is told from what was observed: cross entropy, Wasserstein, or not at all.
Adversary: TypeAlias = Literal["cross_entropy", "wasserstein", "none"]
#: Cells that are encoded together.
BLOCK = 512


class CellReader(Protocol):
    """Cells by position, as a likelihood reads them."""

    def take(self, rows: Tensor) -> Reading:
        """Some cells, dense."""


@final
class GraphVae(nn.Module):
    """q(z | what is heard) normal; p(x | z) as the likelihood of ``vae`` says.

    With a graph a cell hears the mean profile of its neighbours, a convolution before any weight is
    applied: its counts are foretold from those of others, so that its own noise is not learned by
    heart [batson2019]_. A share of the cells of a training step hears itself, so that the same
    encoder understands one profile alone. The critic reads standardised profiles.
    """

    def __init__(self, vae: CountVae, *, has_graph: bool, has_critic: bool) -> None:
        super().__init__()
        self.vae, self.has_graph = vae, has_graph
        n, width = len(vae.measure.rate), vae.form.width
        self.critic = mlp((n, width, width // 2 + 1, 1)) if has_critic else None

    def hidden(self, heard: Tensor) -> Tensor:
        """The first layer before its norm, of what is heard (cells, readouts): (cells, width)."""
        found: Tensor = self.vae.encoder[0](heard)
        return found

    def moved(self, hidden: Tensor, columns: Tensor, change: Tensor) -> Tensor:
        """The first layer where ``columns`` of what is heard change, by (cells, columns)."""
        weight = self.vae.encoder[0].weight
        found: Tensor = hidden + change @ weight[:, columns].T  # type: ignore[index]
        return found

    def posterior(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the state from :meth:`hidden`: (cells, latent) each."""
        mean, log_variance = self.vae.encoder[1:](hidden).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 6.0)

    def drawn(self, reading: Reading, expected: Expected, generator: torch.Generator) -> Tensor:
        """Profiles drawn from what is expected, standardised, with a gradient: (cells, readouts).

        Counts are drawn, and the gradient goes through their mean as if it were the count
        (straight through [bengio2013]_): an expectation has not the noise of a cell, so that any
        critic would tell it at sight.
        """
        vae = self.vae
        if vae.form.likelihood == "gaussian":
            noise = torch.randn(expected.mean.shape, generator=generator).to(expected.mean)
            return expected.mean + noise * vae.log_dispersion.exp()
        mean, r = expected.mean * reading.exposure, vae.log_dispersion.exp()
        with torch.no_grad():
            if expected.logits is None:
                counts = nb_sample(mean, r, generator)
            else:
                counts = zinb_sample(mean, r, expected.logits, generator)
        if expected.logits is not None:
            mean = mean * torch.sigmoid(-expected.logits)
        through = (counts + mean - mean.detach()).clamp_min(0.0)
        return vae.measure.inputs(Reading(through, reading.exposure))


@final
@dataclass(frozen=True, slots=True)
class GraphVaeLoss:
    """-log p(x | z) + w KL, a readout, and the game of decoder and critic.

    neighbours: (cells, k) positions in ``cells``; kl_weight: w after ``warm_up``, a share of the
    training in which it rises from 0; strength: of the critic's voice, in nats a cell as the
    likelihood; hidden: share of readouts that the encoder does not see in a step, at random; alone:
    of cells that hear themselves and not their neighbours.
    """

    network: GraphVae
    cells: CellReader
    neighbours: Tensor
    kl_weight: float
    warm_up: float
    adversary: Adversary
    strength: float
    hidden: float
    alone: float
    device: torch.device

    def __call__(self, step: Step, generator: torch.Generator) -> Tensor:
        """The mean loss of the cells of a step, in nats a readout."""
        network, vae = self.network, self.network.vae
        reading = self.cells.take(step.rows).to(self.device)
        profile, near = _profiles(network, self.cells, self.neighbours, step.rows, self.device)
        heard = profile
        if near is not None:
            is_alone = torch.rand(len(profile), 1, generator=generator) < self.alone
            heard = torch.where(is_alone.to(self.device), profile, near)
        if self.hidden > 0:
            is_kept = torch.rand(heard.shape, generator=generator) >= self.hidden
            heard = heard * is_kept.to(heard) / (1.0 - self.hidden)
        mean, log_variance = network.posterior(network.hidden(heard))
        noise = torch.randn(mean.shape, generator=generator).to(self.device)
        expected = vae.decode(mean + noise * torch.exp(0.5 * log_variance), None)
        weight = self.kl_weight * min(1.0, step.share / max(self.warm_up, 1e-9))
        cost = weight * divergence(mean, log_variance) - vae.log_likelihood(reading, expected)
        loss = cost.mean() / profile.shape[1]
        if network.critic is None:
            return loss
        fake = network.drawn(reading, expected, generator)
        told, fooled = self._game(network.critic, profile, fake, generator)
        return loss + told + self.strength / profile.shape[1] * fooled

    def _game(
        self, critic: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What the critic makes small, and what encoder and decoder do, each by its own weights."""
        if self.adversary == "wasserstein":
            return critic_loss(critic, real, fake, generator), generator_loss(critic, fake)
        told = functional.softplus(critic(fake.detach())).mean()
        told = told + functional.softplus(-critic(real)).mean()
        return told, functional.softplus(-frozen(critic)(fake)).mean()


def states_of(
    network: GraphVae, cells: CellReader, neighbours: Tensor, rows: Tensor, device: torch.device
) -> NDArray[np.float64]:
    """Mean states of some cells (rows, latent); in evaluation mode, without gradients."""
    found = [torch.zeros(0, network.vae.form.latent)]
    with torch.no_grad():
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            profile, near = _profiles(network, cells, neighbours, part, device)
            hidden = network.hidden(profile if near is None else near)
            found.append(network.posterior(hidden)[0].cpu())
    return np.asarray(torch.cat(found).double().numpy())


def _profiles(
    network: GraphVae, cells: CellReader, neighbours: Tensor, rows: Tensor, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """What the encoder sees of some cells, and of their neighbours: (rows, readouts) each."""
    measure = network.vae.measure
    if not network.has_graph:
        return measure.inputs(cells.take(rows).to(device)), None
    wanted, place = torch.unique(
        torch.cat([rows[:, None], neighbours[rows]], dim=1), return_inverse=True
    )
    profiles = measure.inputs(cells.take(wanted).to(device))
    place = place.to(device)
    return profiles[place[:, 0]], around(profiles, place[:, 1:])
