"""What the differential equations of one network come to, made once for all its populations."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import final

from cellula.core.network import Network
from cellula.models.mechanistic.events import EventFormulas, event_formulas
from cellula.models.mechanistic.past import PastFormulas, past_formulas
from cellula.models.mechanistic.problem import Problem, problem
from cellula.models.mechanistic.system import System, system_of
from cellula.models.mechanistic.tape import Tape, tape

__all__ = ["Kept", "Prepared", "prepared"]


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A network's equations as the solver takes them; no cell and no time is in them.

    held: the tape of the conditions in derivatives. observed: that of every id of the network.
    past: None where there are no delays.
    """

    system: System
    problem: Problem
    events: EventFormulas
    held: Tape
    observed: Tape
    past: PastFormulas | None


def prepared(network: Network) -> Prepared:
    """The equations of a network. Raises DataError and EngineError as ``system_of`` does."""
    system = system_of(network)
    states, parameters = system.states, system.parameters
    return Prepared(
        system,
        problem(states, parameters, system.derivatives, system.n_algebraic, system.roots),
        event_formulas(system),
        tape(list(system.held.values()), states, parameters),
        tape([system.observed[id] for id in network.ids], states, parameters),
        past_formulas(system) if system.delays else None,
    )


@final
class Kept:
    """What was prepared for the network that was asked for last, and for no other.

    A population that comes in batches is prepared once. A second thread that asks waits for the
    first. A copy, also one sent to another machine, has nothing in it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: tuple[Network, Prepared] | None = None

    @classmethod
    def holding(cls, made: Prepared) -> Kept:
        """With the equations of a network in it, from a cache of models."""
        kept = cls()
        kept._last = made.system.network, made
        return kept

    def of(self, network: Network) -> Prepared:
        """The equations of this very network: told apart by identity, for it is frozen."""
        with self._lock:
            if self._last is None or self._last[0] is not network:
                self._last = network, prepared(network)
            return self._last[1]

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        """Nothing in it travels."""
        return Kept, ()
