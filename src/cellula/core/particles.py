"""A network as particles in a box: which reactions two molecules that meet can do, how fast.

Counts react with the propensity K n_A n_B; with V the volume of the box the macroscopic constant,
volume^(order - 1) per time, is k = K V^(order - 1). Engines turn it into radii and probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, Symbol, rewritten, symbols
from cellula.core.inlined import inlined
from cellula.core.network import Network, Participant, Reaction
from cellula.core.population import Cell, each_cell
from cellula.core.request import check_molecules, check_request
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.core.variant import of_cell

__all__ = [
    "Meeting",
    "ParticleModel",
    "Positions",
    "Segment",
    "Walk",
    "particle_courses",
    "particle_model",
]

Floats = NDArray[np.float64]
#: Species -> where its particles are, (particles, 3), from 0 to the edge of the box.
Positions: TypeAlias = Mapping[str, Floats]
#: A count this close to a whole number, relative to it, is that number.
NEARLY_WHOLE = 1e-6


@dataclass(frozen=True, slots=True)
class Meeting:
    """A reaction of none, one or two particles; constant: volume^(order - 1) per time."""

    id: str
    reactants: tuple[str, ...]
    products: tuple[str, ...]
    constant: float


@dataclass(frozen=True, slots=True)
class ParticleModel:
    """Particles in a cube with periodic sides.

    counts: species -> molecules at the start. diffusion: species -> length^2 / time; edge: of the
    cube. scales: species -> what a count is divided by to give what its id stands for.
    """

    edge: float
    counts: Mapping[str, int]
    diffusion: Mapping[str, float]
    reactions: tuple[Meeting, ...]
    scales: Mapping[str, float]
    fixed: Mapping[str, float]

    def told(self, counts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Counts, species -> (times,), as every id stands in expressions."""
        found = {id: n / self.scales[id] for id, n in counts.items()}
        n_times = len(next(iter(counts.values())))
        found |= {id: np.full(n_times, value) for id, value in self.fixed.items()}
        for one in self.reactions:
            rate = np.full(n_times, one.constant * self.edge ** (3 * (1 - len(one.reactants))))
            for id in one.reactants:
                rate = rate * counts[id]
            found[one.id] = rate
        return found


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in ``n`` equal parts, each ``spacing`` long, from ``start`` on."""

    start: float
    spacing: float
    n: int


class Walk(Protocol):
    """What an engine does: particles on their way through a segment."""

    def __call__(
        self, model: ParticleModel, positions: Positions, segment: Segment, seed: int
    ) -> tuple[Mapping[str, Floats], Positions]:
        """Counts, species -> (n,), after each part, and the positions at the end."""


def particle_courses(
    network: Network,
    asked: tuple[ParameterTable, Schedule, Floats],
    diffusion: Mapping[str, float],
    walk: Walk,
    run: RunContext,
) -> Iterator[dict[str, Floats]]:
    """The courses of all cells, id -> (times,); asked: cells, doses and times.

    Particles start at random places. Raises DataError, naming it, on what particles cannot do.
    """
    cells, doses, times = asked
    check_request(network, cells, doses, times)
    check_molecules(network, cells)
    plain = inlined(network)
    for cell in each_cell(plain, cells, run):
        own = of_cell(plain, cell.values)
        yield _course(own, (cell, doses, times), diffusion, walk, run)


def _course(
    network: Network,
    asked: tuple[Cell, Schedule, Floats],
    diffusion: Mapping[str, float],
    walk: Walk,
    run: RunContext,
) -> dict[str, Floats]:
    cell, doses, times = asked
    rng = run.child("particles", cell.number).rng
    model = particle_model(network, diffusion)
    positions: Positions = {id: _placed(n, model.edge, rng) for id, n in model.counts.items()}
    stops = np.union1d(times, [one.time for one in doses.doses if one.time <= times[-1]])
    parts: dict[float, dict[str, Floats]] = {}
    for segment in _segments(stops, {one.time for one in doses.doses}):
        now = [one for one in doses.doses if one.time == segment.start]
        network, positions = _dosed(network, model, positions, now, rng)
        model = particle_model(network, diffusion)
        parts.setdefault(segment.start, model.told(_counted(positions)))
        parts[segment.start] = model.told(_counted(positions))
        counts, positions = walk(model, positions, segment, int(rng.integers(1, 2**31)))
        told = model.told(counts)
        for k in range(segment.n):
            at = stops[int(np.searchsorted(stops, segment.start)) + k + 1]
            parts[float(at)] = {id: values[k : k + 1] for id, values in told.items()}
    last = [one for one in doses.doses if one.time == stops[-1]]
    if last:
        network, positions = _dosed(network, model, positions, last, rng)
        model = particle_model(network, diffusion)
        parts[float(stops[-1])] = model.told(_counted(positions))
    rows = [parts[float(time)] for time in times]
    return {id: np.concatenate([row[id] for row in rows]) for id in rows[0]}


def _segments(stops: Floats, breaks: set[float]) -> Iterator[Segment]:
    """Stretches of equal parts between doses."""
    gaps = np.diff(stops)
    begin = 0
    for k in range(1, len(stops)):
        is_last = k == len(stops) - 1
        if is_last or float(stops[k]) in breaks or not math.isclose(gaps[k], gaps[begin]):
            n = k - begin
            yield Segment(float(stops[begin]), float(stops[k] - stops[begin]) / n, n)
            begin = k


def _placed(n: int, edge: float, rng: np.random.Generator) -> Floats:
    return np.asarray(rng.uniform(0, edge, (n, 3)), np.float64)


def _counted(positions: Positions) -> dict[str, Floats]:
    return {id: np.array([float(len(at))]) for id, at in positions.items()}


def _dosed(
    network: Network,
    model: ParticleModel,
    positions: Positions,
    doses: Sequence[Dose],
    rng: np.random.Generator,
) -> tuple[Network, Positions]:
    """Doses given now: particles come or go at random places, parameters change."""
    found = dict(positions)
    for dose in doses:
        if dose.id in found:
            before = len(found[dose.id])
            given = dose.value * (1.0 if dose.how == "scale" else model.scales[dose.id])
            after = {"set": given, "add": before + given, "scale": before * given}[dose.how]
            n = _whole(after, f"{dose.id!r} after a dose at {dose.time:g}")
            kept = rng.permutation(before)[: min(n, before)]
            new = _placed(max(n - before, 0), model.edge, rng)
            found[dose.id] = np.concatenate([found[dose.id][np.sort(kept)], new])
            continue
        if dose.id not in {one.id for one in network.parameters}:
            raise DataError(f"a dose changes {dose.id!r}; particles take species and parameters")
        now = model.fixed[dose.id]
        changed = {"set": dose.value, "add": now + dose.value, "scale": now * dose.value}[dose.how]
        network = of_cell(network, {dose.id: changed})
    return network, found


def _whole(value: float, what: str) -> int:
    nearest = round(value)
    if nearest < 0 or abs(value - nearest) > NEARLY_WHOLE * max(1.0, abs(value)):
        raise DataError(f"the count of {what} is {value:g}; particles are whole numbers from 0 on")
    return int(nearest)


# -- the network as particles ----------------------------------------------------------------------
def particle_model(network: Network, diffusion: Mapping[str, float]) -> ParticleModel:
    """The network in a cube of its compartment's volume; diffusion: species -> coefficient, else 0.

    Raises DataError, naming it, on what particles cannot do: rules, events, initial values,
    several compartments, boundary species, rates that are no mass action, three or more reactants,
    two alike, stoichiometries that are no whole numbers.
    """
    _refuse(network)
    for id, value in diffusion.items():
        if id not in {one.id for one in network.species}:
            raise DataError(f"a diffusion coefficient is given for {id!r}, no species")
        if not 0 <= value < math.inf:
            raise DataError(f"the diffusion coefficient of {id!r} is {value:g}; expected 0 or more")
    (place,) = network.compartments
    size = place.size
    if size is None or not 0 < size < math.inf:
        raise DataError(f"compartment {place.id!r} has size {size}; a box needs one above 0")
    fixed = {place.id: size}
    fixed |= {one.id: one.value for one in network.parameters if one.value is not None}
    scales = {one.id: 1.0 if one.is_amount else size for one in network.species}
    counts = {}
    for one in network.species:
        amount = (one.initial or 0.0) * (1.0 if one.initial_is_amount else size)
        counts[one.id] = _whole(amount, f"{one.id!r} at the start")
    reactions = tuple(_meeting(one, fixed, scales, size) for one in network.reactions)
    given = {one.id: float(diffusion.get(one.id, 0.0)) for one in network.species}
    return ParticleModel(size ** (1 / 3), counts, given, reactions, scales, fixed)


def _refuse(network: Network) -> None:
    what = ""
    if network.rules:
        what = "a rule"
    elif network.events:
        what = f"event {network.events[0].id!r}"
    elif network.initial:
        what = f"an initial value of {next(iter(network.initial))!r}"
    elif len(network.compartments) != 1 or network.compartments[0].dimensions != 3:
        what = f"{len(network.compartments)} compartments, or one without a volume"
    held = [one.id for one in network.species if one.is_boundary or one.is_constant]
    if held:
        what = f"species {held[0]!r}, which reactions do not change"
    if what:
        raise DataError(
            f"network {network.id!r} has {what}; particles in a box take one volume, species and "
            "mass-action reactions alone: use a well-stirred simulator, such as 'ssa'"
        )


def _meeting(
    reaction: Reaction, fixed: Mapping[str, float], scales: Mapping[str, float], volume: float
) -> Meeting:
    reactants, products = _named(reaction, "reactants"), _named(reaction, "products")
    order = len(reactants)
    if order > 2 or len(set(reactants)) < order:
        raise DataError(
            f"reaction {reaction.id!r} takes {' + '.join(reactants)}; particles here react alone "
            "or with one of another kind"
        )
    if reaction.rate is None:
        raise DataError(f"reaction {reaction.id!r} has no rate; particles need one")
    factors, coefficient = _product(reaction, fixed, scales)
    if sorted(factors) != sorted(reactants):
        raise DataError(
            f"the rate of reaction {reaction.id!r} is no mass action of its reactants "
            f"{' + '.join(reactants) or 'none'}: a constant times each of them once"
        )
    constant = coefficient * volume ** (order - 1)
    for id in factors:
        constant /= scales[id]
    if not 0 <= constant < math.inf:
        raise DataError(f"the rate constant of reaction {reaction.id!r} is {constant:g}")
    return Meeting(reaction.id, reactants, products, constant)


def _named(reaction: Reaction, side: str) -> tuple[str, ...]:
    """The species of a side, each as often as it takes part."""
    found: list[str] = []
    parts: tuple[Participant, ...] = getattr(reaction, side)
    for one in parts:
        n = one.stoichiometry
        if one.id is not None or n is None or n != round(n) or n < 0:
            raise DataError(
                f"reaction {reaction.id!r} takes or makes {n} of {one.species!r}; particles are "
                "whole numbers that do not change"
            )
        found.extend([one.species] * int(n))
    return tuple(found)


def _product(
    reaction: Reaction, fixed: Mapping[str, float], scales: Mapping[str, float]
) -> tuple[list[str], float]:
    """The species that are factors of the rate, and the product of all else."""
    factors: list[str] = []
    coefficient = 1.0
    pending: list[tuple[Expression, bool]] = [(reaction.rate or Number(0.0), False)]
    while pending:
        node, is_below = pending.pop()
        if isinstance(node, Symbol) and node.id in scales and not is_below:
            factors.append(node.id)
        elif isinstance(node, Apply) and node.function == "times":
            pending.extend((one, is_below) for one in node.arguments)
        elif isinstance(node, Apply) and node.function == "divide":
            pending.extend([(node.arguments[0], is_below), (node.arguments[1], not is_below)])
        else:
            value = _number(node, fixed, reaction)
            coefficient = coefficient / value if is_below else coefficient * value
    return factors, coefficient


def _number(node: Expression, fixed: Mapping[str, float], reaction: Reaction) -> float:
    def folded(one: Expression) -> Expression:
        if isinstance(one, Symbol) and one.id in fixed:
            return Number(fixed[one.id])
        if not isinstance(one, Apply):
            return one
        values = [side.value for side in one.arguments if isinstance(side, Number)]
        if len(values) < len(one.arguments) or one.function not in ARITHMETIC:
            return one
        return Number(ARITHMETIC[one.function](values))

    found = rewritten(node, folded)
    if not isinstance(found, Number):
        names = ", ".join(sorted(set(symbols(node)))) or "a function"
        raise DataError(
            f"the rate of reaction {reaction.id!r} is no mass action: {names} in it is no plain "
            "factor; particles react with a constant times their reactants"
        )
    return found.value


#: What constants may be made of.
ARITHMETIC: Mapping[str, Callable[[list[float]], float]] = {
    "plus": sum,
    "times": math.prod,
    "minus": lambda values: -values[0] if len(values) == 1 else values[0] - values[1],
    "divide": lambda values: values[0] / values[1] if values[1] else math.nan,
    "power": lambda values: values[0] ** values[1] if values[0] > 0 else math.nan,
}
