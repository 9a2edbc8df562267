"""Myokit [clerx2016]_: models compiled to C, stepped by CVODES [hindmarsh2005]_."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from typing import Any, ClassVar, TypeAlias, final

import myokit
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import EngineError, MissingExtra
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.request import check_request
from cellula.core.run import RunContext
from cellula.core.simulation import (
    ParameterTable,
    Schedule,
    Trajectory,
    reaction_network,
)
from cellula.engines.myokit.course import course
from cellula.engines.myokit.program import Program, program

__all__ = ["Myokit", "MyokitOptions"]

Floats: TypeAlias = NDArray[np.float64]
#: As package registries call it.
PACKAGE = "myokit"
#: What a machine without a compiler or without SUNDIALS is told.
NEEDS = (
    "myokit compiles models: it needs a C compiler and the headers of SUNDIALS, on Debian: "
    "apt-get install gcc libc6-dev libsundials-dev"
)
_SIMULATION: Any = myokit.Simulation  # myokit has no types


class MyokitOptions(Options):
    """Options of :class:`Myokit`."""

    rtol: float = Field(default=1e-7, gt=0, lt=1)
    """Relative tolerance of a step."""
    atol: float = Field(default=1e-9, gt=0)
    """Absolute tolerance of a step, in the network's units."""
    max_step: float | None = Field(default=None, gt=0)
    """The longest step, in the unit of time; None for no bound."""


@final
class Myokit:
    """Myokit [clerx2016]_ with CVODES, on one thread; a model is compiled once, for all its cells.

    The solver is started anew at every dose, so that it meets them exactly. A pulse that a
    formula of the time describes may be stepped over: pace the network, or bound ``max_step``.
    Events, algebraic rules, delays, fast reactions and conversion factors are refused. Compiling
    changes the working directory of the process for as long as it takes.
    """

    name: ClassVar[str] = "myokit"
    package: ClassVar[str] = PACKAGE
    is_stochastic: ClassVar[bool] = False
    options_type: ClassVar[type[Options]] = MyokitOptions
    references: ClassVar[tuple[str, ...]] = ("clerx2016", "hindmarsh2005")

    def __init__(self, options: MyokitOptions) -> None:
        self.options = options
        self.version = version(PACKAGE)
        self._last: tuple[Network, Program, Any] | None = None

    def __reduce__(self) -> tuple[type[Myokit], tuple[MyokitOptions]]:
        """What is compiled does not travel."""
        return Myokit, (self.options,)

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: Floats,
        run: RunContext,
    ) -> Trajectory:
        """The trajectory of every cell at ``times``, all ids; at a dose's time, just after it.

        Raises DataError on an id that cannot be set, MissingExtra where nothing can be compiled,
        EngineError where Myokit refuses the model or a cell has no solution.
        """
        given = reaction_network(network, self.name)
        check_request(given, cells, doses, times)
        made, engine = self._prepared(given)
        values = np.empty((len(cells), len(times), len(given.ids)))
        for place in run.progress.track(range(len(cells)), "cells"):
            own = dict(zip(cells.ids, map(float, cells.values[place]), strict=True))
            try:
                told = course(engine, made, made.at_start(own, float(times[0])), doses, times)
            except (myokit.SimulationError, ArithmeticError) as error:
                raise EngineError(
                    f"myokit {self.version} has no solution of cell {cells.first + place} beyond "
                    f"time {engine.time():g}: {_first_line(error)}"
                ) from error
            for column, id in enumerate(given.ids):
                values[place, :, column] = told[id]
        return Trajectory(given.ids, times.copy(), values)

    def _prepared(self, network: Network) -> tuple[Program, Any]:
        """The program of this very network, compiled once for all batches of a population."""
        if self._last is None or self._last[0] is not network:
            made = program(network, f"myokit {self.version}")
            self._last = network, made, self._compiled(made, network.id)
        return self._last[1:]

    def _compiled(self, made: Program, id: str) -> Any:
        folder = os.getcwd()
        try:
            engine = _SIMULATION(made.model)
        except myokit.CompilationError as error:
            if shutil.which("gcc") is None or "sundials" in str(error) or "cvode" in str(error):
                raise MissingExtra(f"{NEEDS} ({_cause(str(error))})") from error
            raise EngineError(
                f"myokit {self.version} cannot compile network {id!r}: {_cause(str(error))}"
            ) from error
        finally:
            os.chdir(folder)
        engine.set_tolerance(self.options.atol, self.options.rtol)
        engine.set_max_step_size(self.options.max_step)
        return engine


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _cause(said: str) -> str:
    """The line of what the compiler said that tells most."""
    lines = [line.strip() for line in said.splitlines() if "error" in line.lower()]
    return lines[-1] if lines else _first_line(EngineError(said))
