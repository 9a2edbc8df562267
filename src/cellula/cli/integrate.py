"""``cellula data integrate``: batches brought together, and what that did to the biology."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.pairs import pairs, repeated_pairs, typed_pairs
from cellula.cli.terminal import TerminalProgress, print_json, say
from cellula.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["integrate"]


def integrate(
    data: Annotated[Path, typer.Option("--data", help="The profiles: a file or a folder.")],
    roles: Annotated[
        str, typer.Option("--roles", help="batch=COLUMN,context=COLUMN,perturbation=COLUMN,...")
    ],
    method: Annotated[str, typer.Option("--method", help="A transform: harmony, combat, ...")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .h5ad, .zarr, ...")],
    value_type: Annotated[
        str, typer.Option("--value-type", help="What the numbers are: log1p, log2, z_score, ...")
    ] = "log1p",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="name=value of the method; may be repeated."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value of the rows to keep; may be repeated."),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Correct batches in all of the data, and tell mixing AND biology before and after."""
    from tempfile import TemporaryDirectory

    from cellula.core.run import run_context
    from cellula.io.formats import writer_of
    from cellula.io.presence import is_there
    from cellula.validation.exploratory import Declared, open_declared
    from cellula.validation.integration import integrate as correct

    if is_there(out) and not force:
        raise DataError(f"{out} is there already; give another name, or replace it: --force")
    writer = writer_of(out)
    options = typed_pairs(option or (), "--option")
    where_ = repeated_pairs(where or (), "--where")
    opened = open_declared(Declared(data, pairs(roles, "--roles"), value_type, where_, format))
    with TemporaryDirectory() as scratch:
        run = run_context(seed, Path(scratch), threads=threads, progress=TerminalProgress())
        corrected, found = correct(opened, method, options, run)
    writer.write(corrected.data, out)
    if as_json:
        print_json({"out": str(out), "tier": "T0", "method": method, "evidence": found.payload})
        return
    say(
        f"{method}: {found.payload['n_profiles']} profiles judged in "
        f"{found.payload['n_batches']} batches"
    )
    _print_before_after(found.payload)
    say(f"wrote    {out}")
    say(EXPLORATORY)


def _print_before_after(found: Mapping[str, Any]) -> None:
    """One line a measure, before and after; then the two answers."""
    before, after = found["before"], found["after"]
    rows = [("mixing of batches (1: as by chance)", before["mixing"], after["mixing"])]
    for role, kept in before["biology"].items():
        rows += [(f"{name} of {role}", kept[name], after["biology"][role][name]) for name in kept]
    rows.append(("neighbours kept within batches", None, found["neighbours_kept"]))
    for name, old, new in rows:
        say(f"  {name:<36} {_number(old):>7} -> {_number(new):>7}")
    for name, key in (("mixed", "is_mixed"), ("biology kept", "is_biology_kept")):
        answer = found[key]
        say(f"  {name:<36} {'not known' if answer is None else 'yes' if answer else 'NO'}")
    say(f"  {found['reason']}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
