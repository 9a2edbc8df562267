"""What may bear the answer to a question, and at which scale it lives."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from cellula.core.errors import StudyError

__all__ = ["ASSOCIATION", "MECHANISMS", "SCALES", "Mechanism", "mechanism"]

#: Scales of a question, the smallest first, as a study's boundary names them.
SCALES = ("molecular", "intracellular", "cellular", "multicellular", "tissue", "organism")
#: No mechanism: a relation that is fitted to data.
ASSOCIATION = "association"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """name; what it is; is_spatial: whether places, not amounts alone, decide."""

    name: str
    what: str
    is_spatial: bool = False


MECHANISMS = (
    Mechanism(ASSOCIATION, "no mechanism asked for: a relation fitted to data"),
    Mechanism("kinetics", "reactions of molecules in a well-mixed cell"),
    Mechanism("low_copy_noise", "reactions of so few molecules that chance decides"),
    Mechanism("regulatory_logic", "genes and proteins that switch one another on and off"),
    Mechanism("metabolism", "steady fluxes through a metabolic network"),
    Mechanism("electrophysiology", "currents through the membrane of an excitable cell"),
    Mechanism("growth", "division and death of a population of cells"),
    Mechanism("exposure", "the way of a compound from its dose to the cells"),
    Mechanism("diffusion", "molecules that spread and react in space", is_spatial=True),
    Mechanism("tissue", "cells that move, touch and divide in space", is_spatial=True),
    Mechanism("biomechanics", "forces of muscles and joints", is_spatial=True),
)


def mechanism(name: str) -> Mechanism:
    """The mechanism of this name. Raises StudyError, naming the nearest and all, on none."""
    for one in MECHANISMS:
        if one.name == name:
            return one
    names = [one.name for one in MECHANISMS]
    near = get_close_matches(name, names, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise StudyError(f"no mechanism is called {name!r}{hint} (there are: {', '.join(names)})")
