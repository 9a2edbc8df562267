"""``cellula simulate`` over time: a population by one engine, or by several that are compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellula.cli.opened_model import with_equations
from cellula.cli.scheduler import connected
from cellula.cli.simulate_request import require_free
from cellula.cli.simulate_words import (
    cells_of,
    engine_names,
    id_list,
    schedule,
    times_of,
    two_ids,
)
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellula.cli.paced import Paced
    from cellula.cli.simulate_request import SimulateRequest
    from cellula.cli.simulated import Simulated
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.evaluation.divergence import Divergence
    from cellula.models.mechanistic.prepared import Prepared

__all__ = ["simulate_courses"]

#: So many ids that differ most are shown.
SHOWN = 10
#: The engine of each form of network, where none is named.
DEFAULT = {"Network": "ode", "LogicNetwork": "logic"}


def simulate_courses(
    network: Network | LogicNetwork, made: Prepared | None, asked: SimulateRequest
) -> None:
    """Simulate, write, draw and tell; made: the equations, where they are kept."""
    from tempfile import TemporaryDirectory

    from cellula.cli.experiment_record import check_recorded, record_experiment
    from cellula.cli.paced import Paced
    from cellula.cli.simulated import Pictures, simulated
    from cellula.cli.state_picture import with_states
    from cellula.core.batches import Task, batch_size
    from cellula.core.network import Network
    from cellula.core.numerals import plural
    from cellula.core.run import run_context
    from cellula.io.formats import writer_of

    if asked.out is not None:
        require_free(asked.out, asked.force)
        writer_of(asked.out)
    beats = None if asked.pace is None else Paced.asked(asked.pace, network)
    network = network if beats is None else beats.network
    times = _times(asked, beats)
    if asked.sedml is not None:
        check_recorded(network, asked, asked.sedml)
    names = engine_names(asked.engine or DEFAULT[type(network).__name__])
    simulators = with_equations(_simulators(names, asked.options), made)
    two = two_ids(asked.phase, network)
    pictures = Pictures.asked(asked.plot, id_list(asked.show), two, network, asked.force)
    pictures = with_states(pictures, network, simulators[names[0]], asked.force)
    doses = schedule(asked.perturb)
    doses = doses if beats is None else beats.doses(doses)
    task = Task(tuple(simulators.values()), network, doses, times)
    with TemporaryDirectory() as scratch, connected(asked.scheduler) as cluster:
        run = run_context(
            asked.seed,
            Path(scratch),
            threads=asked.threads,
            progress=TerminalProgress(),
            cluster=cluster,
        )
        population = cells_of(network, asked.cells, asked.n_cells, asked.spread, run)
        told = (id_list(asked.amount), id_list(asked.concentration))
        size = asked.batch or batch_size(len(times), len(network.ids))
        watch = None if beats is None else beats.take
        found = simulated(task, (population, size), told, (asked.out, pictures), run, watch)
    apart = dict(zip(names[1:], found.apart, strict=True))
    if asked.sedml is not None and isinstance(network, Network):
        first = simulators[names[0]]
        record_experiment(asked.sedml, asked.model, network, first, times, asked.seed)
    if asked.as_json:
        record = _record(asked.model, simulators, found) | {"divergence": apart}
        record |= {} if beats is None else beats.record(names)
        print_json(record | {"out": asked.out and str(asked.out)})
        return
    _tell(names[0], found, apart)
    if beats is not None:
        beats.tell(names)
    if asked.out is not None:
        say(f"wrote    {asked.out}: {plural(found.n_cells, 'cell')} x {plural(len(times), 'time')}")
    for path in (*found.pictures, *([asked.sedml] if asked.sedml else [])):
        say(f"wrote    {path}")


def _times(asked: SimulateRequest, beats: Paced | None) -> NDArray[np.float64]:
    """The times asked for, or those of the beats. Raises StudyError on both, and on neither."""
    from cellula.core.errors import StudyError

    if beats is None:
        return times_of(asked.start, asked.end, asked.points)
    if asked.given.intersection({"end", "points", "start"}):
        raise StudyError("--pace tells the times; leave out --start, --end and --points")
    return beats.times


def _simulators(names: tuple[str, ...], options: list[str]) -> dict[str, Any]:
    from cellula.cli.pairs import typed_pairs
    from cellula.core import registry

    first = typed_pairs(options, "--option")
    return {
        name: registry.create("simulator", name, first if name == names[0] else {})
        for name in names
    }


def _record(model: Path, simulators: dict[str, Any], found: Simulated) -> dict[str, Any]:
    """What ran, with what: for a program."""
    from cellula.io.digest import hash_source

    return {
        "model": str(model),
        "model_sha256": hash_source(model),
        "engines": {
            name: {"options": one.options.model_dump(), "version": _version(one)}
            for name, one in simulators.items()
        },
        "cells": found.n_cells,
        "times": found.n_times,
        "ids": found.ids,
        "values_sha256": found.digest,
        "pictures": [str(path) for path in found.pictures],
    }


def _version(simulator: Any) -> str:
    """Of the foreign package, also where it is not in this environment, or ours."""
    from importlib.metadata import version

    own: str = getattr(simulator, "version", "")
    return own or version(getattr(simulator, "package", "cellula"))


def _tell(name: str, run: Simulated, apart: dict[str, tuple[Divergence, ...]]) -> None:
    from cellula.core.numerals import plural

    counts = ((run.n_cells, "cell"), (run.n_times, "time"), (len(run.ids), "id"))
    say(f"{name}: {', '.join(plural(n, noun) for n, noun in counts)}")
    for other, found in apart.items():
        say(f"{name} and {other}: greatest difference, relative to the id's greatest value")
        for one in found[:SHOWN]:
            left, right = one.values
            say(
                f"  {one.id:<24} {one.relative:.2e}  cell {one.cell}, time {one.time:g}: "
                f"{left:.6g} and {right:.6g}"
            )
        if len(found) > SHOWN:
            say(f"  and {len(found) - SHOWN} more, all closer than these")
