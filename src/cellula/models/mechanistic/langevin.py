"""The chemical Langevin equation: approximate stochastic simulation with real counts."""

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
from cellula.kernels.langevin import langevin
from cellula.models.mechanistic.stochastic import CountOptions, simulated

__all__ = ["Langevin", "LangevinOptions"]


class LangevinOptions(CountOptions):
    """Options of the chemical Langevin equation."""

    epsilon: float = Field(default=0.03, gt=0, lt=1)
    """How much a propensity may change within a step, relative to it."""
    max_steps: int = 100_000_000
    """Steps of a cell between two doses after which it is given up."""


@final
class Langevin:
    """dX = S a(X) dt + S diag(sqrt(a(X))) dW, by Euler and Maruyama [gillespie2000]_.

    The step is that of tau-leaping [cao2006]_, a is taken in its middle. An extent that would use
    up more than there is is cut to what there is: no count is negative, and what the reactions
    conserve is conserved.
    Where counts are few that, and Gaussian noise itself, are wrong: use ssa.
    """

    name: ClassVar[str] = "langevin"
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[LangevinOptions]] = LangevinOptions
    references: ClassVar[tuple[str, ...]] = ("gillespie2000", "cao2006")

    def __init__(self, options: LangevinOptions) -> None:
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
        kernel = partial(langevin, self.options.epsilon)
        method = (kernel, self.options.max_steps, False)
        return simulated(
            reaction_network(network, self.name), (cells, doses, times), run, self.options, method
        )
