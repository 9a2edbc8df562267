"""A simulator on trial: with its options, on one network, at fixed times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import CellulaError
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.run import RunContext, run_context
from cellula.core.simulation import Dose, ParameterTable, Schedule, Simulator, Trajectory
from cellula.testing.rule import Rules

__all__ = ["SEED", "SimulatorTrial", "alike"]

SEED = 7


@final
@dataclass(frozen=True, slots=True)
class SimulatorTrial:
    """What the kits of simulators share.

    plugin: the class. options: by name. times: where courses are asked for.
    """

    plugin: Any
    options: Mapping[str, Any]
    network: Network | LogicNetwork
    times: NDArray[np.float64]

    @property
    def rules(self) -> Rules:
        """Rules that name the simulator."""
        return Rules(f"simulator {getattr(self.plugin, 'name', self.plugin)!r}")

    @property
    def simulator(self) -> Any:
        """A new one, with its options checked."""
        return self.plugin(self.plugin.options_type(**self.options))

    def simulate(
        self,
        run: RunContext,
        cells: ParameterTable,
        doses: Schedule | None = None,
        seed: int = SEED,
    ) -> Trajectory:
        """The courses of some cells, by a new simulator and from a seed."""
        found: Trajectory = self.simulator.simulate(
            self.network,
            cells,
            doses or Schedule(),
            self.times.copy(),
            run_context(seed, run.scratch, threads=run.threads),
        )
        return found

    def check_declaration(self) -> None:
        """Name, options and references are declared."""
        rules, simulator = self.rules, self.simulator
        rules.check_declaration(self.plugin, Simulator, simulator)
        rules.check_references(self.plugin)
        rules.check_options(self.plugin.options_type, simulator.options)

    def check_form(self, found: Trajectory) -> None:
        """A trajectory of all ids, at the times that were asked for."""
        rules = self.rules
        rules.require(isinstance(found, Trajectory), "simulate returns a Trajectory", type(found))
        rules.require(np.array_equal(found.times, self.times), "the times are those asked for")

    def check_unknown(self, run: RunContext) -> None:
        """An id that the network does not have is an error that names it."""
        rules = self.rules
        with rules.must_raise(CellulaError, "an unknown parameter is a DataError"):
            self.simulate(run, ParameterTable(("never_seen_id",), np.ones((1, 1))))
        schedule = Schedule((Dose(float(self.times[1]), "never_seen_id", 1.0),))
        with rules.must_raise(CellulaError, "an unknown dosed id is a DataError"):
            self.simulate(run, alike(1), schedule)


def alike(n: int) -> ParameterTable:
    """Cells that all are the network as it stands."""
    return ParameterTable((), np.zeros((n, 0)))
