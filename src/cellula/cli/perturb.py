"""``cellula perturb``: one perturbation of one population by a fitted model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.pairs import pairs, repeated_pairs
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    from cellula.core.comparison import GeneSets
    from cellula.core.dataset import Dataset
    from cellula.core.query import QueryTable
    from cellula.validation.fitted_folder import FittedCard

__all__ = ["perturb"]

#: So many genes are printed.
TOP = 10


def perturb(
    fitted: Annotated[Path, typer.Option("--fitted", help="Folder of the fitted model.")],
    perturbation: Annotated[
        str, typer.Option("--perturbation", help="A label, or several joined by +.")
    ],
    control: Annotated[Path, typer.Option("--control", help="The population: control profiles.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for tables, cells and report.html.")],
    context: Annotated[
        str | None, typer.Option("--context", help="Of the population, where it has several.")
    ] = None,
    dose: Annotated[float | None, typer.Option("--dose", help="In --dose-unit.")] = None,
    dose_unit: Annotated[str | None, typer.Option("--dose-unit", help="M, uM, nM, ...")] = None,
    time: Annotated[float | None, typer.Option("--time", help="In --time-unit.")] = None,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="s, min, h, d.")] = None,
    roles: Annotated[
        str | None,
        typer.Option("--roles", help="Columns of the controls (default: as they were fitted)."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value of the controls to keep; may be repeated."),
    ] = None,
    gene_sets: Annotated[
        Path | None, typer.Option("--gene-sets", help="GMT file of sets to be ranked.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict the population, and rank its genes and gene sets."""
    from tempfile import TemporaryDirectory

    from cellula.applications.in_silico import run as do
    from cellula.core.run import run_context
    from cellula.report.in_silico import render_in_silico
    from cellula.validation.exploratory import about, open_controls, require_controls
    from cellula.validation.fitted_folder import load_fitted
    from cellula.validation.in_silico_folder import require_free, write_in_silico

    require_free(out, is_replaced=force)
    model, card = load_fitted(fitted)
    columns = None if roles is None else pairs(roles, "--roles")
    cells = open_controls(control, card, columns, repeated_pairs(where or (), "--where"))
    asked: dict[str, object] = {"perturbation": perturbation, "context": _context(cells, context)}
    asked |= {} if dose is None else {"dose": dose}
    asked |= {} if time is None else {"time": time}
    with TemporaryDirectory() as scratch:
        query = _query(asked, card, Path(scratch), (dose_unit, time_unit))
        require_controls(card, query, cells)
        run = run_context(seed, Path(scratch), threads=threads, progress=TerminalProgress())
        sets = None if gene_sets is None else _sets(gene_sets, card.readouts)
        found = do(model, query, cells, run, sets)
    said = about(card, seed)
    words = ["cellula", "perturb", "--fitted", fitted.name, "--perturbation", perturbation]
    words += ["--control", control.name, "--context", str(asked["context"])]
    given = {"--dose": dose, "--dose-unit": dose_unit, "--time": time, "--time-unit": time_unit}
    given |= {"--gene-sets": None if gene_sets is None else gene_sets.name, "--roles": roles}
    there = {name: str(value) for name, value in given.items() if value is not None}
    words += [word for pair in there.items() for word in pair]
    words += [word for one in where or () for word in ("--where", one)]
    command = shlex.join([*words, "--seed", str(seed), "--out", "perturbed"])
    page = render_in_silico(found.report, said, command)
    paths = write_in_silico(found.prediction, found.report, page, said, out)
    if as_json:
        genes = found.report.tables["genes"].head(TOP).to_dict("records")
        told = {"out": [str(path) for path in paths], "tier": card.tier, "genes": genes}
        print_json({**told, **found.report.numbers, "cautions": found.report.cautions})
        return
    say(f"{found.report.title}: {found.report.answer}")
    for row in found.report.tables["genes"].head(TOP).to_dict("records"):
        has_bounds = row["lower"] == row["lower"]
        bounds = f"  {row['lower']:.3g} to {row['upper']:.3g}" if has_bounds else ""
        say(f"{row['rank']:4d}  {row['gene']:20}{row['change']:9.3g}{bounds}")
    for caution in found.report.cautions:
        say(f"caution  {caution}")
    for path in paths:
        say(f"wrote    {path}")
    say(EXPLORATORY)


def _context(cells: Dataset, named: str | None) -> str:
    """The context that is asked for: the named one, or the only one that the population has."""
    from cellula.core.errors import DataError

    known = [str(name) for name in cells.queries().context.categories]
    if named is not None:
        return named
    if len(known) != 1:
        raise DataError(
            f"the population has {len(known)} contexts ({', '.join(known[:5])}); name one with "
            "--context"
        )
    return known[0]


def _query(
    asked: dict[str, object],
    card: FittedCard,
    scratch: Path,
    units: tuple[str | None, str | None],
) -> QueryTable:
    """The question, read as a table of one row is: the same labels, units and errors."""
    import pandas as pd

    from cellula.data.questions import read_questions
    from cellula.validation.exploratory import control_labels

    path = scratch / "question.csv"
    pd.DataFrame([asked]).to_csv(path, index=False)
    return read_questions(
        path,
        card.roles,
        control_labels=control_labels(card),
        known=card.numbers,
        dose_unit=units[0],
        time_unit=units[1],
    )


def _sets(path: Path, readouts: tuple[str, ...]) -> GeneSets:
    import pandas as pd

    from cellula.core.errors import DataError
    from cellula.evaluation.gene_sets import match_gene_sets
    from cellula.io.formats import read

    table = read(path)
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{path.name} holds no gene sets; give a GMT file")
    found = match_gene_sets(table, readouts)
    say(found.describe())
    return found.sets
