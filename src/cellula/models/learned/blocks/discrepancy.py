"""How far two sets of cells are apart, with a gradient: energy distance and squared MMD."""

from __future__ import annotations

import torch
from torch import Tensor

from cellula.kernels.pair_sums import N_BANDWIDTHS

__all__ = ["energy_distances", "least_gammas", "squared_mmds"]

#: A squared distance below so many units of rounding of |x|^2 + |y|^2 is that of equal rows.
ROUNDING = 8.0
#: The largest gamma, that of a set of equal rows; float32 holds it.
GREATEST_GAMMA = 1e30


def energy_distances(
    x: Tensor,
    y: Tensor,
    x_is_there: Tensor | None = None,
    y_is_there: Tensor | None = None,
    *,
    is_unbiased: bool = False,
) -> Tensor:
    """Energy distance 2E|X-Y| - E|X-X'| - E|Y-Y'| of pairs of sets [szekely2013]_: (sets,).

    x: (sets, n, d), y: (sets, m, d), each set with one row at least; is_there: (sets, n), which
    rows count, None for all. A V-statistic, as :func:`cellula.kernels.energy.energy_distance`;
    ``is_unbiased`` leaves every row beside itself out, so that a small set is not drawn together
    when the distance is lessened. The gradient of a pair of equal rows is 0.
    """
    x, y = _centred(x, y, y_is_there)
    a, b = _shares(x, x_is_there), _shares(y, y_is_there)
    between = _mean(_distances(x, y), a, b)
    within_x = _within(_distances(x, x), a, is_unbiased=is_unbiased)
    within_y = _within(_distances(y, y), b, is_unbiased=is_unbiased)
    return 2.0 * between - within_x - within_y


def squared_mmds(
    x: Tensor,
    y: Tensor,
    gamma: Tensor | float,
    x_is_there: Tensor | None = None,
    y_is_there: Tensor | None = None,
) -> Tensor:
    """Squared maximum mean discrepancy of pairs of sets by kernel [gretton2008]_: (sets, 5).

    E k(X,X') + E k(Y,Y') - 2 E k(X,Y), k = exp(-gamma 2^b |x - y|^2), b = 0 .. 4; arguments as
    in :func:`energy_distances`, gamma: a number or (sets,), per squared unit. A V-statistic, as
    :func:`cellula.kernels.mmd.squared_mmd`.
    """
    x, y = _centred(x, y, y_is_there)
    a, b = _shares(x, x_is_there), _shares(y, y_is_there)
    least = torch.as_tensor(gamma, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)
    pairs = ((x, y, a, b), (x, x, a, a), (y, y, b, b))
    squares = [_squares(left, right) for left, right, _, _ in pairs]
    found = []
    for kernel in range(N_BANDWIDTHS):
        between, within_x, within_y = (
            _mean(torch.exp(-least * 2.0**kernel * square), one, two)
            for square, (_, _, one, two) in zip(squares, pairs, strict=True)
        )
        found.append(within_x + within_y - 2.0 * between)
    return torch.stack(found, dim=1)


def least_gammas(y: Tensor, y_is_there: Tensor | None = None) -> Tensor:
    """The smallest of the five gammas for sets of reference: (sets,), without a gradient.

    1 / (4 s^2), s^2 the mean squared distance of two different rows of a set y (sets, m, d),
    m >= 2; as :func:`cellula.kernels.mmd.least_gamma`.
    """
    y = y.detach()
    share = _shares(y, y_is_there)
    mean = (share.unsqueeze(-1) * y).sum(dim=1, keepdim=True)
    n = (share > 0).sum(dim=1)
    spread = (share.unsqueeze(-1) * (y - mean) ** 2).sum(dim=(1, 2)) * n / (n - 1).clamp_min(1)
    return 0.25 / (2.0 * spread).clamp_min(0.25 / GREATEST_GAMMA)


def _centred(x: Tensor, y: Tensor, y_is_there: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both sets less the mean of y: a distance is a small difference of large squares elsewhere."""
    share = _shares(y, y_is_there).unsqueeze(-1)
    mean = (share * y).sum(dim=1, keepdim=True).detach()
    return x - mean, y - mean


def _shares(x: Tensor, is_there: Tensor | None) -> Tensor:
    """The weight of every row in its set: (sets, n), 1 / (rows that count), or 0."""
    if is_there is None:
        return torch.full(x.shape[:2], 1.0 / x.shape[1], dtype=x.dtype, device=x.device)
    counted = is_there.to(x.dtype)
    return counted / counted.sum(dim=1, keepdim=True)


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of all pairs of rows: (sets, n, m); 0 without a gradient of equal rows."""
    size = (x**2).sum(dim=2).unsqueeze(2) + (y**2).sum(dim=2).unsqueeze(1)
    square = size - 2.0 * x @ y.transpose(1, 2)
    is_equal = square <= ROUNDING * torch.finfo(x.dtype).eps * size
    return square.masked_fill(is_equal, 0.0)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    square = _squares(x, y)
    is_equal = square == 0
    return torch.sqrt(square.masked_fill(is_equal, 1.0)).masked_fill(is_equal, 0.0)


def _mean(pairs: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Weighted mean over the pairs (sets, n, m) of every set: (sets,)."""
    found: Tensor = (a.unsqueeze(1) @ pairs @ b.unsqueeze(2)).reshape(-1)
    return found


def _within(distances: Tensor, share: Tensor, *, is_unbiased: bool) -> Tensor:
    found = _mean(distances, share, share)
    if not is_unbiased:
        return found
    n = (share > 0).sum(dim=1)
    return found * n / (n - 1).clamp_min(1)
