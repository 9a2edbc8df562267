"""Virtual Cell [schaff1997]_: SBML as a biomodel, its finite-volume solver, in its own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import DataError, EngineError
from cellula.core.expression import Expression, Number, Symbol, apply, substituted
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.request import check_request
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, reaction_network
from cellula.engines.outside.environment import Environment
from cellula.engines.outside.even_times import stretches
from cellula.engines.outside.worker import Question, answered
from cellula.io.sbml import sbml_ids, sbml_text

__all__ = ["VCELL", "Slab", "VCell", "VCellOptions", "slab_course"]

Floats: TypeAlias = NDArray[np.float64]
VCELL = Environment(
    name="pyvcell",
    what="SBML as a biomodel of Virtual Cell: its finite-volume solver",
    package="pyvcell",
    pins=(
        "pyvcell==0.2.4",
        "libvcell==0.0.24",
        "pyvcell-fvsolver==0.10.8",
        "antimony==3.3.0",
        "numpy==2.4.6",
        "pyvista==0.49.1",
        "python-libsbml==5.21.2",
        "sympy==1.14.0",
        "vtk==9.7.2",
        "zarr==2.18.7",
    ),
    license="MIT",
)


class VCellOptions(Options):
    """Options of :class:`VCell`."""

    seconds: float = Field(default=1800.0, gt=0)
    """How long a population may take; starting takes some 20 s."""


@final
@dataclass(frozen=True, slots=True)
class Slab:
    """A line of equal elements, closed at both ends.

    length: in the biomodel's unit of length, µm. initial: species -> its concentration at the
    start, a formula of ``x`` in the words of Virtual Cell. diffusion: species -> coefficient, in
    length^2 / time.
    """

    length: float = 1.0
    elements: int = 3
    initial: Mapping[str, str] = field(default_factory=dict)
    diffusion: Mapping[str, float] = field(default_factory=dict)


@final
class VCell:
    """Virtual Cell's solver of partial differential equations [schaff1997]_, well stirred.

    Runs in its own environment: ``cellula engine install pyvcell``. It has one tolerance, 1e-7
    relative, and tells the species only. Taken are reactions of species told as concentrations
    in one compartment of constant size; rules, events and initial values that are computed are
    refused. At a dose the solver is started anew; a time that is a dose's is told before it.
    """

    name: ClassVar[str] = "vcell"
    is_stochastic: ClassVar[bool] = False
    options_type: ClassVar[type[Options]] = VCellOptions
    references: ClassVar[tuple[str, ...]] = ("schaff1997", "hucka2003")
    version: ClassVar[str] = VCELL.version

    def __init__(self, options: VCellOptions) -> None:
        self.options = options

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: Floats,
        run: RunContext,
    ) -> Trajectory:
        """The species of every cell at ``times``.

        Raises DataError on an id that cannot be set or times that share no step, MissingExtra
        where Virtual Cell is not installed, EngineError where it refuses the model.
        """
        given = reaction_network(network, self.name)
        check_request(given, cells, doses, times)
        _refuse(given)
        names = sbml_ids(given)
        _refuse_sizes(given, (*cells.ids, *(dose.id for dose in doses.doses)))
        rows = [
            {names[id]: float(value) for id, value in zip(cells.ids, row, strict=True)}
            for row in cells.values
        ]
        runs, places = stretches(doses, times, names)
        content = _content(given, Slab(), rows, runs)
        question = Question("vcell_course", content, self.options.seconds)
        told = answered(VCELL, question, run.scratch / "vcell")
        ids = tuple(one.id for one in given.species)
        run.progress.say(f"Virtual Cell tells the {len(ids)} species only")
        values = np.empty((len(cells), len(times), len(ids)))
        for cell, course in enumerate(told["courses"]):
            for column, id in enumerate(ids):
                parts = [np.array(part[names[id]])[:, 0] for part in course]
                values[cell, :, column] = [parts[part][row] for part, row in places]
        return Trajectory(ids, times.copy(), values)


def slab_course(
    network: Network, slab: Slab, times: Floats, folder: Path | None = None
) -> dict[str, Floats]:
    """Reaction and diffusion along a slab: species -> (times, elements).

    Elements are spaced evenly from end to end, both included: at x = length k / (elements - 1).
    folder: of the environments, None for the user's. Raises as :meth:`VCell.simulate` does, and
    DataError where the slab names no species of the network.
    """
    _refuse(network)
    names = sbml_ids(network)
    species = [one.id for one in network.species]
    for id in (*slab.initial, *slab.diffusion):
        if id not in species:
            raise DataError(f"the slab has {id!r}, no species of network {network.id!r}")
    runs, places = stretches(Schedule(), times, names)
    content = _content(network, slab, [{}], runs)
    with TemporaryDirectory(prefix="cellula-") as scratch:
        question = Question("vcell_course", content, VCellOptions().seconds, folder)
        course = answered(VCELL, question, Path(scratch))["courses"][0]
    whole = {id: [np.array(part[names[id]]) for part in course] for id in species}
    return {id: np.array([parts[part][row] for part, row in places]) for id, parts in whole.items()}


def _content(
    network: Network,
    slab: Slab,
    cells: Sequence[Mapping[str, float]],
    stretches: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    names = sbml_ids(network)
    return {
        "sbml": sbml_text(_intensive(network)),
        "initial": {names[id]: formula for id, formula in slab.initial.items()},
        "diffusion": {names[id]: value for id, value in slab.diffusion.items()},
        "length": slab.length,
        "elements": slab.elements,
        "cells": list(cells),
        "stretches": list(stretches),
    }


def _refuse(network: Network) -> None:
    odd = {
        "rules": bool(network.rules),
        "events": bool(network.events),
        "initial values that are computed": bool(network.initial),
        "a compartment without a size": any(one.size is None for one in network.compartments),
        "several compartments": len(network.compartments) != 1,
        "a compartment that changes": any(not one.is_constant for one in network.compartments),
        "species told as amounts": any(one.is_amount for one in network.species),
        "reactions without a rate": any(one.rate is None for one in network.reactions),
        "fast reactions": any(one.is_fast for one in network.reactions),
    }
    for what, is_there in odd.items():
        if is_there:
            raise EngineError(
                f"vcell {VCELL.version} is not given {what}, and network {network.id!r} has; take "
                "another engine"
            )


def _refuse_sizes(network: Network, ids: Sequence[str]) -> None:
    sizes = {one.id for one in network.compartments}
    found = [id for id in ids if id in sizes]
    if found:
        raise EngineError(f"vcell {VCELL.version} cannot change the size of {found[0]!r}")


def _intensive(network: Network) -> Network:
    """The network with every rate as its compartment times a rate per volume.

    Virtual Cell takes such a rate as it is, and turns another from molecules by units of its own.
    """
    (place,) = network.compartments
    size = place.size or 1.0

    def law(rate: Expression) -> Expression:
        per_volume = apply("divide", substituted(rate, {place.id: Number(size)}), size)
        return apply("times", Symbol(place.id), per_volume)

    return replace(
        network,
        reactions=tuple(
            one if one.rate is None else replace(one, rate=law(one.rate))
            for one in network.reactions
        ),
    )
