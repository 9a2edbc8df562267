"""``cellula data``: public data sets that can be fetched, and what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellula.cli.convert import convert
from cellula.cli.embed import embed
from cellula.cli.integrate import integrate
from cellula.cli.pretrain import pretrain
from cellula.cli.terminal import print_json, say

__all__ = ["app"]

app = typer.Typer(
    help="Public data sets and files: list, get, describe, convert, embed, integrate, pretrain.",
    no_args_is_help=True,
)
app.command("convert")(convert)
app.command("embed")(embed)
app.command("integrate")(integrate)
app.command("pretrain")(pretrain)

#: Below this area under the ROC two data sets are called alike.
ALIKE = 0.6
#: So many of the readouts that differ most are shown.
SHOWN = 10

Cache = Annotated[
    Path | None, typer.Option("--cache", help="Where fetched data are kept (default: yours).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_sources(as_json: Json = False, cache: Cache = None) -> None:
    """List the public data sets that can be fetched, and which are here already."""
    from cellula.core import registry
    from cellula.data.catalogue import source as catalogue

    sources = [catalogue.source(name) for name in registry.names("source")]
    here = {one.name: catalogue.cached(one, cache) for one in sources}
    if as_json:
        print_json([catalogue.describe(one) | {"cached": here[one.name]} for one in sources])
        return
    for one in sources:
        state = "cached" if here[one.name] else "not fetched"
        say(f"{one.name:<14} {state:<12} {one.license:<28} {one.title}")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="Name of a data set (see: cellula data list).")],
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Fetch a public data set; its SHA-256 is required and a partial download is never used."""
    from cellula.data.catalogue import source as catalogue

    one = catalogue.source(name)
    folder = catalogue.fetch(one, cache)
    if as_json:
        print_json({"name": one.name, "files": sorted(one.files), "folder": str(folder)})
        return
    say(f"{one.name}: {', '.join(sorted(one.files))} in {folder}")


@app.command("describe")
def describe(
    what: Annotated[str, typer.Argument(help="Name of a data set, or a file or folder of data.")],
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option("--beside", help="A file, such as training data, that this one is held to."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a data set of the catalogue, or what a file holds and how it differs."""
    from cellula.core import registry

    if what in registry.names("source"):
        from cellula.data.catalogue import source as catalogue

        found = catalogue.describe(catalogue.source(what))
    else:
        found = _file(Path(what), format)
        if beside is not None:
            found |= _shift(Path(what), beside, format)
    if as_json:
        print_json(found)
        return
    width = max(14, *map(len, found))
    for key, value in found.items():
        say(f"{key:<{width}} {_shown(value)}")


def _file(path: Path, format: str | None) -> dict[str, object]:
    """What a file or folder holds."""
    from cellula.core.errors import DataError
    from cellula.data.description import describe_content
    from cellula.io.formats import read
    from cellula.io.presence import is_there

    if not is_there(path):
        raise DataError(f"there is no data set and no file {str(path)!r}; see: cellula data list")
    return describe_content(read(path, format), path.name)


def _shift(path: Path, beside: Path, format: str | None) -> dict[str, object]:
    """Whether the profiles of a file can be told from those of another, and by what."""
    import numpy as np
    from anndata import AnnData

    from cellula.core.errors import DataError
    from cellula.evaluation.shift import shift_between
    from cellula.io.formats import read

    one, other = read(path, format), read(beside)
    if not (isinstance(one, AnnData) and isinstance(other, AnnData)):
        name = (beside if isinstance(one, AnnData) else path).name
        raise DataError(f"{name} is no matrix of profiles; --beside needs two of them")
    found = shift_between(one, other, np.random.default_rng(0))
    told = "alike" if found.auroc < ALIKE else "told apart by a classifier"
    return {
        "beside": beside.name,
        "auroc": f"{found.auroc:.3f}, {told} (.5: not at all; {found.n[0]} and {found.n[1]} "
        f"profiles, {found.n_readouts} shared readouts, {found.missing} not shared)",
        "most_different": [
            f"{row.readout}: KS {row.ks:.2f}, mean {row.mean:.3g} beside {row.mean_beside:.3g}"
            for row in found.readouts.head(SHOWN).itertuples(index=False)
        ],
    }


def _shown(value: object) -> str:
    """A list on one line; of roles each with the columns that offer it."""
    if isinstance(value, dict):
        return "; ".join(f"{key} = {' or '.join(names)}" for key, names in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
