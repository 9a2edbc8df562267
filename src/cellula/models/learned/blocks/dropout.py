"""Dropout that can be left on: every pass is one thinned network, the same for all questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.models.learned.blocks.scope import generator_of, torch_scope

__all__ = ["Dropout", "Passes", "spread_of_passes", "thinned", "with_dropout"]


@final
class Dropout(nn.Module):
    """Dropout of units: each on its own in training, off in evaluation, or by one fixed mask.

    share: of units that are hidden; width: how many units there are.
    """

    def __init__(self, share: float, width: int) -> None:
        super().__init__()
        self.share = share
        self.width = width
        self._mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """X (..., width), thinned."""
        if self._mask is not None:
            return x * self._mask.to(x)
        return nn.functional.dropout(x, self.share, self.training)

    def draw(self, generator: torch.Generator) -> None:
        """Hide the same units of every row from now on; what is left is scaled up."""
        kept = torch.rand(self.width, generator=generator, dtype=torch.float64) >= self.share
        self._mask = kept / (1.0 - self.share)

    def clear(self) -> None:
        """As if no mask had been drawn."""
        self._mask = None


Network = TypeVar("Network", bound=nn.Module)


def with_dropout(network: Network, share: float) -> Network:
    """The same network whose hidden units are dropped in training, after every SiLU of an ``mlp``.

    The names of its weights stay; with share 0 nothing changes. Once for a network.
    """
    if share > 0.0:
        for part in [one for one in network.modules() if isinstance(one, nn.Sequential)]:
            for place, (norm, act) in enumerate(pairwise(part), 1):
                if isinstance(norm, nn.LayerNorm) and isinstance(act, nn.SiLU):
                    part[place] = nn.Sequential(act, Dropout(share, norm.normalized_shape[0]))
    return network


@dataclass(frozen=True, slots=True)
class Passes:
    """So many thinned networks, whose answers tell how much is not known.

    network: with layers of :class:`Dropout`; number: of passes, at least 2.
    """

    network: nn.Module
    number: int

    @classmethod
    def of(cls, network: nn.Module, number: int) -> Passes | None:
        """None for 0 passes; DataError on 1, or where nothing is dropped."""
        if number == 0:
            return None
        if number == 1 or not any(isinstance(one, Dropout) for one in network.modules()):
            raise DataError(
                f"passes = {number} of a network "
                + ("have no spread" if number == 1 else "without dropout are all the same")
                + "; give passes = 0, or at least 2 with dropout above 0"
            )
        return cls(network, number)

    def spread(self, ask: Callable[[], NDArray[Any]], run: RunContext) -> NDArray[np.float64]:
        """Standard deviation of ``ask()`` over the passes, shaped like its answer.

        The masks are the same for every question of a run, whatever was asked before.
        """
        with torch_scope(run, "passes"):
            stream = generator_of(run, "passes")
            found = spread_of_passes(
                self.network, lambda: torch.from_numpy(ask()), self.number, stream
            )
        return np.asarray(found.numpy(), np.float64)


@contextmanager
def thinned(network: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """The network with units hidden by one mask a layer, drawn from ``generator``.

    Only :class:`Dropout` layers change. The mask does not depend on the rows that pass, so an
    answer does not depend on the other questions. Within a ``torch_scope``.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, Dropout)]
    for layer in layers:
        layer.draw(generator)
    try:
        yield
    finally:
        for layer in layers:
            layer.clear()


def spread_of_passes(
    network: nn.Module, ask: Callable[[], Tensor], passes: int, generator: torch.Generator
) -> Tensor:
    """Standard deviation of ``ask()`` over thinned networks, shaped like its answer.

    Each pass draws the weights of one network from the approximate posterior [gal2016]_; at least
    2 passes. Welford's sums, so that memory does not grow with the passes.
    """
    mean: Tensor | None = None
    square: Tensor | None = None
    for number in range(1, passes + 1):
        with thinned(network, generator), torch.no_grad():
            found = ask()
        if mean is None or square is None:
            mean, square = found.clone(), torch.zeros_like(found)
            continue
        gap = found - mean
        mean += gap / number
        square += gap * (found - mean)
    if square is None or passes < 2:
        raise ValueError(f"{passes} pass(es) have no spread; expected at least 2")
    return torch.sqrt(square / (passes - 1))
