"""A network for flux balance whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping

from cellula.core.flux import FluxBalance, FluxObjective, Gene, GeneRule
from cellula.core.network import Compartment, Network, Participant, Reaction, Species


def reaction(id: str, balance: Mapping[str, float]) -> Reaction:
    """A reaction of a species -> number mapping, negative for what it takes."""
    takes = tuple(Participant(one, -n) for one, n in balance.items() if n < 0)
    makes = tuple(Participant(one, n) for one, n in balance.items() if n > 0)
    return Reaction(id, takes, makes)


def toy(
    bounds: Mapping[str, tuple[float, float]] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Network:
    """A is taken up (at most 10), turned to B on two ways, and B makes biomass.

    ``long`` costs two steps, ``short`` is bounded by 4; ``long`` needs genes g1 and g2, ``short``
    g3 or g4.
    """
    reactions = (
        reaction("uptake", {"A": 1}),
        reaction("short", {"A": -1, "B": 1}),
        reaction("long_1", {"A": -1, "C": 1}),
        reaction("long_2", {"C": -1, "B": 1}),
        reaction("biomass", {"B": -1}),
    )
    given = {"uptake": (0.0, 10.0), "short": (0.0, 4.0), "biomass": (0.0, 1000.0)}
    given |= {"long_1": (-1000.0, 1000.0), "long_2": (-1000.0, 1000.0)}
    flux = FluxBalance(
        {**given, **(bounds or {})},
        (FluxObjective("growth", weights or {"biomass": 1.0}),),
        "growth",
        tuple(Gene(f"g{i}", f"g{i}") for i in range(1, 5)),
        {"long_1": GeneRule("and", ("g1", "g2")), "short": GeneRule("or", ("g3", "g4"))},
    )
    cell = (Compartment("cell"),)
    species = tuple(Species(id, "cell") for id in "ABC")
    return Network("toy", cell, species, (), reactions, flux=flux)
