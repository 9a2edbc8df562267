"""``cellula simulate``: a mechanistic model by one engine, or by several that check each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.run import RunContext
    from cellula.core.simulation import ParameterTable, Schedule, Trajectory
    from cellula.evaluation.divergence import Divergence

__all__ = ["simulate"]

#: NAME=VALUE@TIME; ``+=`` raises and ``*=`` multiplies.
DOSE = re.compile(r"(?P<id>[^=@]+?)(?P<how>[+*]?)=(?P<value>[^=@]+)@(?P<time>[^=@]+)")
HOW = {"": "set", "+": "add", "*": "scale"}
#: So many ids that differ most are shown.
SHOWN = 10
#: The engine of each form of network, where none is named.
DEFAULT = {"Network": "ode", "LogicNetwork": "logic"}


def simulate(
    model: Annotated[Path, typer.Argument(help="SBML, .net, .bngl, .bnet, CellML ...")],
    end: Annotated[float, typer.Option("--end", help="Last time, in the model's unit.")],
    points: Annotated[int, typer.Option("--points", min=2, help="Times, both ends included.")],
    out: Annotated[Path | None, typer.Option("--out", help=".csv or .parquet to write.")] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="One, or several: NAME,NAME are compared.")
    ] = None,
    start: Annotated[float, typer.Option("--start", help="First time.")] = 0.0,
    cells: Annotated[
        Path | None, typer.Option("--cells", help="Table: a column an id, a row a cell.")
    ] = None,
    perturb: Annotated[
        list[str] | None,
        typer.Option("--perturb", help="NAME=VALUE@TIME (or += or *=); may be repeated."),
    ] = None,
    amount: Annotated[str, typer.Option("--amount", help="Species told as amounts: A,B.")] = "",
    concentration: Annotated[
        str, typer.Option("--concentration", help="Species told as concentrations: A,B.")
    ] = "",
    options: Annotated[
        list[str] | None, typer.Option("--option", help="name=value of the first engine.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate a model over time; with several engines, say where they differ."""
    from tempfile import TemporaryDirectory

    import numpy as np

    from cellula.core.run import run_context
    from cellula.core.simulation import ParameterTable
    from cellula.evaluation.divergence import divergences
    from cellula.io.course_table import as_told, course_table, read_cells
    from cellula.io.formats import write, writer_of

    if out is not None:
        _require_free(out, force)
        writer_of(out)
    network = _network(model, format)
    names = _names(engine or DEFAULT[type(network).__name__])
    simulators = _simulators(names, options or [])
    population = (
        ParameterTable((), np.zeros((1, 0))) if cells is None else read_cells(cells, network.ids)
    )
    doses, times = _schedule(perturb or []), np.linspace(start, end, points)
    found: dict[str, Trajectory] = {}
    with TemporaryDirectory() as scratch:
        run = run_context(seed, Path(scratch), threads=threads, progress=TerminalProgress())
        for name, simulator in simulators.items():
            told = _course(simulator, (network, population, doses), times, run)
            found[name] = as_told(told, network, _ids(amount), _ids(concentration))
    first = found[names[0]]
    apart = {name: divergences(first, found[name]) for name in names[1:]}
    if out is not None:
        write(course_table(first), out)
    if as_json:
        print_json(_record(model, simulators, first, apart) | {"out": out and str(out)})
        return
    _tell(names[0], first, apart)
    if out is not None:
        say(f"wrote    {out}: {first.values.shape[0]} cells x {len(times)} times")


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


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _names(text: str) -> tuple[str, ...]:
    from cellula.core.errors import StudyError

    names = _ids(text)
    if not names or len(set(names)) < len(names):
        raise StudyError(f"--engine is {text!r}; expected one engine, or several different ones")
    return names


def _simulators(names: tuple[str, ...], options: list[str]) -> dict[str, Any]:
    from cellula.cli.pairs import typed_pairs
    from cellula.core import registry

    first = typed_pairs(options, "--option")
    return {
        name: registry.create("simulator", name, first if name == names[0] else {})
        for name in names
    }


def _schedule(words: list[str]) -> Schedule:
    from cellula.core.errors import StudyError
    from cellula.core.simulation import Dose, Schedule

    doses: list[Dose] = []
    for word in words:
        found = DOSE.fullmatch(word.strip())
        try:
            if found is None:
                raise ValueError
            value, time = float(found["value"]), float(found["time"])
        except ValueError as error:
            raise StudyError(
                f"--perturb {word!r} is no NAME=VALUE@TIME (NAME+=VALUE@TIME, NAME*=VALUE@TIME)"
            ) from error
        doses.append(Dose(time, found["id"].strip(), value, HOW[found["how"]]))  # type: ignore[arg-type]
    return Schedule(tuple(sorted(doses, key=lambda dose: dose.time)))


def _course(
    simulator: Any,
    asked: tuple[Network | LogicNetwork, ParameterTable, Schedule],
    times: Any,
    run: RunContext,
) -> Trajectory:
    found: Trajectory = simulator.simulate(*asked, times, run)
    return found


def _record(
    model: Path,
    simulators: dict[str, Any],
    first: Trajectory,
    apart: dict[str, tuple[Divergence, ...]],
) -> dict[str, Any]:
    """What ran, with what: for a program."""
    from cellula.core.canonical import hash_array
    from cellula.io.digest import hash_source

    return {
        "model": str(model),
        "model_sha256": hash_source(model),
        "engines": {
            name: {"options": one.options.model_dump(), "version": _version(one)}
            for name, one in simulators.items()
        },
        "cells": first.values.shape[0],
        "times": len(first.times),
        "ids": first.ids,
        "values_sha256": hash_array(first.values),
        "divergence": apart,
    }


def _version(simulator: Any) -> str:
    """Of the foreign package, or ours."""
    from importlib.metadata import version

    return version(getattr(simulator, "package", "cellula"))


def _tell(name: str, first: Trajectory, apart: dict[str, tuple[Divergence, ...]]) -> None:
    n_cells, n_times, n_ids = first.values.shape
    say(f"{name}: {n_cells} cells, {n_times} times, {n_ids} ids")
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
