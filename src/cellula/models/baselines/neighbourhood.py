"""Who is near: cosines of features, softmax weights of the nearest, chosen by their error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbourhood", "cosines", "least_neighbourhood", "neighbour_weights"]

#: Tried on validation data: how many neighbours, and the temperature of their weights.
NEIGHBOURS = (1, 3, 5, 10, 20, 30)
TEMPERATURES = (0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """k, the temperature T (in units of the cosine) and the share s, 0 to 1, that is believed."""

    neighbours: int
    temperature: float
    strength: float


def neighbour_weights(
    cosine: NDArray[np.float64], neighbours: int, temperature: float
) -> NDArray[np.float64]:
    """softmax(cos / T) over the k nearest items of every row, 0 elsewhere: (rows, items).

    cosine: (rows, items), -inf where an item is no neighbour; a row without any has weights 0.
    Items exactly as near as the k-th share its place, so that their order changes nothing.
    """
    k = min(neighbours, cosine.shape[1])
    kth = -np.partition(-cosine, k - 1, axis=1)[:, k - 1 : k]
    top = cosine.max(axis=1, keepdims=True)
    is_near = (cosine >= kth) & np.isfinite(cosine)
    shifted = np.where(is_near, cosine - np.where(np.isfinite(top), top, 0.0), -np.inf)
    weights = np.exp(shifted / temperature)
    total = weights.sum(axis=1, keepdims=True)
    share = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return np.asarray(share, np.float64)


def cosines(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines of the rows of x (n, d) and of y (m, d): (n, m); 0 of a row of zeros.

    Rounded to 12 decimals, so that copies are exactly alike.
    """
    norm_x = np.sqrt((x**2).sum(axis=1))[:, None]
    norm_y = np.sqrt((y**2).sum(axis=1))
    product = norm_x * norm_y
    cosine = np.divide(x @ y.T, product, out=np.zeros(product.shape), where=product > 0)
    return np.asarray(np.round(cosine, 12), np.float64)


def least_neighbourhood(
    departure: Callable[[int, float], NDArray[np.float64]], residual: NDArray[np.float64]
) -> Neighbourhood:
    """The neighbourhood whose scaled departure from the mean has the least squared error.

    departure: from k and T to (groups, readouts); residual: what was observed, same shape. The
    strength is the least-squares slope of the residual on the departure, within [0, 1].
    """
    best, least = Neighbourhood(NEIGHBOURS[0], TEMPERATURES[0], 0.0), float((residual**2).sum())
    for k, t in product(NEIGHBOURS, TEMPERATURES):
        told = departure(k, t)
        square = float((told**2).sum())
        strength = min(max(float((told * residual).sum()) / square, 0.0), 1.0) if square else 0.0
        error = float(((strength * told - residual) ** 2).sum())
        if error < least:
            best, least = Neighbourhood(k, t, strength), error
    return best
