"""``cellula simulate``: a mechanistic model by one engine, or by several that check each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellula.cli.scheduler import Scheduler, connected
from cellula.cli.simulate_flux import Balance, flux_solvers, simulate_flux
from cellula.cli.simulate_words import (
    cells_of,
    engine_names,
    id_list,
    schedule,
    times_of,
    two_ids,
)
from cellula.cli.space import SpaceRequest, refuse_in_space, simulate_space
from cellula.cli.state_picture import with_states
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellula.cli.paced import Paced
    from cellula.cli.simulated import Simulated
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.reader import Content
    from cellula.evaluation.divergence import Divergence

__all__ = ["simulate"]

#: So many ids that differ most are shown.
SHOWN = 10
#: The engine of each form of network, where none is named.
DEFAULT = {"Network": "ode", "LogicNetwork": "logic"}


def simulate(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="SBML, .net, .bngl, .bnet, CellML ...")],
    end: Annotated[
        float | None, typer.Option("--end", help="Last time, in the model's unit.")
    ] = None,
    points: Annotated[
        int | None, typer.Option("--points", min=2, help="Times, both ends included.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help=".csv or .parquet to write.")] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="One, or several: NAME,NAME are compared.")
    ] = None,
    start: Annotated[float, typer.Option("--start", help="First time.")] = 0.0,
    cells: Annotated[
        Path | None, typer.Option("--cells", help="Table: a column an id, a row a cell.")
    ] = None,
    n_cells: Annotated[int | None, typer.Option("--n-cells", min=1, help="Cells to draw.")] = None,
    spread: Annotated[
        list[str] | None,
        typer.Option("--spread", help="ID=CV: log-normal over --n-cells cells; may be repeated."),
    ] = None,
    perturb: Annotated[
        list[str] | None,
        typer.Option("--perturb", help="NAME=VALUE@TIME (or += or *=); may be repeated."),
    ] = None,
    pace: Annotated[
        str | None,
        typer.Option(
            "--pace",
            help="period=1000,duration=0.5,amplitude=-80,beats=20: pulses of an excitable cell; "
            "what is left out is the model's own.",
        ),
    ] = None,
    amount: Annotated[str, typer.Option("--amount", help="Species told as amounts: A,B.")] = "",
    concentration: Annotated[
        str, typer.Option("--concentration", help="Species told as concentrations: A,B.")
    ] = "",
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Folder for pictures, such as bands.svg.")
    ] = None,
    show: Annotated[
        str, typer.Option("--show", help="Ids in the bands; else the ten that change most.")
    ] = "",
    phase: Annotated[
        str | None, typer.Option("--phase", help="A,B: a phase plane of two ids.")
    ] = None,
    space: Annotated[
        Path | None, typer.Option("--space", help="TOML of a grid: lengths, diffusion, sides.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="name=value of the first engine.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Cells a batch; changes no number.")
    ] = None,
    scheduler: Scheduler = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate a model over time, or its fluxes; with several engines, say where they differ."""
    from tempfile import TemporaryDirectory

    from cellula.cli.paced import Paced
    from cellula.cli.physics import PhysicsAsked, simulate_physics
    from cellula.cli.simulated import Pictures, simulated
    from cellula.core.batches import Task, batch_size
    from cellula.core.physics import PhysicsProblem
    from cellula.core.run import run_context
    from cellula.io.formats import writer_of

    if space is not None:
        refuse_in_space(
            {"--engine": engine, "--cells": cells, "--n-cells": n_cells, "--spread": spread,
             "--perturb": perturb, "--amount": amount, "--concentration": concentration,
             "--phase": phase, "--batch": batch, "--scheduler": scheduler}
        )  # fmt: skip
        request = SpaceRequest(
            space, start, end, points, out, plot, id_list(show), options or [], seed, threads,
            force, as_json,
        )  # fmt: skip
        simulate_space(_network(model, _content(model, format)), model, request)
        return
    if out is not None:
        _require_free(out, force)
        writer_of(out)
    content = _content(model, format)
    if isinstance(content, PhysicsProblem):
        others = {
            "--engine": engine, "--end": end, "--start": start, "--cells": cells,
            "--n-cells": n_cells, "--spread": spread, "--perturb": perturb, "--amount": amount,
            "--concentration": concentration, "--show": show, "--phase": phase, "--batch": batch,
            "--scheduler": scheduler,
        }  # fmt: skip
        physics = PhysicsAsked(model, points, out, plot, options or [], seed, force, others)
        simulate_physics(content, physics, as_json=as_json)
        return
    network = _network(model, content)
    if (solvers := flux_solvers(network, engine)) is not None:
        asked = Balance(model, solvers, options or [], out, plot, force)
        simulate_flux(network, asked, context, as_json)
        return
    beats = None if pace is None else Paced.asked(pace, network)
    network = network if beats is None else beats.network
    times = _times(start, end, points, beats)
    names = engine_names(engine or DEFAULT[type(network).__name__])
    simulators = _simulators(names, options or [])
    pictures = Pictures.asked(plot, id_list(show), two_ids(phase, network), network, force)
    pictures = with_states(pictures, network, simulators[names[0]], force)
    doses = schedule(perturb or [])
    doses = doses if beats is None else beats.doses(doses)
    task = Task(tuple(simulators.values()), network, doses, times)
    with TemporaryDirectory() as scratch, connected(scheduler) as cluster:
        run = run_context(
            seed, Path(scratch), threads=threads, progress=TerminalProgress(), cluster=cluster
        )
        population = cells_of(network, cells, n_cells, spread or [], run)
        told = (id_list(amount), id_list(concentration))
        size = batch or batch_size(len(times), len(network.ids))
        watch = None if beats is None else beats.take
        found = simulated(task, (population, size), told, (out, pictures), run, watch)
    apart = dict(zip(names[1:], found.apart, strict=True))
    if as_json:
        record = _record(model, simulators, found) | {"divergence": apart}
        record |= {} if beats is None else beats.record(names)
        print_json(record | {"out": out and str(out)})
        return
    _tell(names[0], found, apart)
    if beats is not None:
        beats.tell(names)
    if out is not None:
        say(f"wrote    {out}: {found.n_cells} cells x {len(times)} times")
    for path in found.pictures:
        say(f"wrote    {path}")


def _times(
    start: float, end: float | None, points: int | None, beats: Paced | None
) -> NDArray[np.float64]:
    """The times asked for, or those of the beats. Raises StudyError on both, and on neither."""
    from cellula.core.errors import StudyError

    if beats is None:
        return times_of(start, end, points)
    if end is not None or points is not None or start:
        raise StudyError("--pace tells the times; leave out --start, --end and --points")
    return beats.times


def _require_free(out: Path, is_replaced: bool) -> None:
    from cellula.core.errors import DataError
    from cellula.io.presence import is_there

    if is_there(out) and (out.is_dir() or not is_replaced):
        raise DataError(f"{out} exists; replace a file with --force or name another")


def _content(model: Path, format: str | None) -> Content:
    from cellula.io.formats import read

    return read(model, format)


def _network(model: Path, found: Content) -> Network | LogicNetwork:
    from cellula.core.errors import DataError
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network

    if not isinstance(found, Network | LogicNetwork):
        raise DataError(
            f"{model.name} holds {type(found).__name__}, no mechanistic model; expected SBML, "
            "CellML, .net, .bngl, .bnet or .physics.toml"
        )
    return found


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
    say(f"{name}: {run.n_cells} cells, {run.n_times} times, {len(run.ids)} ids")
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
