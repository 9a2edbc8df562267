"""Jets: values with their derivatives by time and place, carried forward through a network.

A jet is a tensor of shape (parts, points, width). Parts are u and du/dt, and where there is a
place also du/dx and d2u/dx2: all that a heat or reaction-diffusion equation asks for. Carrying
them forward costs one pass, where nested automatic differentiation costs three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from cellula.core.derivative import gradients
from cellula.core.expression import Expression, Number
from cellula.models.hybrid.tensor_expression import evaluate

__all__ = ["JetNetwork", "Points", "jet_expressions", "jet_of", "product"]

#: Parts of a jet with a place, and without.
WITH_PLACE, WITHOUT_PLACE = 4, 2


@final
class Points:
    """Where a jet is taken: times (points,), and places (points,) or None."""

    __slots__ = ("place", "time")

    def __init__(self, time: Tensor, place: Tensor | None = None) -> None:
        self.time, self.place = time, place

    @property
    def parts(self) -> int:
        """How many parts a jet has here."""
        return WITHOUT_PLACE if self.place is None else WITH_PLACE

    def __len__(self) -> int:
        return len(self.time)


def jet_expressions(expression: Expression, has_place: bool) -> tuple[Expression, ...]:
    """The expression and its derivatives: by time, and by place once and twice."""
    zero = Number(0.0)
    first = gradients((expression,), (None, "x"))[0]
    by_time = first.get(None, zero)
    if not has_place:
        return expression, by_time
    by_place = first.get("x", zero)
    twice = gradients((by_place,), ("x",))[0].get("x", zero)
    return expression, by_time, by_place, twice


def jet_of(parts: Sequence[Expression], points: Points, values: Mapping[str, Tensor]) -> Tensor:
    """The jet (parts, points) of what :func:`jet_expressions` gave."""
    told = dict(values)
    if points.place is not None:
        told["x"] = points.place
    found = evaluate(parts, told, points.time)
    return torch.stack([one.expand(len(points)) for one in found])


def product(a: Tensor, b: Tensor) -> Tensor:
    """The jet of a product of two jets, by Leibniz' rule."""
    value, by_time = a[0] * b[0], a[1] * b[0] + a[0] * b[1]
    if len(a) == WITHOUT_PLACE:
        return torch.stack([value, by_time])
    by_place = a[2] * b[0] + a[0] * b[2]
    twice = a[3] * b[0] + 2 * a[2] * b[2] + a[0] * b[3]
    return torch.stack([value, by_time, by_place, twice])


@final
class JetNetwork(nn.Module):
    """A plain tanh network of (time, place), both mapped to [-1, 1], in double precision.

    sizes: widths of the hidden layers. fourier: so many random frequencies, drawn with the
    standard deviation ``frequency``, whose sines and cosines enter beside time and place
    [tancik2020]_; 0 for none.
    """

    def __init__(
        self,
        domain: Sequence[tuple[float, float]],
        sizes: Sequence[int],
        outputs: int,
        fourier: int = 0,
        frequency: float = 1.0,
    ) -> None:
        super().__init__()
        self.domain = tuple(domain)
        n = len(self.domain)
        waves = torch.randn(n, fourier, dtype=torch.float64) * frequency
        self.register_buffer("waves", waves)
        widths = [n + 2 * fourier, *sizes, outputs]
        layers = [nn.Linear(a, b).double() for a, b in pairwise(widths)]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def inputs(self, points: Points) -> Tensor:
        """The jet of what the first layer sees; it does not depend on weights."""
        columns = [points.time] if points.place is None else [points.time, points.place]
        made = torch.zeros(points.parts, len(points), len(columns), dtype=torch.float64)
        made = made.to(points.time.device)
        for k, (column, (low, high)) in enumerate(zip(columns, self.domain, strict=True)):
            made[0, :, k] = 2 * (column - low) / (high - low) - 1
            made[1 + k, :, k] = 2 / (high - low)
        waves = self.get_buffer("waves")
        if waves.shape[1] == 0:
            return made
        phase = made @ waves
        return torch.cat([made, _wave(phase, 0), _wave(phase, 1)], dim=2)

    def forward(self, inputs: Tensor) -> Tensor:
        """The jet (parts, points, outputs) of the network."""
        now = inputs
        *hidden, last = self.layers
        for layer in hidden:
            now = _tanh(_linear(now, layer))
        return _linear(now, last)


def _linear(now: Tensor, layer: nn.Module) -> Tensor:
    assert isinstance(layer, nn.Linear)
    moved = now @ layer.weight.T
    return torch.cat([moved[:1] + layer.bias, moved[1:]])


def _tanh(now: Tensor) -> Tensor:
    value = torch.tanh(now[0])
    slope = 1 - value * value
    parts = [value, slope * now[1]]
    if len(now) == WITH_PLACE:
        parts += [slope * now[2], slope * now[3] - 2 * value * slope * now[2] * now[2]]
    return torch.stack(parts)


def _wave(phase: Tensor, quarter: int) -> Tensor:
    """The jet of sine (0) or cosine (1) of a jet."""
    sine, cosine = torch.sin(phase[0]), torch.cos(phase[0])
    value, slope = (sine, cosine) if quarter == 0 else (cosine, -sine)
    parts = [value, slope * phase[1]]
    if len(phase) == WITH_PLACE:
        parts += [slope * phase[2], slope * phase[3] - value * phase[2] * phase[2]]
    return torch.stack(parts)
