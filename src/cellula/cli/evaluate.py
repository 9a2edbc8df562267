"""``cellula evaluate``: predicted beside real profiles, every number in its context."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.pairs import pairs, repeated_pairs
from cellula.cli.terminal import TerminalProgress, print_json, say

__all__ = ["evaluate"]


def evaluate(
    real: Annotated[Path, typer.Option("--real", help="Real profiles, controls among them.")],
    pred: Annotated[
        Path, typer.Option("--pred", help="Predicted profiles: cells, or one row a question.")
    ],
    roles: Annotated[
        str, typer.Option("--roles", help="perturbation=COLUMN,control=...,context=COLUMN,...")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for scores.csv and summary.csv.")],
    preset: Annotated[
        str, typer.Option("--preset", help="full, or the rules of a challenge: vcc2025, vcc2026.")
    ] = "full",
    pred_roles: Annotated[
        str | None,
        typer.Option("--pred-roles", help="Columns of the predictions (default: as --roles)."),
    ] = None,
    value_type: Annotated[
        str, typer.Option("--value-type", help="What the numbers are: log1p, counts, ...")
    ] = "log1p",
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value of the real rows to keep; may be repeated."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Name of a metric; may be repeated (default: all)."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Role of the unit of replication.")
    ] = None,
    dose_unit: Annotated[str | None, typer.Option("--dose-unit", help="M, uM, nM, ...")] = None,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="s, min, h, d.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    memory: Annotated[
        float | None,
        typer.Option(
            "--memory", min=0, help="GB that may be used (default: most of what is free)."
        ),
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(
            "--scratch", exists=True, file_okay=False, help="Folder for what exceeds the memory."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="tcp://... of a Dask scheduler; shares --scratch."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder's tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score predictions beside the best trivial answer and a replicate of the real cells."""
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from cellula.core import registry
    from cellula.core.run import run_context
    from cellula.validation.evaluating import Asked, evaluate_files, require_free, write_tables

    require_free(out, is_replaced=force)
    asked = Asked(
        real=real,
        predicted=pred,
        columns=pairs(roles, "--roles"),
        predicted_columns=None if pred_roles is None else pairs(pred_roles, "--pred-roles"),
        value_type=value_type,
        where=repeated_pairs(where or (), "--where"),
        dose_unit=dose_unit,
        time_unit=time_unit,
        unit=unit,
        metrics=tuple(metric or ()),
        preset=preset,
        memory_gb=memory,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=scratch)))
        dask = None if scheduler is None else registry.load("cluster", "dask").connected(scheduler)
        cluster = None if dask is None else stack.enter_context(dask)
        run = run_context(
            seed, folder, threads=threads, progress=TerminalProgress(), cluster=cluster
        )
        found = evaluate_files(asked, run)
    paths = write_tables(found, out)
    if as_json:
        print_json(
            {
                "out": [str(path) for path in paths],
                "tier": "T0",
                "preset": preset,
                "unit": found.unit,
                "cautions": found.cautions,
                "summary": found.summary.to_dict("records"),
            }
        )
        return
    say(f"{preset}, intervals over the {found.unit}")
    say(f"{'metric':34}{'value':>9}{'baseline':>10}{'ceiling':>9}{'anchored':>10}  its interval")
    for row in found.of_the_model.to_dict("records"):
        say(_line(row))
    for caution in found.cautions:
        say(f"caution  {caution}")
    for path in paths:
        say(f"wrote    {path}")
    say(EXPLORATORY)


def _line(row: dict[Any, Any]) -> str:
    """A metric of the prediction between its baseline and its ceiling."""
    lower, upper = (row[f"anchored_{side}"] for side in ("lower", "upper"))
    numbers = f"{row['value']:9.3g}{row['b']:10.3g}{row['r']:9.3g}{row['anchored']:10.3g}"
    told = row.get("context"), row["reason"] or row.get("anchored_reason")
    name = f"{row['metric']} {told[0] or ''}"
    interval = "" if lower != lower else f"{lower:.3g} to {upper:.3g}"
    return f"{name:34}{numbers}  {interval}  {told[1] or ''}".rstrip()
