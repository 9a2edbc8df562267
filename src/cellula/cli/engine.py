"""``cellula engine``: the foreign engines there are, and those with an environment of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellula.cli.terminal import TerminalProgress, print_json, say

__all__ = ["app"]

app = typer.Typer(
    help="Foreign engines: list them, install one in an environment of its own.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Where environments are kept (default: yours).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_engines(folder: Folder = None, as_json: Json = False) -> None:
    """List every foreign engine: version, licence, where it runs, how it is installed."""
    rows = _rows(folder)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = row["version"] if row["installed"] else "not installed"
        where = "own process" if row["out_of_process"] else "in process"
        say(f"{row['name']:<12} {state:<14} {where:<12} {row['license']:<20} {row['what']}")
        if not row["installed"]:
            say(f"{'':<12} install it with: {row['install']}")


@app.command("install")
def install(
    name: Annotated[str, typer.Argument(help="Name of an engine (see: cellula engine list).")],
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Install an engine into an environment of its own; nothing of yours is changed."""
    from cellula.engines.outside.catalogue import environment
    from cellula.engines.outside.environment import install as make

    one = environment(name)
    place = make(one, TerminalProgress(), folder)
    if as_json:
        print_json({"name": one.name, "version": one.version, "folder": str(place)})
        return
    say(f"{one.name} {one.version} is in {place}")


def _rows(folder: Path | None) -> list[dict[str, Any]]:
    from cellula.engines.catalogue import ENGINES, version_of
    from cellula.engines.outside.catalogue import ENVIRONMENTS
    from cellula.engines.outside.environment import installed

    inside = [
        {
            "name": one.name,
            "what": one.what,
            "version": version_of(one),
            "installed": bool(version_of(one)),
            "license": one.license,
            "out_of_process": False,
            "install": f"pip install 'cellula[{one.extra}]'",
        }
        for one in ENGINES
    ]
    outside = [
        {
            "name": one.name,
            "what": one.what,
            "version": one.version,
            "installed": installed(one, folder) is not None,
            "license": one.license,
            "out_of_process": True,
            "install": f"cellula engine install {one.name}",
        }
        for one in ENVIRONMENTS
    ]
    return sorted([*inside, *outside], key=lambda row: str(row["name"]))
