"""``cellula predict``: the answers of a fitted model to a table of questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.pairs import pairs, repeated_pairs
from cellula.cli.terminal import TerminalProgress, print_json, say

__all__ = ["predict"]


def predict(
    fitted: Annotated[Path, typer.Option("--fitted", help="Folder of the fitted model.")],
    queries: Annotated[
        Path, typer.Option("--queries", help="Table: perturbation,context[,dose,time].")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write: .h5ad, .parquet or .csv.")],
    control: Annotated[
        Path | None, typer.Option("--control", help="Control profiles of the queried contexts.")
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option("--roles", help="Columns of the controls (default: as they were fitted)."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value of the controls to keep; may be repeated."),
    ] = None,
    dose_unit: Annotated[str | None, typer.Option("--dose-unit", help="Of the queries.")] = None,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="Of the queries.")] = None,
    means: Annotated[
        bool, typer.Option("--means", help="Write means to .h5ad although cells are predicted.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Answer every question with a mean or a population, an interval and an in-domain flag."""
    from tempfile import TemporaryDirectory

    from cellula.core.run import run_context
    from cellula.data.questions import read_questions
    from cellula.io.prediction_file import require_free, write_predictions
    from cellula.validation.cost import Meter
    from cellula.validation.exploratory import about, answer, control_labels, open_controls
    from cellula.validation.fitted_folder import load_fitted

    require_free(out, is_replaced=force)
    model, card = load_fitted(fitted)
    asked = read_questions(
        queries,
        card.roles,
        control_labels=control_labels(card),
        known=card.numbers,
        dose_unit=dose_unit,
        time_unit=time_unit,
    )
    columns = None if roles is None else pairs(roles, "--roles")
    rows = repeated_pairs(where or (), "--where")
    cells = None if control is None else open_controls(control, card, columns, rows)
    with TemporaryDirectory() as scratch:
        run = run_context(seed, Path(scratch), threads=threads, progress=TerminalProgress())
        meter = Meter()
        answers = answer(model, card, asked, cells, run)
        written = write_predictions(answers, out, about(card, seed), means_only=means)
        cost = meter.cost(model)
    if as_json:
        told = {"out": str(out), "tier": card.tier, "model": card.model, "written": written}
        print_json({**told, "cost": cost})
        return
    say(f"answered {written.queries} questions with {card.model}, {written.in_domain} in domain")
    say(f"cost     {cost.words}")
    say(f"wrote    {out}: {written.rows} rows" + (" (cells)" if written.has_cells else ""))
    say(EXPLORATORY)
