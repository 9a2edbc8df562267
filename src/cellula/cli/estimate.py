"""``cellula estimate``: the parameters of a PEtab problem, from its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.pairs import typed_pairs
from cellula.cli.scheduler import Scheduler, connected
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    from cellula.models.mechanistic.petab_fit import Estimation

__all__ = ["estimate"]

OPTION, OPTIMISER_OPTION = "--option", "--optimiser-option"
ALL = "all"


def estimate(
    problem: Annotated[Path, typer.Argument(help="The YAML file of a PEtab problem.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the result and the figures.")],
    optimiser: Annotated[
        str, typer.Option("--optimiser", help="Name of an optimiser (cellula plugins).")
    ] = "fides",
    starts: Annotated[int, typer.Option("--starts", min=1, help="Descents.")] = 20,
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", help="A parameter to profile, or all; may be repeated."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="name=value (rtol, atol, level, ...); may be repeated."),
    ] = None,
    optimiser_option: Annotated[
        list[str] | None,
        typer.Option("--optimiser-option", help="name=value of the optimiser; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    scheduler: Scheduler = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a PEtab problem from many starts; say which parameters its data identify."""
    import time
    from tempfile import TemporaryDirectory

    from cellula.cli.estimated import checked, files, read_problem, require_free, result
    from cellula.core import registry
    from cellula.core.run import run_context
    from cellula.io.atomic import write_together
    from cellula.models.mechanistic.petab_fit import EstimationOptions
    from cellula.models.mechanistic.petab_fit import estimate as found_by

    require_free(out, is_replaced=force)
    given = read_problem(problem)
    by = registry.create(
        "optimiser", optimiser, typed_pairs(optimiser_option or (), OPTIMISER_OPTION)
    )
    options = checked(EstimationOptions, {**typed_pairs(option or (), OPTION), "starts": starts})
    estimated = tuple(one.id for one in given.parameters if one.is_estimated)
    profiled = estimated if profile == [ALL] else tuple(profile or ())
    with TemporaryDirectory() as scratch, connected(scheduler) as cluster:
        told = TerminalProgress()
        run = run_context(seed, Path(scratch), threads=threads, progress=told, cluster=cluster)
        began = time.perf_counter()
        found = found_by(given, by, options, run, profiled)
        seconds = round(time.perf_counter() - began, 3)
    record = result(found, by, options, seed)
    written = write_together(out, files(found, record))
    if as_json:
        print_json({"out": str(out), **record, "seconds": seconds})
        return
    _say(found, seconds)
    say(f"wrote    {', '.join(one.name for one in written)} to {out}")
    say(EXPLORATORY)


def _say(found: Estimation, seconds: float) -> None:
    """The optimum, what it cost, and what is said of each parameter."""
    from cellula.core.numerals import duration, plural
    from cellula.models.mechanistic.fitting import CLOSE

    best, n = found.fit, len(found.fit.descents)
    close = round(best.agreement * n)
    say(f"best     {best.value:.6g} nats; the nominal parameters have {found.nominal:.6g}")
    say(f"starts   {n}, {close} of them within {CLOSE:g} of the best")
    failed = f", {best.failures} without a solution" if best.failures else ""
    say(f"cost     {plural(best.evaluations, 'evaluation')}{failed}; {duration(seconds)} with all")
    words = {one.id: one.words for one in found.findings}
    bounds = set(found.at_bound)
    width = max(map(len, found.objective.ids))
    for id, value in found.parameters.items():
        notes = [words[id]] if id in words else []
        notes += ["at its bound"] if id in bounds else []
        say(f"  {id:{width}}  {value:<12.6g} {'; '.join(notes)}".rstrip())
    for one in found.trade_offs:
        say(f"null     {one.words}")
