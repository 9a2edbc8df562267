"""The distribution that a prediction with a 90 % interval stands for.

Two halves of normal distributions that meet in the median: the prediction is the median, moved
to the nearer bound where it lies outside its interval, and the bounds are the quantiles of 5 %
and 95 %. A half of no width is a point, so a prediction without any doubt is a distribution too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["TwoPieceNormal"]

#: The quantile of 95 % of a normal distribution of mean 0 and standard deviation 1.
QUANTILE = 1.6448536269514722
#: Beyond so many standard deviations the distribution is over in all digits.
FAR = 40.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TwoPieceNormal:
    """Median and the standard deviations of the normal halves below and above; one shape."""

    median: Floats
    below: Floats
    above: Floats

    @classmethod
    def through(cls, lower: Floats, middle: Floats, upper: Floats) -> TwoPieceNormal:
        """The distribution of a prediction ``middle`` with the bounds of its 90 % interval."""
        median = np.clip(middle, lower, upper)
        return cls(median, (median - lower) / QUANTILE, (upper - median) / QUANTILE)

    def cdf(self, x: Floats) -> tuple[Floats, Floats]:
        """P(X < x) and P(X <= x); they differ where x is the median and a half has no width."""
        z = x - self.median
        width = np.where(z < 0, self.below, self.above)
        inside = ndtr(_share(z, width))
        until = np.where((width > 0) | (z == 0), inside, (z > 0).astype(np.float64))
        is_point = z == 0
        before = np.where(is_point & (self.below == 0), 0.0, until)
        return before, np.where(is_point & (self.above == 0), 1.0, until)

    def crps(self, x: Floats) -> Floats:
        """Integral over t of (P(X <= t) - 1[t >= x])^2 in closed form; same shape and unit.

        The half away from x gives c times its deviation, the half of x what a whole normal
        distribution gives, less c, with c = (sqrt 2 - 1) / (2 sqrt pi) [gneiting2007]_.
        """
        z = np.abs(x - self.median)
        is_below = x < self.median
        own = np.where(is_below, self.below, self.above)
        other = np.where(is_below, self.above, self.below)
        share = _share(z, own)
        density = np.exp(-0.5 * share**2) / np.sqrt(2.0 * np.pi)
        normal = z * (2.0 * ndtr(share) - 1.0) + own * (2.0 * density - 1.0 / np.sqrt(np.pi))
        half = (np.sqrt(2.0) - 1.0) / (2.0 * np.sqrt(np.pi))
        return np.asarray(np.where(own > 0, normal, z) + half * (other - own), np.float64)


def _share(z: Floats, width: Floats) -> Floats:
    """Deviation over width, no farther than ``FAR``; 0 without a width."""
    near = np.clip(z, -FAR * width, FAR * width)
    return np.divide(near, width, out=np.zeros(near.shape), where=width > 0)
