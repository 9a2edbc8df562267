"""A transformer encoder: attention over a set of tokens, with or without places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TransformerEncoder", "TransformerForm", "mean_of"]


@dataclass(frozen=True, slots=True)
class TransformerForm:
    """What a layer is like.

    width: numbers of a token, a multiple of ``heads``; inner: units between its two linear
    layers; norm_first: each half is normalised before it, x + f(norm(x)), else after it,
    norm(x + f(x)) as in BERT; epsilon: of the normalisation.
    """

    width: int
    heads: int
    inner: int
    activation: Literal["gelu", "relu"] = "gelu"
    norm_first: bool = False
    epsilon: float = 1e-12


@final
class _Layer(nn.Module):
    def __init__(self, form: TransformerForm) -> None:
        super().__init__()
        self.form = form
        self.query = nn.Linear(form.width, form.width)
        self.key = nn.Linear(form.width, form.width)
        self.value = nn.Linear(form.width, form.width)
        self.attended = nn.Linear(form.width, form.width)
        self.attended_norm = nn.LayerNorm(form.width, eps=form.epsilon)
        self.wide = nn.Linear(form.width, form.inner)
        self.narrow = nn.Linear(form.inner, form.width)
        self.narrow_norm = nn.LayerNorm(form.width, eps=form.epsilon)

    def forward(self, x: Tensor, is_there: Tensor) -> Tensor:
        if self.form.norm_first:
            x = x + self._attend(self.attended_norm(x), is_there)
            return x + self._feed(self.narrow_norm(x))
        x = self.attended_norm(x + self._attend(x, is_there))
        found: Tensor = self.narrow_norm(x + self._feed(x))
        return found

    def _attend(self, x: Tensor, is_there: Tensor) -> Tensor:
        q, k, v = (self._split(layer(x)) for layer in (self.query, self.key, self.value))
        mask = is_there[:, None, None, :]
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        found: Tensor = self.attended(mixed.transpose(1, 2).reshape(x.shape))
        return found

    def _split(self, x: Tensor) -> Tensor:
        """(cells, tokens, width) as (cells, heads, tokens, width / heads)."""
        cells, tokens, _ = x.shape
        return x.reshape(cells, tokens, self.form.heads, -1).transpose(1, 2)

    def _feed(self, x: Tensor) -> Tensor:
        act = functional.gelu if self.form.activation == "gelu" else functional.relu
        found: Tensor = self.narrow(act(self.wide(x)))
        return found


@final
class TransformerEncoder(nn.Module):
    """Layers of attention of every token to all that are there [vaswani2017]_.

    Of layers that are normalised first the end is not normalised.
    """

    def __init__(self, layers: int, form: TransformerForm) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(form) for _ in range(layers))

    def forward(self, x: Tensor, is_there: Tensor) -> list[Tensor]:
        """The tokens before the first layer and after every one, each (cells, tokens, width).

        x: (cells, tokens, width); is_there: (cells, tokens), which tokens others attend to, at
        least one a cell.
        """
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], is_there))
        return states


def mean_of(tokens: Tensor, is_there: Tensor) -> Tensor:
    """The mean of the tokens that are there: (cells, width); 0 where there are none."""
    weight = is_there.to(tokens.dtype).unsqueeze(-1)
    return (tokens * weight).sum(dim=1) / torch.clamp(weight.sum(dim=1), min=1.0)
