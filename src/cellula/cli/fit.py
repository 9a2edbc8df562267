"""``cellula fit``: one model on all of the data, without a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.pairs import pairs, repeated_pairs, typed_pairs
from cellula.cli.scheduler import Scheduler, connected
from cellula.cli.terminal import TerminalProgress, print_json, say

__all__ = ["EXPLORATORY", "fit"]

OPTION = "--interval-option"

#: What stands in the output of every command that works without a study.
EXPLORATORY = "exploratory (T0): nothing was registered, so no claim rests on this"


def fit(
    data: Annotated[Path, typer.Option("--data", help="The profiles: a file or a folder.")],
    roles: Annotated[
        str, typer.Option("--roles", help="perturbation=COLUMN,control=...,context=COLUMN,...")
    ],
    model: Annotated[str, typer.Option("--model", help="Name of a model (cellula plugins).")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the fitted model.")],
    value_type: Annotated[
        str, typer.Option("--value-type", help="What the numbers are: log1p, counts, ln_ic50, ...")
    ] = "log1p",
    context_features: Annotated[
        list[Path] | None, typer.Option("--context-features", help="A table, one row a context.")
    ] = None,
    perturbation_features: Annotated[
        list[Path] | None,
        typer.Option("--perturbation-features", help="A table, one row a perturbation."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value of the rows to keep; may be repeated."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="name=value of the model; may be repeated."),
    ] = None,
    readouts: Annotated[
        str, typer.Option("--readouts", help="Of a table: the columns that are readouts, a,b,...")
    ] = "",
    dose_unit: Annotated[str | None, typer.Option("--dose-unit", help="M, uM, nM, ...")] = None,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="s, min, h, d.")] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    tune: Annotated[
        float | None,
        typer.Option("--tune", help="Share of the labels (0 to 1) that tunes the options first."),
    ] = None,
    tune_for: Annotated[
        str, typer.Option("--tune-for", help="How that share is held out: a claim kind.")
    ] = "unseen_perturbation",
    intervals: Annotated[
        str | None,
        typer.Option("--intervals", help="Method that calibrates intervals (cellula plugins)."),
    ] = None,
    interval_option: Annotated[
        list[str] | None,
        typer.Option("--interval-option", help="name=value of the method; may be repeated."),
    ] = None,
    intervals_for: Annotated[
        str, typer.Option("--intervals-for", help="What will be new in questions: a claim kind.")
    ] = "unseen_perturbation",
    unit: Annotated[
        str | None, typer.Option("--unit", help="Unit of replication of the intervals.")
    ] = None,
    decline: Annotated[
        float | None,
        typer.Option("--decline", help="Share of such questions that is out of domain."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    scheduler: Scheduler = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a fitted model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a model to all of the data; exploratory, for nothing is held out."""
    from cellula.core.errors import StudyError
    from cellula.core.numerals import plural
    from cellula.core.run import run_context
    from cellula.validation.calibrating import calibrated, calibrating_of
    from cellula.validation.cost import Meter
    from cellula.validation.exploratory import Declared, open_declared, tuning_of
    from cellula.validation.exploratory import fit as fit_model
    from cellula.validation.fitted_folder import fitting_scratch, require_free, save_fitted

    require_free(out, is_replaced=force)
    tuning = None if tune is None else tuning_of(tune, tune_for)
    wanted = None
    if intervals is not None:
        table = {"method": intervals, "options": typed_pairs(interval_option or (), OPTION)}
        table |= {} if decline is None else {"abstain": {"share": decline, "by": "estimated"}}
        wanted = calibrating_of(table, intervals_for, unit)
    elif interval_option or decline is not None:
        raise StudyError("--interval-option and --decline need --intervals METHOD")
    options = typed_pairs(option or (), "--option")
    declared = Declared(
        data,
        pairs(roles, "--roles"),
        value_type,
        repeated_pairs(where or (), "--where"),
        format,
        tuple(name.strip() for name in readouts.split(",") if name.strip()),
        dose_unit,
        time_unit,
        tuple(context_features or ()),
        tuple(perturbation_features or ()),
    )
    opened = open_declared(declared)
    with fitting_scratch(out) as scratch, connected(scheduler) as cluster:
        told = TerminalProgress()
        run = run_context(seed, scratch, threads=threads, progress=told, cluster=cluster)
        meter = Meter()
        fitted, card = fit_model(model, options, opened, declared, run, seed=seed, tuning=tuning)
        if wanted is not None:
            fitted, card = calibrated(fitted, card, opened, wanted, run)
        cost = meter.cost(fitted)
        card = save_fitted(fitted, card, out, is_replaced=force)
    if as_json:
        print_json({"out": str(out), "card": card.model_dump(mode="json"), "cost": cost})
        return
    profiles = f"{card.n_profiles} profiles, {card.n_controls} of them controls"
    say(f"fitted   {card.model} on {profiles}, x {len(card.readouts)} readouts")
    if card.intervals is not None:
        made = f"{card.intervals.method} on {plural(card.intervals.n_units, card.intervals.unit)}"
        say(f"interval {card.intervals.reason or made}")
    say(f"cost     {cost.words}")
    say(f"wrote    {out}")
    say(EXPLORATORY)
