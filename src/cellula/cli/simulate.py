"""``cellula simulate``: a mechanistic model by one engine, or by several that check each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellula.cli.experiment import EXPERIMENT_OPTIONS, EXPERIMENTS, Asked, simulate_experiment
from cellula.cli.scheduler import Scheduler, connected
from cellula.cli.simulate_words import (
    cells_of,
    engine_names,
    given_only,
    id_list,
    schedule,
    times_of,
    two_ids,
)
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    from cellula.cli.simulated import Simulated
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.evaluation.divergence import Divergence

__all__ = ["simulate"]

#: So many ids that differ most are shown.
SHOWN = 10
#: The engine of each form of network, where none is named.
DEFAULT = {"Network": "ode", "LogicNetwork": "logic"}


def simulate(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="SBML, .net, .bngl, .bnet, CellML, .sedml, .omex")],
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
    amount: Annotated[str, typer.Option("--amount", help="Species told as amounts: A,B.")] = "",
    concentration: Annotated[
        str, typer.Option("--concentration", help="Species told as concentrations: A,B.")
    ] = "",
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Folder for bands.svg and phase.svg.")
    ] = None,
    show: Annotated[
        str, typer.Option("--show", help="Ids in the bands; else the ten that change most.")
    ] = "",
    phase: Annotated[
        str | None, typer.Option("--phase", help="A,B: a phase plane of two ids.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="name=value of the first engine.")
    ] = None,
    sedml: Annotated[
        Path | None, typer.Option("--sedml", help="Write what ran as .sedml, or as .omex.")
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
    """Simulate a model over time; with several engines, say where they differ."""
    from tempfile import TemporaryDirectory

    from cellula.cli.experiment_record import check_recorded, record_experiment
    from cellula.cli.simulated import Pictures, simulated
    from cellula.core.batches import Task, batch_size
    from cellula.core.network import Network
    from cellula.core.run import run_context
    from cellula.io.formats import writer_of

    if model.name.lower().endswith(EXPERIMENTS):
        only = given_only(context, EXPERIMENT_OPTIONS, f"{model.name} is an experiment")
        own = engine_names(engine) if engine else ()
        asked = Asked(model, own, options or [], out, plot, seed if "seed" in only else None,
                      threads, force)  # fmt: skip
        simulate_experiment(asked, as_json)
        return
    times = times_of(start, end, points)
    if out is not None:
        _require_free(out, force)
        writer_of(out)
    network = _network(model, format)
    if sedml is not None:
        given = given_only(context, context.params, "")
        check_recorded(network, given, sedml, force)
    names = engine_names(engine or DEFAULT[type(network).__name__])
    simulators = _simulators(names, options or [])
    pictures = Pictures.asked(plot, id_list(show), two_ids(phase, network), network, force)
    doses = schedule(perturb or [])
    task = Task(tuple(simulators.values()), network, doses, times)
    with TemporaryDirectory() as scratch, connected(scheduler) as cluster:
        run = run_context(
            seed, Path(scratch), threads=threads, progress=TerminalProgress(), cluster=cluster
        )
        population = cells_of(network, cells, n_cells, spread or [], run)
        told = (id_list(amount), id_list(concentration))
        size = batch or batch_size(len(times), len(network.ids))
        found = simulated(task, (population, size), told, (out, pictures), run)
    apart = dict(zip(names[1:], found.apart, strict=True))
    if sedml is not None and isinstance(network, Network):
        record_experiment(sedml, model, network, simulators[names[0]], times, seed)
    if as_json:
        print_json(
            _record(model, simulators, found) | {"divergence": apart, "out": out and str(out)}
        )
        return
    _tell(names[0], found, apart)
    if out is not None:
        say(f"wrote    {out}: {found.n_cells} cells x {len(times)} times")
    for path in (*found.pictures, *([sedml] if sedml else [])):
        say(f"wrote    {path}")


def _require_free(out: Path, is_replaced: bool) -> None:
    from cellula.core.errors import DataError
    from cellula.io.presence import is_there

    if is_there(out) and (out.is_dir() or not is_replaced):
        raise DataError(f"{out} exists; replace a file with --force or name another")


def _network(model: Path, format: str | None) -> Network | LogicNetwork:
    from cellula.core.errors import DataError
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.io.formats import read

    found = read(model, format)
    if not isinstance(found, Network | LogicNetwork):
        raise DataError(
            f"{model.name} holds {type(found).__name__}, no mechanistic model; expected SBML, "
            "CellML, .net, .bngl or .bnet"
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
    """Of the foreign package, or ours."""
    from importlib.metadata import version

    return version(getattr(simulator, "package", "cellula"))


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
