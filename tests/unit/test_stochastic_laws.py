"""Means and variances over time of processes whose law is known, as in the DSMTS.

The four models of Evans, Gillespie and Wilkinson (2008), with their own numbers: birth and death
from 100, immigration and death from 0,
dimerisation of 100, immigration in batches of 5. Its files are not here: the laws are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm

from cellula.core.network import Compartment, Network, Parameter, Participant, Reaction, Species
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.infix import parse
from cellula.models.mechanistic.langevin import Langevin, LangevinOptions
from cellula.models.mechanistic.ssa import Ssa, SsaOptions
from cellula.models.mechanistic.tau_leaping import TauLeaping, TauLeapingOptions

Floats = NDArray[np.float64]
CELLS = 4000
TIMES = np.array([0.0, 2.0, 10.0, 25.0, 50.0])
EXACT = {"direct": Ssa(SsaOptions()), "next_reaction": Ssa(SsaOptions(method="next_reaction"))}


@dataclass(frozen=True)
class Law:
    """A process and the mean and variance of its molecules at some times."""

    network: Network
    of: str
    moments: Callable[[Floats], tuple[Floats, Floats]]


def process(counts: dict[str, float], *steps: tuple[str, str, str], **rates: float) -> Network:
    def side(text: str) -> tuple[Participant, ...]:
        names = text.split()
        return tuple(Participant(one, float(names.count(one))) for one in dict.fromkeys(names))

    return Network(
        "law",
        (Compartment("cell"),),
        tuple(Species(id, "cell", count, True, True) for id, count in counts.items()),
        tuple(Parameter(id, value) for id, value in rates.items()),
        tuple(
            Reaction(f"r{k}", side(before), side(after), parse(rate), is_reversible=False)
            for k, (before, after, rate) in enumerate(steps)
        ),
    )


def birth_death(times: Floats) -> tuple[Floats, Floats]:
    grown = np.exp(-0.01 * times)
    return 100 * grown, 100 * (0.1 + 0.11) / -0.01 * grown * (grown - 1)


def immigration(times: Floats) -> tuple[Floats, Floats]:
    mean = 10 * (1 - np.exp(-0.1 * times))
    return mean, mean


def batches(times: Floats, size: float = 5.0) -> tuple[Floats, Floats]:
    """V' = -2 m V + m E + a b^2 and E' = -m E + a b, with a = 1 and m = 0.2."""
    left = np.exp(-0.2 * times)
    mean = size / 0.2 * (1 - left)
    settled, passing = (1 - left**2) / 0.4, (left - left**2) / 0.2
    return mean, size * (settled - passing) + size**2 * settled


def dimerisation(times: Floats, *, is_square: bool = False) -> tuple[Floats, Floats]:
    """The master equation of 2 P = P2 over the 51 states; propensity k x (x - 1) / 2."""
    dimers = np.arange(51.0)
    left = 100 - 2 * dimers
    bind = 0.001 * (left**2 if is_square else left * (left - 1)) / 2
    part = 0.01 * dimers
    generator = np.diag(bind[:-1], -1) + np.diag(part[1:], 1)
    generator -= np.diag(generator.sum(axis=0))
    chances = np.array([expm(generator * time)[:, 0] for time in times])
    mean = chances @ left
    return mean, chances @ left**2 - mean**2


LAWS = {
    "birth-death": Law(
        process({"X": 100}, ("X", "X X", "l * X"), ("X", "", "m * X"), l=0.1, m=0.11),
        "X",
        birth_death,
    ),
    "immigration-death": Law(
        process({"X": 0}, ("", "X", "a"), ("X", "", "m * X"), a=1.0, m=0.1), "X", immigration
    ),
    "dimerisation": Law(
        process(
            {"P": 100, "P2": 0},
            ("P P", "P2", "k * P * (P - 1) / 2"),
            ("P2", "P P", "d * P2"),
            k=0.001,
            d=0.01,
        ),
        "P",
        dimerisation,
    ),
    "batches": Law(
        process({"X": 0}, ("", "X X X X X", "a"), ("X", "", "m * X"), a=1.0, m=0.2), "X", batches
    ),
}
#: How far a mean and a variance of an approximate method may be off beside the 4 standard
#: errors, as a share of them, at the worst of the times. Langevin's equation is wrong where there
#: are few: from no molecules, with noise that is cut off at 0. Later, and from many, it has none.
BIAS = {
    ("tau_leaping", "birth-death"): (0.0, 0.0),
    ("tau_leaping", "immigration-death"): (0.0, 0.0),
    ("tau_leaping", "dimerisation"): (0.0, 0.0),
    ("tau_leaping", "batches"): (0.0, 0.0),
    ("langevin", "birth-death"): (0.0, 0.0),
    ("langevin", "immigration-death"): (0.08, 0.18),
    ("langevin", "batches"): (0.22, 0.3),
    ("langevin", "dimerisation"): (0.0, 0.0),
}
APPROXIMATE = {
    "tau_leaping": TauLeaping(TauLeapingOptions()),
    "langevin": Langevin(LangevinOptions()),
}


def counts(simulator: Any, law: Law, run: RunContext) -> Floats:
    """The molecules of every cell at every time but the first: (cells, times)."""
    cells = ParameterTable((), np.zeros((CELLS, 0)))
    found = simulator.simulate(law.network, cells, Schedule(), TIMES, run)
    values: Floats = found.of(law.of)[:, 1:]
    return values


def errors(values: Floats, moments: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """How many standard errors means and variances are off, that of a variance by its kurtosis."""
    mean, variance = (one[1:] for one in moments)
    found = values.var(axis=0, ddof=1)
    fourth = ((values - values.mean(axis=0)) ** 4).mean(axis=0)
    of_mean = np.sqrt(variance / len(values))
    of_variance = np.sqrt((fourth - found**2) / len(values))
    return np.abs(values.mean(axis=0) - mean) / of_mean, np.abs(found - variance) / of_variance


@pytest.mark.requirement("K9")
@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("name", LAWS)
def test_an_exact_method_has_the_law(name: str, method: str, run: RunContext) -> None:
    law = LAWS[name]
    of_means, of_variances = errors(counts(EXACT[method], law, run), law.moments(TIMES))
    assert of_means.max() < 4
    assert of_variances.max() < 4


@pytest.mark.requirement("K9")
@pytest.mark.parametrize(("method", "name"), BIAS)
def test_an_approximate_method_is_as_far_off_as_is_said(
    method: str, name: str, run: RunContext
) -> None:
    law = LAWS[name]
    values = counts(APPROXIMATE[method], law, run)
    mean, variance = (one[1:] for one in law.moments(TIMES))
    of_means, of_variances = errors(values, law.moments(TIMES))
    off = values.mean(axis=0) / mean - 1, values.var(axis=0, ddof=1) / variance - 1
    for error, share, allowed in zip(
        (of_means, of_variances), off, BIAS[method, name], strict=True
    ):
        assert ((error < 4) | (np.abs(share) < allowed)).all(), (error, share)


def test_a_wrong_propensity_is_caught(run: RunContext) -> None:
    """x^2 in place of x (x - 1): one molecule that reacts with itself."""
    values = counts(EXACT["direct"], LAWS["dimerisation"], run)
    of_means, _ = errors(values, dimerisation(TIMES, is_square=True))
    assert of_means.max() > 5


def test_a_wrong_size_of_batches_is_caught(run: RunContext) -> None:
    values = counts(EXACT["next_reaction"], LAWS["batches"], run)
    of_means, of_variances = errors(values, batches(TIMES, 4.7))
    assert of_means.max() > 4 or of_variances.max() > 4
