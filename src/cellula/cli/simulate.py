"""``cellula simulate``: a model over time, its fluxes, on a grid, or as an experiment asks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.opened_model import Cache, NoCache
from cellula.cli.scheduler import Scheduler
from cellula.cli.simulate_request import SimulateRequest

__all__ = ["simulate"]


def simulate(
    context: typer.Context,
    model: Annotated[
        Path, typer.Argument(help="SBML, CellML, .net, .bnet ..., .sedml, .omex, .physics.toml")
    ],
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
    sedml: Annotated[
        Path | None, typer.Option("--sedml", help="Write what ran as .sedml, or as .omex.")
    ] = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate a model over time, or its fluxes; with several engines, say where they differ."""
    from cellula.cli.experiment import EXPERIMENTS, simulate_experiment
    from cellula.cli.opened_model import opened_model
    from cellula.cli.physics import simulate_physics
    from cellula.cli.simulate_courses import simulate_courses
    from cellula.cli.simulate_flux import flux_solvers, simulate_flux
    from cellula.cli.space import simulate_space
    from cellula.core.physics import PhysicsProblem

    asked = SimulateRequest(
        context, model, end, points, start, out, engine, cells, n_cells, tuple(spread or ()),
        tuple(perturb or ()), pace, amount, concentration, plot, show, phase, space,
        options or [], format, seed, threads, batch, scheduler, sedml, cache,
        no_cache, force, as_json,
    )  # fmt: skip
    if model.name.lower().endswith(EXPERIMENTS):
        simulate_experiment(asked)
        return
    content, made = opened_model(asked)
    if isinstance(content, PhysicsProblem):
        simulate_physics(content, asked)
    elif space is not None:
        simulate_space(content, asked)
    elif solvers := flux_solvers(content, engine):
        simulate_flux(content, solvers, asked)
    else:
        simulate_courses(content, made, asked)
