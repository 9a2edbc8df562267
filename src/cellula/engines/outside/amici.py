"""AMICI [froehlich2021]_: SBML compiled to C++, solved by CVODES in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import EngineError
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.population import each_cell, gathered
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network
from cellula.core.variant import Treated, treated
from cellula.engines.outside.environment import Environment
from cellula.engines.outside.worker import Question, answered
from cellula.io.sbml import sbml_ids, sbml_text

__all__ = ["AMICI", "Amici", "AmiciOptions"]

Floats: TypeAlias = NDArray[np.float64]
#: A model is compiled against the library, by the same SWIG: its version is one, then and later.
AMICI = Environment(
    name="amici",
    what="SBML compiled to C++: CVODES",
    package="amici",
    pins=(
        "amici==1.0.1",
        "numpy==2.4.6",
        "pandas==3.1.1",
        "python-libsbml==5.21.2",
        "swig==4.5.1",
        "sympy==1.14.0",
    ),
    license="BSD-3-Clause",
    needs=("c++",),
    seconds=3600.0,
    builds=("swig==4.5.1",),
)


class AmiciOptions(Options):
    """Options of :class:`Amici`."""

    rtol: float = Field(default=1e-8, gt=0, lt=1)
    """Relative tolerance of a step."""
    atol: float = Field(default=1e-12, gt=0)
    """Absolute tolerance of a step, in the network's units."""
    max_steps: int = Field(default=100_000, ge=1)
    """Steps of a course."""
    seconds: float = Field(default=1800.0, gt=0)
    """How long a population may take, compiling included."""


@final
class Amici:
    """AMICI [froehlich2021]_ in its own environment: ``cellula engine install amici``.

    A model is compiled once a run (tens of seconds), and for every cell where its start depends
    on what differs. Doses are events. Ids that AMICI does not tell are left out: constants.
    """

    name: ClassVar[str] = "amici"
    is_stochastic: ClassVar[bool] = False
    options_type: ClassVar[type[Options]] = AmiciOptions
    references: ClassVar[tuple[str, ...]] = ("froehlich2021", "hindmarsh2005", "hucka2003")
    version: ClassVar[str] = AMICI.version

    def __init__(self, options: AmiciOptions) -> None:
        self.options = options

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: Floats,
        run: RunContext,
    ) -> Trajectory:
        """The trajectory of every cell at ``times``.

        Raises DataError on an id that cannot be set, MissingExtra where AMICI is not installed,
        EngineError where it refuses the model or a cell has no solution.
        """
        given = reaction_network(network, self.name)
        asked = treated(given, cells, doses, times, has_rates=False)
        if not len(cells):
            return Trajectory(given.ids, times.copy(), np.empty((0, len(times), len(given.ids))))
        question = Question("amici_course", self._content(asked, cells, times, run), self._seconds)
        told = answered(AMICI, question, run.scratch / "amici")
        return gathered(given.ids, times, self._courses(told, asked, cells), run)

    @property
    def _seconds(self) -> float:
        return self.options.seconds

    def _content(
        self, asked: Treated, cells: ParameterTable, times: Floats, run: RunContext
    ) -> dict[str, Any]:
        names = sbml_ids(asked.network)
        models: dict[str, int] = {}
        rows = []
        for cell in each_cell(asked.network, cells, run):
            text = sbml_text(asked.network if cell.network is None else cell.network)
            own = {} if cell.network is not None else cell.values
            number = models.setdefault(text, len(models))
            rows.append({"model": number, "values": {names[id]: v for id, v in own.items()}})
        return {
            "models": list(models),
            "cells": rows,
            "times": [float(time) for time in asked.at(times)],
            "folder": str((run.scratch / "amici").resolve()),
            "rtol": self.options.rtol,
            "atol": self.options.atol,
            "max_steps": self.options.max_steps,
        }

    def _courses(
        self, told: Mapping[str, Any], asked: Treated, cells: ParameterTable
    ) -> Iterator[dict[str, Floats]]:
        names = sbml_ids(asked.network)
        for place, course in enumerate(told["courses"]):
            if course["status"]:
                raise EngineError(
                    f"amici {told['version']} has no solution of cell {cells.first + place} "
                    f"beyond {course['time'] + asked.start:g}: {course['status']}"
                )
            raw = dict(zip(told["ids"], np.array(course["values"], np.float64), strict=True))
            own = {id: raw[name] for id, name in names.items() if name in raw}
            yield own | {id: own[shadow] for id, shadow in asked.rates.items()}
