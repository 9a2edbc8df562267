"""Exact stochastic simulation: every event, one after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network
from cellula.kernels.next_reaction import next_reaction
from cellula.kernels.ssa import direct
from cellula.models.mechanistic.stochastic import CountOptions, Kernel, simulated

__all__ = ["Ssa", "SsaOptions"]

KERNELS: Mapping[str, Kernel] = {"direct": direct, "next_reaction": next_reaction}


class SsaOptions(CountOptions):
    """Options of the exact stochastic simulation."""

    method: Literal["direct", "next_reaction"] = "direct"
    """Gillespie's direct method, or that of Gibson and Bruck; both exact, one distribution."""
    max_steps: int = 1_000_000_000
    """Events of a cell between two doses after which it is given up."""


@final
class Ssa:
    """Gillespie's algorithm: the next event after an exponential time, by propensity.

    P(next is j, within dt) = a_j(x) dt [gillespie1977]_; next_reaction keeps a time for every
    reaction in a heap and redraws only what an event changes [gibson2000]_. Counts are whole
    numbers. Rates are taken as propensities as they stand, but for the deterministic rate k x^2
    of two molecules of a kind (k x^3 of three), which is read as k x (x - 1).
    """

    name: ClassVar[str] = "ssa"
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[SsaOptions]] = SsaOptions
    references: ClassVar[tuple[str, ...]] = ("gillespie1977", "gibson2000")

    def __init__(self, options: SsaOptions) -> None:
        self.options = options

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        """The trajectory of every cell; see the contract.

        Raises DataError on what has no stochastic meaning, by name, and EngineError, naming cell,
        time and reaction, on a negative rate or an event without reactants.
        """
        method = (KERNELS[self.options.method], self.options.max_steps, True)
        return simulated(
            reaction_network(network, self.name), (cells, doses, times), run, self.options, method
        )
