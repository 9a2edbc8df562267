"""Tau-leaping: approximate stochastic simulation in leaps of many events."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network
from cellula.kernels.tau_leaping import tau_leaping
from cellula.models.mechanistic.stochastic import CountOptions, simulated

__all__ = ["TauLeaping", "TauLeapingOptions"]


class TauLeapingOptions(CountOptions):
    """Options of tau-leaping."""

    epsilon: float = Field(default=0.03, gt=0, lt=1)
    """How much a propensity may change within a leap, relative to it."""
    max_steps: int = 100_000_000
    """Leaps of a cell between two doses after which it is given up."""


@final
class TauLeaping:
    """Leaps with Poisson numbers of events, tau as long as no propensity changes much [cao2006]_.

    The propensities are those of the middle of a leap, where the drift alone leads to.
    A reaction close to using up a reactant happens at most once a leap, a leap that would
    make a count negative is halved and drawn again, and where leaps would be short the events
    are exact ones: counts are whole and never negative.
    """

    name: ClassVar[str] = "tau_leaping"
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[TauLeapingOptions]] = TauLeapingOptions
    references: ClassVar[tuple[str, ...]] = ("cao2006", "hormann1993")

    def __init__(self, options: TauLeapingOptions) -> None:
        self.options = options

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        """The trajectory of every cell; errors as of the simulator ssa."""
        kernel = partial(tau_leaping, self.options.epsilon)
        method = (kernel, self.options.max_steps, True)
        return simulated(
            reaction_network(network, self.name), (cells, doses, times), run, self.options, method
        )
