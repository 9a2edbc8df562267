"""``cellula data convert``: a file in another format, and nothing lost without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.terminal import print_json, say

__all__ = ["convert"]


def convert(
    source: Annotated[Path, typer.Argument(help="The file or folder to read.")],
    out: Annotated[Path, typer.Argument(help="The file or folder to write.")],
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Writer, where the name does not tell it.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option("--modality", help="The one modality to keep of several.")
    ] = None,
    readouts: Annotated[
        str, typer.Option("--readouts", help="Of a table: the columns that are readouts, a,b,...")
    ] = "",
    drop: Annotated[
        bool, typer.Option("--drop", help="Leave out what the target format cannot hold.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a file or folder in another format; what that cannot hold is named and refused."""
    from cellula.io.conversion import convert as write_as

    done = write_as(
        source,
        out,
        format=format,
        to=to,
        modality=modality,
        readouts=tuple(name.strip() for name in readouts.split(",") if name.strip()),
        is_cut=drop,
        is_replaced=force,
    )
    if as_json:
        print_json({"out": str(out), "conversion": done})
        return
    width = "rows or ids" if done.readouts is None else f"profiles x {done.readouts} readouts"
    say(f"wrote    {out}: {done.profiles} {width} ({done.target})")
    if done.became:
        say(f"as       {done.became}")
    for part in done.lost:
        say(f"left out {part}")
