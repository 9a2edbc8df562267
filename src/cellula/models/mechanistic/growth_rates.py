"""How a drug slows growth: division falls and death rises along Hill curves, after a delay."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARAMETERS", "PRIOR_MEAN", "PRIOR_SD", "growth_change", "growth_sensitivities"]

Floats: TypeAlias = NDArray[np.float64]

#: What every row of parameters holds, in this order. Doses are in mol/l.
PARAMETERS = (
    "division_lost",  # share of the division rate that is lost at saturation; below 0: it rises
    "log10_division_ec50",
    "ln_division_hill",
    "ln_death_rate",  # at saturation, in doublings per hour
    "log10_death_ec50",
    "ln_death_hill",
    "ln_onset",  # 1 over the delay, per hour
)
#: Before any data; the two EC50 are counted from the middle of the doses that were tried.
PRIOR_MEAN = np.array([0.4, 0.0, 0.0, np.log(0.005), 1.0, 0.0, np.log(1 / 12)])
PRIOR_SD = np.array([0.4, 1.5, 0.4, 1.5, 1.5, 0.4, 0.7])
LN10 = float(np.log(10.0))


def growth_change(
    parameters: Floats, log10_dose: Floats, division_rate: Floats, hours: Floats
) -> Floats:
    """The change of log2 cells that a drug makes: (points,), 0 or less for most.

    With d the dose, b the division rate without drug and H(d) = 1 / (1 + (EC50 / d)^h), the rate
    of doublings falls by l = b a H1(d) + D H2(d), a the share of division that is lost and D the
    rate of death. The drug sets in with the rate k, so that log2 N changes by
    -l (t - (1 - exp(-k t)) / k), and the proliferation rate, once it is steady, by -l
    [harrisfrick2016]_. parameters: (..., 7), see :data:`PARAMETERS`; log10_dose, division_rate
    (doublings per hour) and hours: of one shape with it; an infinite time asks for that rate.
    """
    return _change(parameters, log10_dose, division_rate, hours)[0]


def growth_sensitivities(
    parameters: Floats, log10_dose: Floats, division_rate: Floats, hours: Floats
) -> tuple[Floats, Floats]:
    """:func:`growth_change` and its derivatives by the parameters: (points,), (points, 7)."""
    value, parts = _change(parameters, log10_dose, division_rate, hours)
    lost, death, first, second, time, by_onset, spent = parts
    derivatives = np.broadcast_arrays(
        *(
            -division_rate * first[0] * time,
            -division_rate * lost * first[1] * time,
            -division_rate * lost * first[2] * time,
            -death * second[0] * time,
            -death * second[1] * time,
            -death * second[2] * time,
            -spent * by_onset,
        )
    )
    return value, np.stack(derivatives, axis=-1)


def _change(
    parameters: Floats, log10_dose: Floats, division_rate: Floats, hours: Floats
) -> tuple[
    Floats, tuple[Floats, Floats, tuple[Floats, ...], tuple[Floats, ...], Floats, Floats, Floats]
]:
    p = np.moveaxis(np.asarray(parameters, np.float64), -1, 0)
    first, second = _hill(log10_dose, p[1], p[2]), _hill(log10_dose, p[4], p[5])
    death = np.exp(p[3])
    spent = division_rate * p[0] * first[0] + death * second[0]
    time, by_onset = _time_in_force(np.exp(p[6]), hours)
    return -spent * time, (p[0], death, first, second, time, by_onset, spent)


def _hill(log10_dose: Floats, log10_ec50: Floats, ln_hill: Floats) -> tuple[Floats, ...]:
    """H, and its derivatives by log10 EC50 and by ln h."""
    power = np.exp(ln_hill)
    exponent = np.clip(power * LN10 * (log10_dose - log10_ec50), -500.0, 500.0)
    value = 1.0 / (1.0 + np.exp(-exponent))
    slope = value * (1.0 - value)
    return value, -slope * power * LN10, slope * exponent


def _time_in_force(onset: Floats, hours: Floats) -> tuple[Floats, Floats]:
    """T - (1 - exp(-k t)) / k and its derivative by ln k; 1 and 0 at an infinite time."""
    is_rate = np.isinf(hours)
    t = np.where(is_rate, 0.0, hours)
    gone = np.exp(-onset * t)
    value = t - (1.0 - gone) / onset
    slope = (1.0 - gone) / onset - t * gone
    return np.where(is_rate, 1.0, value), np.where(is_rate, 0.0, slope)
