"""The negative log-likelihood of a PEtab problem's measurements."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.petab import PetabObservable, PetabProblem
from cellula.models.mechanistic.petab_simulation import NOISE, SIMULATION

__all__ = ["negative_log_likelihood", "negative_log_likelihoods"]

Floats = NDArray[np.float64]


def negative_log_likelihood(problem: PetabProblem, simulated: pd.DataFrame) -> float:
    """The sum of :func:`negative_log_likelihoods`; priors are no part of it."""
    return float(negative_log_likelihoods(problem, simulated).sum())


def negative_log_likelihoods(problem: PetabProblem, simulated: pd.DataFrame) -> Floats:
    """-log p(measurement | simulation, noise) of every row: (measurements,), in nats.

    simulated: of :func:`~cellula.models.mechanistic.petab_simulation.petab_simulation`. With
    r = t(m) - t(y) over sigma, t the transformation: log(2 pi sigma^2) / 2 + r^2 / 2 (normal),
    log(2 sigma) + abs(r) (Laplace), and, where t is a logarithm, log m, or log(m log 10), beside
    [schmiester2021]_. A missing measurement adds 0. Raises DataError, naming the observable,
    where a noise is not above 0, or a logarithm is taken of what is not.
    """
    if len(simulated) != len(problem.measurements):
        raise DataError(
            f"{len(simulated)} simulated rows of {len(problem.measurements)} measurements; take "
            "the table of petab_simulation as it is"
        )
    found = np.zeros(len(simulated))
    measured = problem.measurements["measurement"].to_numpy()
    told, noise = simulated[SIMULATION].to_numpy(), simulated[NOISE].to_numpy()
    is_there = ~np.isnan(measured)
    for one in problem.observables:
        chosen = is_there & (problem.measurements["observableId"] == one.id).to_numpy()
        found[chosen] = _of(one, measured[chosen], told[chosen], noise[chosen])
    return found


def _of(one: PetabObservable, measured: Floats, told: Floats, noise: Floats) -> Floats:
    _require_positive(one, "noise", noise)
    if not np.isfinite(told).all():
        raise DataError(f"a simulation of {one.id!r} is {told[~np.isfinite(told)][0]}")
    beside = np.zeros(len(measured))
    if one.transformation != "lin":
        _require_positive(one, "measurement", measured)
        _require_positive(one, "simulation", told)
        unit = 1.0 if one.transformation == "log" else math.log(10)
        beside = np.log(measured * unit)
        measured, told = np.log(measured) / unit, np.log(told) / unit
    residual = (measured - told) / noise
    if one.distribution == "normal":
        return beside + np.log(2 * np.pi * noise**2) / 2 + residual**2 / 2
    return beside + np.log(2 * noise) + np.abs(residual)


def _require_positive(one: PetabObservable, word: str, values: Floats) -> None:
    bad = ~(values > 0)
    if bad.any():
        raise DataError(
            f"a {word} of {one.id!r} is {values[bad][0]:g}; expected more than 0 with distribution "
            f"{one.distribution!r} and transformation {one.transformation!r}"
        )
